"""IDX files, and the image sets that come in them: Fashion-MNIST and its like."""

import gzip
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeGuard

import numpy as np
from sklearn.utils import Bunch

from hogblock.datasets.archives import Stream, refusing, take
from hogblock.datasets.images import (
    DATA_VARIABLE,
    GZIP_MAGIC,
    Part,
    check_labels,
    make_bunch,
    not_found,
    places,
)

IDX_TYPES: dict[int, np.dtype] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
MOST_DIMS = 32
MOST_BYTES = 2**62
"""Of an array, if it had an item in each dimension: NumPy makes no larger shape."""

FILES = {
    "data": "train-images-idx3-ubyte",
    "target": "train-labels-idx1-ubyte",
    "data_test": "t10k-images-idx3-ubyte",
    "target_test": "t10k-labels-idx1-ubyte",
}
FIRST_FILE = re.compile(r"(.*)train-images[-.]idx3-ubyte(\.gz)?")
"""A set is known by this file; the group is what its files' names start with."""

FASHION_SHAPE = (28, 28)
TARGET_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DESCRIPTION = """Fashion-MNIST: 70,000 grey images, 28 x 28 pixels, of ten kinds of
clothes from Zalando's catalogue; 60,000 to train on and 10,000 to test on.

H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms", arXiv 1708.07747. MIT licence."""


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Read an array from an IDX file, gzipped or not.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    ndarray
        Of the shape and type that the file states, in native byte order.

    Raises
    ------
    ValueError
        If the file is not an IDX file, is damaged, truncated or too long.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        if file.peek(2)[:2] != GZIP_MAGIC:
            return _read(path, file)
        with gzip.open(file) as stream:
            damaged = f"{path} is truncated or damaged, after {{:,}} unpacked bytes: "
            with refusing(lambda: damaged.format(stream.tell())):
                return _read(path, stream)


def _read(path, stream: Stream) -> np.ndarray:
    """Of what the file claims nothing takes memory that is not there."""
    start = take(stream, 4)
    if len(start) < 4:
        raise ValueError(f"{path} is truncated: {len(start)} bytes hold no IDX header")
    if start[:2] != b"\0\0":
        raise ValueError(
            f"{path} is not an IDX file: it starts with the bytes {start.hex(' ')} "
            "instead of two zeros"
        )
    code, n_dims = start[2:]
    if code not in IDX_TYPES:
        raise ValueError(f"{path} has the unknown IDX type code 0x{code:02x}")
    if n_dims == 0:
        raise ValueError(f"{path} has no dimensions in its IDX header")
    if n_dims > MOST_DIMS:
        raise ValueError(
            f"{path} has {n_dims} dimensions in its IDX header; at most {MOST_DIMS} "
            "are read"
        )
    sizes = take(stream, 4 * n_dims)
    if len(sizes) < 4 * n_dims:
        raise ValueError(f"{path} is truncated within its IDX header")
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    dtype = IDX_TYPES[code]
    # Python integers: the product of a wrong header may be huge.
    expected = dtype.itemsize * math.prod(shape)
    content = take(stream, expected + 1)
    if len(content) != expected:
        short = len(content) < expected
        raise ValueError(
            f"{path} {'is truncated' if short else 'is too long'}: shape {shape} of "
            f"{dtype.name} takes {expected} bytes, and {len(content)} "
            f"{'' if short else 'or more '}follow the header"
        )
    if dtype.itemsize * math.prod(filter(None, shape)) > MOST_BYTES:
        raise ValueError(f"{path} is empty, and its shape {shape} is too large")
    values = np.frombuffer(content, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def load_fashion_mnist(
    path: str | os.PathLike | None = None, *, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load Fashion-MNIST from four IDX files, gzipped or not.

    Parameters
    ----------
    path : str or path-like, default=None
        Folder that holds the files. None is the folder that the environment variable
        HOGBLOCK_DATA names, or ``fashion-mnist`` in it; if that is not set, the first
        of ``~/.cache/hogblock/fashion-mnist`` and
        ``/usr/share/datasets/fashion-mnist`` (Debian's package
        ``dataset-fashion-mnist``) that holds all four.
    return_X_y : bool, default=False
        Return the training images and their classes only.

    Returns
    -------
    Bunch or (data, target)
        - data, data_test : ndarray of shape (60000, 784) and (10000, 784), uint8
        - target, target_test : ndarray of shape (60000,) and (10000,), int64
        - image_shape : (28, 28, 1), to reshape rows to images
        - target_names : list of the ten classes' names
        - DESCR : str

    Raises
    ------
    FileNotFoundError
        If files are missing; the message says where to get them.
    ValueError
        If a file is damaged, or holds something else.
    """
    looked = []
    for folder in places(path, "fashion-mnist"):
        files = _set_files(folder)
        if _all_there(files):
            return _read_set(
                files, return_X_y, FASHION_SHAPE, TARGET_NAMES, DESCRIPTION
            )
        looked.append(f"{folder} ({_what_is_wrong(folder, files)})")
    raise not_found(
        "Fashion-MNIST",
        looked,
        "Get it with `apt-get install dataset-fashion-mnist`, or put its four IDX "
        "files into a folder and pass that as path or in the environment variable "
        f"{DATA_VARIABLE}.",
    )


def load_idx(
    path: str | os.PathLike, *, prefix: str | None = None, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load a set in the form of MNIST from four IDX files, gzipped or not.

    MNIST, KMNIST, EMNIST and many others come as ``train-images-idx3-ubyte``,
    ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
    ``t10k-labels-idx1-ubyte``. Names may start with a prefix, as in
    ``emnist-letters-train-images-idx3-ubyte``, have ``test`` instead of ``t10k``, a dot
    before ``idx`` and ``.gz`` at the end.

    Parameters
    ----------
    path : str or path-like
        Folder that holds the files.
    prefix : str, default=None
        What the names of the set's files start with, such as ``"emnist-letters-"``.
        None takes the folder's only set.
    return_X_y : bool, default=False
        Return the training images and their labels only.

    Returns
    -------
    Bunch or (data, target)
        - data, data_test : ndarray of shape (n_samples, height * width), uint8
        - target, target_test : ndarray of shape (n_samples,), int64
        - image_shape : (height, width, 1), to reshape rows to images
        - target_names : list of the numbers from 0 to the greatest label, as str
        - DESCR : str

    Raises
    ------
    FileNotFoundError
        If the folder, or a file of the set, is missing.
    ValueError
        If the folder holds several sets and `prefix` is None; if a file is damaged, or
        holds something else.

    Notes
    -----
    Images come as they are stored. Those of EMNIST are stored with rows and columns
    exchanged; ``data.reshape(-1, 28, 28).swapaxes(1, 2)`` sets them upright.
    """
    folder = Path(path).expanduser()
    prefix = _only_prefix(folder) if prefix is None else prefix
    files = _set_files(folder, prefix)
    if not _all_there(files):
        wrong = _what_is_wrong(folder, files, prefix)
        raise not_found("An IDX set", [f"{folder} ({wrong})"], _advice(folder, prefix))
    return _read_set(files, return_X_y)


def _all_there(files: dict[str, Path | None]) -> TypeGuard[dict[str, Path]]:
    return None not in files.values()


def _prefixes(folder: Path) -> list[str]:
    """Prefixes of the sets that a folder holds, sorted."""
    if not folder.is_dir():
        return []
    names = map(FIRST_FILE.fullmatch, (file.name for file in folder.iterdir()))
    return sorted({name[1] for name in names if name})


def _only_prefix(folder: Path) -> str:
    prefixes = _prefixes(folder)
    if len(prefixes) > 1:
        raise ValueError(
            f"{folder} holds {len(prefixes)} IDX sets: choose one with prefix="
            f"{' or '.join(map(repr, prefixes))}"
        )
    return prefixes[0] if prefixes else ""


def _advice(folder: Path, prefix: str) -> str:
    others = [repr(other) for other in _prefixes(folder) if other != prefix]
    if others:
        return f"The folder holds sets of other prefixes: {', '.join(others)}."
    return "Put the set's four files there, gzipped or not."


def _set_files(folder: Path, prefix: str = "") -> dict[str, Path | None]:
    """Path of each of `FILES`, None for one that is missing."""
    return {key: _present(folder, prefix, name) for key, name in FILES.items()}


def _present(folder: Path, prefix: str, name: str) -> Path | None:
    spellings = (
        folder / f"{prefix}{spelling}{suffix}"
        for part in dict.fromkeys((name, name.replace("t10k-", "test-")))
        for spelling in (part, part.replace("-idx", ".idx"))
        for suffix in ("", ".gz")
    )
    return next((file for file in spellings if file.is_file()), None)


def _what_is_wrong(
    folder: Path, files: dict[str, Path | None], prefix: str = ""
) -> str:
    if not folder.is_dir():
        return "no such folder"
    missing = [prefix + FILES[key] for key, file in files.items() if file is None]
    return f"without {', '.join(missing)}"


def _read_set(
    files: dict[str, Path],
    return_X_y: bool,
    shape: tuple[int, ...] | None = None,
    names: Sequence[str] | None = None,
    description: str | None = None,
) -> Bunch | Part:
    """The set in these files; what is None is taken from what they hold."""
    train = _read_part(files["data"], files["target"], shape, names)
    if return_X_y:
        return _rows(train)
    height, width = shape = train[0].shape[1:]
    test = _read_part(files["data_test"], files["target_test"], shape, names)
    if names is None:
        last = max(target.max(initial=0) for _, target in (train, test))
        names = [str(k) for k in range(last + 1)]
    if description is None:
        description = (
            f"{len(train[0]):,} grey images of {height} x {width} pixels to train on, "
            f"from {files['data'].name}, and {len(test[0]):,} to test on."
        )
    return make_bunch(_rows(train), _rows(test), (height, width, 1), names, description)


def _read_part(
    images: Path,
    labels: Path,
    shape: tuple[int, ...] | None,
    names: Sequence[str] | None,
) -> Part:
    """Images and their labels, both checked; any shape and any labels if None."""
    data, target = read_idx(images), read_idx(labels)
    known = data.ndim == 3 if shape is None else data.shape[1:] == shape
    if data.dtype != np.uint8 or not known:
        height, width = shape or ("height", "width")
        raise ValueError(
            f"{images} holds {data.dtype} of shape {data.shape}, and not images: "
            f"uint8 of shape (n, {height}, {width})"
        )
    if target.dtype != np.uint8 or target.shape != (len(data),):
        raise ValueError(
            f"{labels} holds {target.dtype} of shape {target.shape}, and not labels "
            f"of the {len(data)} images: uint8 of shape ({len(data)},)"
        )
    if names is not None:
        check_labels(labels, target, len(names))
    return data, target.astype(np.int64)


def _rows(part: Part) -> Part:
    """Images as rows of pixels."""
    data, target = part
    return data.reshape(len(data), math.prod(data.shape[1:])), target
