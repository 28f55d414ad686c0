"""Event logs: who ended a step when, what it had read, and what it wrote."""

import os
from dataclasses import dataclass, field

import numpy as np

ARRAYS = ("worker", "ticket", "read", "written", "writes")
SAVED = (*ARRAYS, "workers", "blocks", "n_total", "model_names", "model_values")
"""Arrays of a file."""
MOST_NAMES = 1000
"""Of what a file says of the model."""


@dataclass(frozen=True)
class Recording:
    """The machine schedules the workers, and what they do is logged.

    Parameters
    ----------
    max_bytes : int, default=2**28
        Of the log: of a longer run it has the first steps only. A step takes 12 bytes,
        and 8 more a block.

    Raises
    ------
    ValueError
        If `max_bytes` is not a positive integer.
    """

    __module__ = "hogblock.asynchrony"

    max_bytes: int = 2**28

    def __post_init__(self):
        if not (isinstance(self.max_bytes, int) and self.max_bytes > 0):
            raise ValueError(f"max_bytes={self.max_bytes!r} must be an integer above 0")


@dataclass(frozen=True, eq=False, repr=False)
class EventLog:
    """Steps of a run, in the order in which they ended.

    Parameters
    ----------
    worker : ndarray of shape (n_events,), int32
    ticket : ndarray of shape (n_events,), int64
        Number of the minibatch; of each worker's own, where each passes over all the
        data.
    read, written : ndarray of shape (n_events, n_blocks), int64
        Writes to each block before the step began, and before it ended; its own is not
        counted.
    writes : ndarray of shape (n_events, n_blocks), bool
        Which blocks the step wrote.
    workers : int
    blocks : tuple of (int, int)
        Start and end of each block in the parameter vector.
    n_total : int
        Steps of the run: more than are here, if the log was bounded.
    model : dict of str to str
        What was trained, and how, as far as a replay has to agree with it.

    Raises
    ------
    ValueError
        If arrays do not fit each other, or a step cannot have happened after those
        before it: the first such one is named.
    """

    __module__ = "hogblock.asynchrony"

    worker: np.ndarray
    ticket: np.ndarray
    read: np.ndarray
    written: np.ndarray
    writes: np.ndarray
    workers: int
    blocks: tuple[tuple[int, int], ...]
    n_total: int
    model: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        n, blocks = np.size(self.worker), len(self.blocks)
        for name, shape in (
            ("worker", (n,)),
            ("ticket", (n,)),
            *((name, (n, blocks)) for name in ARRAYS[2:]),
        ):
            array = np.asarray(getattr(self, name))
            if array.shape != shape:
                raise ValueError(
                    f"{name} of a log has shape {array.shape}, and {n} events of "
                    f"{blocks} blocks need {shape}"
                )
            if array.dtype.kind != ("b" if name == "writes" else "i"):
                kind = "truth values" if name == "writes" else "signed integers"
                raise ValueError(f"{name} of a log is {array.dtype} and must be {kind}")
        if not 1 <= self.workers <= blocks:  # each of them has a block, at least
            raise ValueError(
                f"workers={self.workers} of a log must be 1 to {blocks}, its blocks"
            )
        if self.n_total < n:
            raise ValueError(f"n_total={self.n_total} is less than {n} events")
        self._refuse(
            (self.worker < 0) | (self.worker >= self.workers),
            lambda k: f"worker {self.worker[k]} of {self.workers}",
        )
        self._refuse(self.ticket < 0, lambda k: f"ticket {self.ticket[k]}")
        self._refuse_versions()

    def _refuse(self, wrong, what) -> None:
        if wrong.any():
            first = int(np.argmax(wrong))
            raise ValueError(f"event {first} of the log is impossible: {what(first)}")

    def _refuse_versions(self) -> None:
        before = self.counts()
        wrong = (self.read < 0) | (self.read > before) | (self.written < self.read)
        self._refuse(
            wrong.any(axis=1),
            lambda k: (
                f"it has read {self.read[k].tolist()} writes of the blocks, "
                f"{self.written[k].tolist()} when it ended, and the events before made "
                f"{before[k].tolist()}"
            ),
        )

    def __len__(self):
        return len(self.worker)

    def __repr__(self):
        return (
            f"EventLog({len(self)} of {self.n_total} events, {self.workers} workers, "
            f"{len(self.blocks)} blocks)"
        )

    def counts(self) -> np.ndarray:
        """Writes to each block by the events before each.

        Returns
        -------
        ndarray of shape (n_events, n_blocks), int64
        """
        return np.cumsum(self.writes, axis=0) - self.writes

    def ages(self) -> np.ndarray:
        """Writes by others to each block while a step was on its way.

        Returns
        -------
        ndarray of shape (n_events, n_blocks), int64
            As in ``staleness_`` of an estimator.
        """
        return self.written - self.read

    def delays(self) -> np.ndarray:
        """How many events ago each block was as a step read it.

        Returns
        -------
        ndarray of shape (n_events, n_blocks), int64
            Event k read the block as the events before k - delay had left it; the least
            number of which that is true.
        """
        n = np.arange(len(self))
        delays = np.empty(self.read.shape, np.int64)
        for block in range(len(self.blocks)):
            writers = np.append(np.flatnonzero(self.writes[:, block]), len(self))
            # What has seen `read` writes was there until the next one was made.
            until = writers[np.minimum(self.read[:, block], len(writers) - 1)]
            delays[:, block] = n - np.minimum(until, n)
        return delays

    def save(self, path: str | os.PathLike) -> None:
        """Write it to a file (NumPy's ``.npz``, compressed, without pickles).

        Parameters
        ----------
        path : str or path-like
            Should end with ``.npz``.
        """
        names = list(self.model)
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                **{name: getattr(self, name) for name in ARRAYS},
                workers=self.workers,
                blocks=np.array(self.blocks, np.int64).reshape(-1, 2),
                n_total=self.n_total,
                model_names=np.array(names, np.str_),
                model_values=np.array([self.model[n] for n in names], np.str_),
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "EventLog":
        """Read a log that `save` wrote.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        EventLog

        Raises
        ------
        ValueError
            If the file is no whole event log.
        OSError
            If it cannot be read.
        """
        # Worker processes import this module, and are to go without scikit-learn.
        from hogblock.datasets.npz import arrays_of

        try:
            with open(path, "rb") as file:
                arrays = arrays_of(file, SAVED)
            found = dict(zip(SAVED, arrays, strict=True))
            return cls(
                **{name: found[name] for name in ARRAYS},
                workers=_number(found, "workers"),
                blocks=_blocks(found["blocks"]),
                n_total=_number(found, "n_total"),
                model=_model(found["model_names"], found["model_values"]),
            )
        except ValueError as error:
            name = os.fspath(path)
            raise ValueError(f"{name} is no whole event log: {error}") from error


def _number(found: dict[str, np.ndarray], name: str) -> int:
    array = found[name]
    if array.shape or array.dtype.kind != "i":
        raise ValueError(
            f"{name} is {array.dtype} of shape {array.shape}, not a number"
        )
    return int(array)


def _blocks(array: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Checked before they become tuples, which take more memory."""
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind != "i":
        raise ValueError(
            f"blocks are {array.dtype} of shape {array.shape}, not integers of (n, 2)"
        )
    starts, ends = array.T
    wrong = (starts < 0) | (ends <= starts)
    wrong[1:] |= starts[1:] < ends[:-1]
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(
            f"block {k} is {starts[k]} to {ends[k]}, which is empty or not after those "
            "before"
        )
    return tuple(map(tuple, array.tolist()))


def _model(names: np.ndarray, values: np.ndarray) -> dict[str, str]:
    """What a log says of the model."""
    for name, array in (("model_names", names), ("model_values", values)):
        if array.ndim != 1 or array.dtype.kind != "U" or len(array) > MOST_NAMES:
            raise ValueError(
                f"{name} is {array.dtype} of shape {array.shape}, not at most "
                f"{MOST_NAMES} texts"
            )
    if len(names) != len(values):
        raise ValueError(f"{len(names)} model_names have {len(values)} model_values")
    return dict(zip(names.tolist(), values.tolist(), strict=True))
