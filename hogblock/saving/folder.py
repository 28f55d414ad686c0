"""A folder of checkpoints: one fit's at a time, the last few, the newest first."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import numpy as np

from hogblock.kernels.warn import warn
from hogblock.saving.atomic import NO_LOCKS, lock, naming, remove_stale
from hogblock.saving.file import DamagedError, write

LOCK = ".lock"
NAME = re.compile(r"epoch-(\d{6,18})\.safetensors")

Loaded = TypeVar("Loaded")


class Folder:
    """Checkpoints of a fit, which holds the folder until `close`.

    Parameters
    ----------
    path : str or path-like
        Made if it is not there.
    keep : int
        How many checkpoints are kept.
    resume : bool
        Whether the fit may find checkpoints there.

    Raises
    ------
    OSError
        If it cannot be written to; names it.
    ValueError
        If another fit holds it, or there are checkpoints and `resume` is False.
    """

    _lock: int | None = None

    def __init__(self, path: str | os.PathLike, keep: int, resume: bool):
        self.path = os.path.abspath(os.fsdecode(path))
        self._keep = keep
        self._process = os.getpid()
        self._made = _make(self.path)
        try:
            self._lock = _hold(self.path)
            with naming(self.path):
                remove_stale(self.path)
                there = self.epochs()
            if there and not resume:
                raise ValueError(
                    f"checkpoint={self.path!r} holds checkpoints of another fit, up to "
                    f"epoch {there[-1]}: pass resume=True, or another folder"
                )
        except BaseException:
            self.close()
            raise

    def __del__(self):
        if self._lock is not None:  # an interruption kept it from being closed
            self.close()

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it; a folder that was made for nothing is removed."""
        descriptor, self._lock = self._lock, None
        here = os.getpid() == self._process  # a fork of it holds nothing
        if descriptor is not None:
            path = os.path.join(self.path, LOCK)
            if here and _is_file(path, descriptor):
                with suppress(OSError):
                    os.unlink(path)
            os.close(descriptor)
        if here and self._made:
            with suppress(OSError):
                os.rmdir(self.path)

    def file(self, epoch: int) -> str:
        """Path of the checkpoint after so many epochs."""
        return os.path.join(self.path, f"epoch-{epoch:06d}.safetensors")

    def epochs(self) -> list[int]:
        """Those that there are checkpoints of, in their order."""
        found = (NAME.fullmatch(name) for name in os.listdir(self.path))
        return sorted(int(match[1]) for match in found if match)

    def newest(self, load: Callable[[str], Loaded]) -> Loaded | None:
        """What `load` makes of the newest checkpoint that is whole; None without any.

        One warning names those that are skipped.

        Parameters
        ----------
        load : callable
            Takes a path; raises `DamagedError` or OSError for what is to be skipped.

        Raises
        ------
        ValueError
            If there are checkpoints, and none is whole.
        """
        faults: list[str] = []
        for epoch in reversed(self.epochs()):
            try:
                found = load(self.file(epoch))
            except (DamagedError, OSError) as error:
                faults.append(str(error))
                continue
            if faults:
                warn(
                    f"checkpoints were damaged and are not used: {'; '.join(faults)}. "
                    f"The fit goes on after epoch {epoch}"
                )
            return found
        if faults:
            raise ValueError(
                f"checkpoint={self.path!r} has no whole checkpoint: {'; '.join(faults)}"
            )
        return None

    def save(self, epoch: int, about: dict, arrays: dict[str, np.ndarray]) -> None:
        """Write a checkpoint; then remove what is older than the last few.

        Later ones than this are damaged, or the fit would have gone on from there; they
        are not counted.

        Raises
        ------
        OSError
            That names the file; all that was there still is.
        """
        write(self.file(epoch), about, arrays)
        for old in [e for e in self.epochs() if e <= epoch][: -self._keep]:
            with suppress(FileNotFoundError), naming(self.file(old)):
                os.unlink(self.file(old))


def _make(path: str) -> bool:
    """Make a folder; False if it was there."""
    if os.path.isdir(path):
        return False
    os.makedirs(path, exist_ok=True)
    return True


def _hold(folder: str) -> int:
    """A descriptor of the lock of a folder, which is held while it is open."""
    path = os.path.join(folder, LOCK)
    while True:
        with naming(path):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o666)
        try:
            held = _locked(descriptor, folder)
            holder = (
                "" if held else os.pread(descriptor, 20, 0).decode("ascii", "replace")
            )
            there = held and _is_file(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if there:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor
        os.close(descriptor)
        if not held:
            by = f" (process {holder})" if holder.isdigit() else ""
            raise ValueError(
                f"checkpoint={folder!r} is in use by another fit{by}: wait for its "
                "end, or pass another folder"
            )


def _locked(descriptor: int, folder: str) -> bool:
    try:
        return lock(descriptor)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    warn(
        f"checkpoint={folder!r} lies on a file system without locks: nothing keeps "
        "another fit from using it at the same time"
    )
    return True


def _is_file(path: str, descriptor: int) -> bool:
    """Whether a path is an open file still: its last holder removes it."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))
