"""Files that are there as a whole or not at all."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex

TEMPORARY = re.compile(r"\.hogblock-\d+-[0-9a-f]{16}\.tmp")
"""Names of files that are being written: the writer's pid, for people, and chance."""

NO_LOCKS = frozenset(
    (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
)
"""What file systems without locks say."""


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[int]:
    """A descriptor to write to; what was written becomes `path` as the block ends.

    It is written under another name in the same folder, synced and renamed, and the
    folder is synced, so that at any moment `path` is what it was before or all of the
    new. The new file has the ordinary mode of the process's umask. Where `path` is a
    link, the file that it points to is replaced. What killed writers have left in the
    folder is removed.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    OSError
        That names `path`, which is then as it was; the other name is gone.
    """
    path = os.path.realpath(os.fsdecode(path))
    with naming(path):
        _check_replaceable(path)
        remove_stale(os.path.dirname(path))
        descriptor, temporary = _open_temporary(os.path.dirname(path))
        try:
            yield descriptor
            os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(descriptor)
        _sync_folder(os.path.dirname(path))


def remove_stale(folder: str) -> None:
    """Remove files that writers who are gone have begun.

    A writer locks what it writes, and the system unlocks it however the writer ends.
    Where the file system has no locks, nothing is removed.
    """
    for name in os.listdir(folder):
        if not TEMPORARY.fullmatch(name):
            continue
        with suppress(OSError):
            path = os.path.join(folder, name)
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Lock an open file for this process: False if another holds it.

    Raises
    ------
    OSError
        With one of `NO_LOCKS`, if the file system has none.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check_replaceable(path: str) -> None:
    """Raise if something is there that is no file, such as a folder or a device."""
    with suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "what is there is no regular file")


def _open_temporary(folder: str) -> tuple[int, str]:
    """A new file, locked: its descriptor and its name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    while True:
        path = os.path.join(folder, f".hogblock-{os.getpid()}-{token_hex(8)}.tmp")
        descriptor = os.open(path, flags, 0o666)
        try:
            # `remove_stale` of somebody may come before the lock.
            if lock(descriptor) and os.fstat(descriptor).st_nlink:
                return descriptor, path
        except OSError as error:
            if error.errno in NO_LOCKS:
                return descriptor, path
            os.close(descriptor)
            raise
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # it has no such thing
            raise
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors of the system name `path`, whatever call they come from."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error
