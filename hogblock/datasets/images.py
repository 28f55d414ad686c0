"""What the image sets share: where they are looked for, and how they come."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

DATA_VARIABLE = "HOGBLOCK_DATA"
ROOTS = ("~/.cache/hogblock", "/usr/share/datasets")
"""Each may hold a folder of every set, by the set's name."""
GZIP_MAGIC = b"\x1f\x8b"

Part = tuple[np.ndarray, np.ndarray]
"""Images and their classes."""


def places(path: str | os.PathLike | None, name: str) -> list[Path]:
    """Where the set `name` may lie, in the order of the search."""
    named = os.environ.get(DATA_VARIABLE)
    if path is not None:
        found = [Path(path)]
    elif named:
        found = [Path(named), Path(named, name)]
    else:
        found = [Path(root, name) for root in ROOTS]
    return [place.expanduser() for place in found]


def not_found(title: str, looked: Sequence[str], advice: str) -> FileNotFoundError:
    """The error of a set that lies in none of the places."""
    return FileNotFoundError(
        f"{title} was not found in {' or '.join(looked)}. {advice}"
    )


def check_labels(source: str | os.PathLike, labels: np.ndarray, n_classes: int) -> None:
    """Refuse labels that are not 0 to n_classes - 1, by the name of their source."""
    wrong = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if wrong.size:
        raise ValueError(
            f"{source} holds the label {labels[wrong[0]]} (of image {wrong[0]}); "
            f"labels are 0 to {n_classes - 1}"
        )


def make_bunch(
    train: Part,
    test: Part,
    image_shape: tuple[int, int, int],
    target_names: Sequence[str],
    description: str,
) -> Bunch:
    """A set in the form that every loader returns."""
    data, target = train
    data_test, target_test = test
    return Bunch(
        data=data,
        target=target,
        data_test=data_test,
        target_test=target_test,
        image_shape=image_shape,
        target_names=list(target_names),
        DESCR=description,
    )
