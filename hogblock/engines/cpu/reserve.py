"""Room for what processes share: a file without a name, in memory or in a folder."""

import errno
import os
import shutil
import tempfile

from hogblock.engines.cpu.available import available_memory
from hogblock.engines.cpu.system import fill_standard_descriptors
from hogblock.errors import SharedMemoryError
from hogblock.kernels.warn import warn

_FEWER = "Use n_jobs=1, pass memmap_dir, a folder on a disk that has the room, or {}"
_NO_ROOM = f"there is no room for it ({{}}). {_FEWER.format('less data')}"
_OPEN_FILES = "too many files are open ({}). Raise the limit (ulimit -n), or close some"
_ADVICE = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.ENOMEM: "there is no memory for it ({}). Raise the limit on it (ulimit -v), "
    "use n_jobs=1, or pass less data",
    errno.EFBIG: "the limit on the size of files forbids it ({}). Raise it (ulimit "
    "-f), use n_jobs=1, or pass less data",
    errno.EMFILE: _OPEN_FILES,
    errno.ENFILE: _OPEN_FILES,
}
"""What stands in the way, and what helps, by the number of an error."""


def check_folder(folder) -> None:
    """Whether a file could be made in `memmap_dir`, if there is one.

    Raises
    ------
    ValueError
    """
    if folder is None:
        return
    for right, what in (
        (os.path.exists(folder), "is missing"),
        (os.path.isdir(folder), "is no folder"),
        (os.access(folder, os.W_OK | os.X_OK), "may not be written to"),
    ):
        if not right:
            raise ValueError(f"memmap_dir={os.fspath(folder)!r} {what}")


def reserve(size: int, beside: int = 0, folder=None) -> int:
    """Descriptor of a file of `size` bytes, all of which are there, for this user.

    Parameters
    ----------
    size : int
    beside : int, default=0
        Bytes that the processes will take besides; of memory in any case.
    folder : path-like or None, default=None
        Where the file lies if memory does not hold it.

    Raises
    ------
    SharedMemoryError
        If there is no room: names what is needed, and what there is.

    Warns
    -----
    RuntimeWarning
        If it lies in the folder.
    """
    have = available_memory()
    if beside > have or (folder is None and size + beside > have):
        raise SharedMemoryError(
            f"{needs(size)} and {_mib(beside)} for its processes, and {_mib(have)} of "
            f"memory are free. {_FEWER.format('use fewer processes or less data')}."
        )
    fill_standard_descriptors()
    if size + beside <= have:
        try:
            return _filled(_in_memory(), size)
        except OSError as error:
            if folder is None or error.errno not in (errno.ENOSPC, errno.ENOMEM):
                raise refusal(size, error) from error
    return _in_folder(size, have, folder)


def needs(size: int) -> str:
    """The beginning of every refusal."""
    return f"training with several workers needs {_mib(size)} of shared memory"


def refusal(size: int, error: OSError) -> SharedMemoryError:
    """What to raise when the system does not give so many bytes."""
    why = _ADVICE.get(error.errno or 0, "it cannot be had ({}). Use n_jobs=1")
    return SharedMemoryError(f"{needs(size)}, and {why.format(error.strerror)}.")


def _in_folder(size: int, have: float, folder) -> int:
    room = shutil.disk_usage(folder).free
    where = f"memmap_dir={os.fspath(folder)!r}"
    if size > room:
        raise SharedMemoryError(
            f"{needs(size)}; {_mib(have)} of memory are free, and {_mib(room)} in "
            f"{where}. Use n_jobs=1, another folder, or less data."
        )
    warn(
        f"{needs(size)}, and {_mib(have)} of memory are free: it lies in a file in "
        f"{where}, and training may be slower",
        RuntimeWarning,
    )
    try:
        return _filled(_nameless(folder), size)
    except OSError as error:
        raise refusal(size, error) from error


def _in_memory() -> int:
    if not hasattr(os, "memfd_create"):
        return _nameless(None)
    return os.memfd_create("hogblock")


def _nameless(folder) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _filled(descriptor: int, size: int) -> int:
    try:
        os.fchmod(descriptor, 0o600)
        os.ftruncate(descriptor, size)
        if hasattr(os, "posix_fallocate"):  # else the first touch of a page may fail
            os.posix_fallocate(descriptor, 0, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _mib(size: float) -> str:
    return f"{size / 2**20:.1f} MiB"
