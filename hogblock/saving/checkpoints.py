"""The checkpoints of a fit: the one that it goes on from, and those that it leaves."""

import os

import numpy as np

from hogblock.saving.checkpoint import Checkpoint, followed_by
from hogblock.saving.facts import Facts
from hogblock.saving.fingerprint import Fingerprint
from hogblock.saving.folder import Folder
from hogblock.saving.writer import Writer
from hogblock.training.run_state import RunState
from hogblock.training.stopping import Monitor


class Checkpoints:
    """A folder that a fit holds, and the thread that writes to it, until `close`.

    Parameters
    ----------
    path : str or path-like
    keep : int
        How many checkpoints are kept.
    resume : bool

    Attributes
    ----------
    found : Checkpoint or None
        The newest one that is whole, to go on from.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    ValueError
        If another fit holds it, if there are checkpoints and `resume` is False, or if
        none of them is whole.
    """

    def __init__(self, path: str | os.PathLike, keep: int, resume: bool):
        self._folder = Folder(path, keep, resume)
        try:
            self.found = self._folder.newest(Checkpoint.read)
            self._writer = Writer(self._write)
        except BaseException:
            self._folder.close()
            raise

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the last one to be written, and let others have the folder."""
        try:
            self._writer.close()
        finally:
            self._folder.close()

    def begin(
        self,
        facts: Facts,
        data: dict[str, Fingerprint | None],
        random: np.random.RandomState | None,
    ) -> None:
        """Say what fit it is.

        Parameters
        ----------
        facts, data, random
            See `Checkpoint`.

        Raises
        ------
        ValueError
            If it cannot go on from what was found; names what differs.
        """
        if self.found is not None:
            try:
                self.found.check(facts, data)
            except ValueError as error:
                raise ValueError(
                    f"checkpoint={self._folder.path!r} is of another fit: {error}"
                ) from None
            random = self.found.random
        self._fit = facts, data, random

    def save(self, state: RunState, monitor: Monitor, reductions: int = 0) -> None:
        """Have a checkpoint written, beside what is done meanwhile.

        Parameters
        ----------
        state : RunState
            Nobody changes it any more.
        monitor : Monitor
            Of the same epoch.
        reductions : int, default=0
            See `Checkpoint`.
        """
        followed = followed_by(monitor)
        self._writer.put(Checkpoint(*self._fit, state, followed, reductions))

    def _write(self, checkpoint: Checkpoint) -> None:
        self._folder.save(checkpoint.state.epochs, *checkpoint.packed())
