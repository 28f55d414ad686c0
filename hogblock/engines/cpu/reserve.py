"""Room for what processes share: a file without a name, in memory or in a folder."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable

from hogblock.engines.cpu.available import available_memory
from hogblock.engines.cpu.system import fill_standard_descriptors
from hogblock.errors import SharedMemoryError
from hogblock.kernels.warn import warn

_FEWER = "Use n_jobs=1, set memmap_dir to a folder that has the room, or pass less data"
_NO_ROOM = f"there is no room for it ({{}}). {_FEWER}"
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
    lack = f"{_mib(have)} of memory are free"
    if beside > have:
        raise SharedMemoryError(
            f"{needs(size)} and {_mib(beside)} for its processes, and {lack}. Use a "
            "smaller n_jobs."
        )
    if size + beside <= have:
        try:
            return _made(_in_memory, size)
        except OSError as error:
            if folder is None or error.errno not in (errno.ENOSPC, errno.ENOMEM):
                raise refusal(size, error) from error
            lack = f"there is no room for it ({error.strerror})"
    elif folder is None:
        raise SharedMemoryError(
            f"{needs(size)} and {_mib(beside)} for its processes, and {lack}. {_FEWER}."
        )
    return _in_folder(size, lack, folder)


def needs(size: int) -> str:
    """The beginning of every refusal."""
    return f"training with several workers needs {_mib(size)} of shared memory"


def refusal(size: int, error: OSError) -> SharedMemoryError:
    """What to raise when the system does not give so many bytes."""
    why = _ADVICE.get(error.errno or 0, "it cannot be had ({}). Use n_jobs=1")
    return SharedMemoryError(f"{needs(size)}, and {why.format(error.strerror)}.")


def _in_folder(size: int, lack: str, folder) -> int:
    where = f"memmap_dir={os.fspath(folder)!r}"
    try:
        room = shutil.disk_usage(folder).free
        if room >= size:
            warn(
                f"{needs(size)}, and {lack}: it lies in a file in {where}, and "
                "training may be slower",
                RuntimeWarning,
            )
            return _made(lambda: _in(folder), size)
        why = f"has {_mib(room)}"
    except OSError as error:
        why = f"does not take it ({error.strerror})"
    raise SharedMemoryError(
        f"{needs(size)}; {lack}, and {where} {why}. Use n_jobs=1, another folder, or "
        "less data."
    )


def _in_memory() -> int:
    return os.memfd_create("hogblock") if hasattr(os, "memfd_create") else _in(None)


def _in(folder) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _made(opened: Callable[[], int], size: int) -> int:
    fill_standard_descriptors()
    descriptor = opened()
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
