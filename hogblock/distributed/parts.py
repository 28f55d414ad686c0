"""Samples that lie on the nodes: ``Parts``, and how a node reads its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hogblock.engines.locations import Elsewhere

TABLES = (".parquet", ".csv", ".tsv", ".txt", ".gz")


@dataclass(frozen=True, eq=False)
class Parts(Elsewhere):
    """Samples that never come to this machine: the X of ``fit``, whose y is left out.

    Every node reads its part by itself, where it runs: a path has to be there on the
    node's machine. Part k goes to node k; with ``Ray(sampling="all")`` every node reads
    all of them.

    Parameters
    ----------
    sources : sequence, or ray.data.Dataset
        One for each node, which is a path of a table (``.parquet``, ``.csv``) or of an
        ``.npz`` file with X and y; a pair (X, y) of paths of ``.npy`` files, of which X
        is not loaded but mapped into memory, or of arrays; or a function without
        arguments that returns such a pair. Or a data set of Ray, which is split among
        the nodes.
    target : str, default=None
        Column of the target in tables and data sets; None is the last one.

    Raises
    ------
    ValueError
        If `sources` is empty, or one is nothing of these; names it.

    Examples
    --------
    >>> from hogblock.distributed import Parts
    >>> parts = Parts(["/data/0.parquet", "/data/1.parquet"], target="label")
    >>> len(parts.sources)
    2
    """

    __module__ = "hogblock.distributed"
    where: ClassVar[str] = "nodes"

    sources: Any
    target: str | None = None

    def __post_init__(self):
        if is_dataset(self.sources):
            return
        if isinstance(self.sources, (str, os.PathLike)) or not self.sources:
            raise ValueError(
                f"sources={self.sources!r} of Parts must be a sequence with a part for "
                "each node"
            )
        for number, source in enumerate(self.sources):
            if not (_is_path(source) or callable(source) or _is_pair(source)):
                raise ValueError(
                    f"sources[{number}] of Parts is {type(source).__name__}; allowed "
                    "are a path, a pair (X, y) of paths or arrays, and a function that "
                    "returns one"
                )

    def dealt(self, nodes: int, to_all: bool) -> list[list[Any]]:
        """What each node reads.

        Parameters
        ----------
        nodes : int
        to_all : bool
            Whether every node reads all.

        Returns
        -------
        list of list
            Sources by node.

        Raises
        ------
        ValueError
            If there is not a part for each node.
        """
        sources = self.sources
        if is_dataset(sources):
            rows = sources.count()
            ends = [rows * k // nodes for k in range(1, nodes)]
            sources = sources.split_at_indices(ends) if ends else [sources]
        if to_all:
            return [list(sources)] * nodes
        if len(sources) != nodes:
            raise ValueError(
                f"{len(sources)} sources of Parts are for {nodes} nodes: there has to "
                "be one for each"
            )
        return [[source] for source in sources]


def is_dataset(sources) -> bool:
    """Whether it is a data set of Ray, which can be split."""
    return hasattr(sources, "split") and hasattr(sources, "iter_batches")


def _is_path(source) -> bool:
    return isinstance(source, (str, os.PathLike))


def _is_pair(source) -> bool:
    return isinstance(source, Sequence) and len(source) == 2 and not _is_path(source)


def read(sources: Sequence[Any], target: str | None) -> tuple[Any, np.ndarray]:
    """X and y of some sources, behind one another.

    Raises
    ------
    OSError, ValueError
        If one cannot be read; names it.
    """
    pairs = [_read(source, target) for source in sources]
    if len(pairs) == 1:
        return pairs[0]
    X = np.concatenate([np.asarray(x) for x, _ in pairs])
    return X, np.concatenate([y for _, y in pairs])


def _read(source, target: str | None) -> tuple[Any, np.ndarray]:
    if is_dataset(source):
        return _of_frame(source.to_pandas(), target)
    if callable(source):
        x, y = source()
        return x, np.asarray(y)
    if _is_path(source):
        return _of_file(Path(source), target)
    x, y = (_array(each) for each in source)
    return x, np.array(y)


def _of_file(path: Path, target: str | None) -> tuple[Any, np.ndarray]:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        from hogblock.datasets import read_npz

        return read_npz(path)
    if suffix in TABLES:
        from hogblock.datasets.tables import read_table

        return read_table(path, target)
    raise ValueError(
        f"{str(path)!r} is no part: allowed are {', '.join(TABLES)}, .npz, and pairs "
        "of .npy"
    )


def _array(part) -> np.ndarray:
    """An array, or that of a file, which is mapped."""
    return np.load(part, mmap_mode="r") if _is_path(part) else np.asarray(part)


def _of_frame(frame, target: str | None) -> tuple[Any, np.ndarray]:
    name = frame.columns[-1] if target is None else target
    if name not in frame.columns:
        raise ValueError(f"there is no column {name!r} in {list(frame.columns)}")
    return frame.drop(columns=name), frame[name].to_numpy()
