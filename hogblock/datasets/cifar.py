"""CIFAR-10: from its binary version, packed or not, or NPZ, and never from pickles."""

import gzip
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from sklearn.utils import Bunch

from hogblock.datasets.archives import refusing, take, tar_members
from hogblock.datasets.images import (
    DATA_VARIABLE,
    GZIP_MAGIC,
    Part,
    check_labels,
    make_bunch,
    not_found,
    places,
)
from hogblock.datasets.npz import read_arrays

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ADVICE = (
    f"{URL}. Put it, packed as it is, into ~/.cache/hogblock/cifar-10; or pass where "
    f"it lies, as path or in the environment variable {DATA_VARIABLE}."
)
FOLDER = "cifar-10-batches-bin"
FILES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
PACKED = ("cifar-10-binary.tar.gz", "cifar-10.npz", "cifar10.npz")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
PICKLES = (*(Path(name).stem for name in FILES), "batches.meta")
PICKLED = ("cifar-10-batches-py", "cifar-10-python.tar.gz", *PICKLES)

IMAGES_A_FILE = 10_000
IMAGE_SHAPE = (32, 32, 3)
PLANES = (3, 32, 32)
"""The binary version stores the colours of an image one after another."""
PIXEL_BYTES = 3 * 32 * 32
RECORD_BYTES = 1 + PIXEL_BYTES
MOST_UNPACKED = 3 << 28
"""Bytes of an archive: those of the set are 184 million, and others may be there."""

ZIP_MAGIC = b"PK"
PICKLE_MAGIC = b"\x80"

TARGET_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
DESCRIPTION = """CIFAR-10: 60,000 colour images, 32 x 32 pixels, of ten kinds of
animals and vehicles; 50,000 to train on and 10,000 to test on.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical
report, University of Toronto, 2009. https://www.cs.toronto.edu/~kriz/cifar.html"""


def load_cifar10(
    path: str | os.PathLike | None = None, *, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load CIFAR-10 from its binary version or from an NPZ file.

    Three forms are read. None is unpacked to disk, and no pickle is ever loaded.

    - ``cifar-10-binary.tar.gz``, as it is downloaded from
      https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz;
    - the files of its folder ``cifar-10-batches-bin``: ``data_batch_1.bin`` to
      ``data_batch_5.bin`` and ``test_batch.bin``;
    - an NPZ file of the arrays x_train, y_train, x_test and y_test, with the images in
      the order of axes that is returned here, as Keras has them.

    Parameters
    ----------
    path : str or path-like, default=None
        An archive or NPZ file of any name, or a folder. A folder holds the six files,
        or ``cifar-10-batches-bin`` with them, ``cifar-10-binary.tar.gz``,
        ``cifar-10.npz`` or ``cifar10.npz``; the first of these is read. None is what
        the environment variable HOGBLOCK_DATA names, or the folder ``cifar-10`` in it;
        if that is not set, the first of ``~/.cache/hogblock/cifar-10`` and
        ``/usr/share/datasets/cifar-10`` that holds the set.
    return_X_y : bool, default=False
        Return the training images and their classes only.

    Returns
    -------
    Bunch or (data, target)
        - data : ndarray of shape (50000, 32, 32, 3), uint8; rows, columns, and the
          colours red, green and blue
        - data_test : ndarray of shape (10000, 32, 32, 3), uint8
        - target, target_test : ndarray of shape (50000,) and (10000,), int64
        - image_shape : (32, 32, 3)
        - target_names : list of the ten classes' names
        - DESCR : str

    Raises
    ------
    FileNotFoundError
        If the set is missing; the message says where to get it and where to put it.
    ValueError
        If only the pickled version is there; if a file is damaged, truncated, too long
        or holds something else; the message names the file.
    """
    candidates = places(path, "cifar-10")
    for place in candidates:
        parts = _read(place)
        if parts is not None:
            train, test = parts
            if return_X_y:
                return train
            return make_bunch(train, test, IMAGE_SHAPE, TARGET_NAMES, DESCRIPTION)
    for place in candidates:
        for name in PICKLED:
            if (place / name).exists():
                raise _refused(place / name)
    raise not_found(
        "CIFAR-10",
        [f"{place} ({_what_is_wrong(place)})" for place in candidates],
        f"Get {ADVICE}",
    )


def _read(place: Path) -> tuple[Part, Part] | None:
    """Training and test part of the set at a place, None if there is none."""
    if place.is_file():
        return _read_packed(place)
    for folder in (place, place / FOLDER):
        if all((folder / name).is_file() for name in FILES):
            return _assemble(_batches_of_folder(folder))
    files = (place / name for name in PACKED)
    return next((_read_packed(file) for file in files if file.is_file()), None)


def _what_is_wrong(place: Path) -> str:
    if not place.exists():
        return "no such file or folder"
    folder = place / FOLDER if (place / FOLDER).is_dir() else place
    missing = [name for name in FILES if not (folder / name).is_file()]
    if len(missing) == len(FILES):
        return f"without {FOLDER} and without {PACKED[0]}"
    return f"without {', '.join(missing)} in {folder.name}"


def _refused(path: Path) -> ValueError:
    return ValueError(
        f"{path} is CIFAR-10 as Python pickles, which are not read: loading a pickle "
        f"runs whatever code somebody put into it. Get the binary version: {ADVICE}"
    )


def _read_packed(path: Path) -> tuple[Part, Part]:
    """Both parts from an archive or an NPZ file, by what it starts with."""
    with open(path, "rb") as file:
        magic = file.read(2)
    if magic == GZIP_MAGIC:
        return _assemble(_batches_of_archive(path))
    if magic == ZIP_MAGIC:
        return _read_npz(path)
    if path.name in PICKLES or magic[:1] == PICKLE_MAGIC:
        raise _refused(path)
    raise ValueError(
        f"{path} is not CIFAR-10 in a form that is read: it is neither a folder with "
        f"{FILES[0]} and the other five, nor {PACKED[0]}, nor an NPZ file"
    )


# The binary version ---------------------------------------------------------------


def _assemble(
    batches: Iterable[tuple[str, str, bytes | bytearray]],
) -> tuple[Part, Part]:
    """Both parts from the name, the source for messages, and the bytes of each file."""
    n = len(FILES) * IMAGES_A_FILE
    data, target = np.empty((n, *IMAGE_SHAPE), np.uint8), np.empty(n, np.int64)
    for name, source, raw in batches:
        records = np.frombuffer(raw, np.uint8).reshape(IMAGES_A_FILE, RECORD_BYTES)
        labels, pixels = records[:, 0], records[:, 1:]
        check_labels(source, labels, len(TARGET_NAMES))
        start = FILES.index(name) * IMAGES_A_FILE
        rows = slice(start, start + IMAGES_A_FILE)
        data[rows] = pixels.reshape(-1, *PLANES).transpose(0, 2, 3, 1)
        target[rows] = labels
    test = n - IMAGES_A_FILE
    return (data[:test], target[:test]), (data[test:], target[test:])


def _batches_of_folder(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    for name in FILES:
        file = folder / name
        _check_size(str(file), file.stat().st_size)
        yield name, str(file), file.read_bytes()


def _batches_of_archive(path: Path) -> Iterator[tuple[str, str, bytes | bytearray]]:
    missing, pickled = set(FILES), False
    damaged = f"{path} is truncated or damaged, or no tar.gz archive: "
    with gzip.open(path) as stream, refusing(lambda: damaged):
        for member, size in tar_members(stream, MOST_UNPACKED):
            name = PurePosixPath(member).name
            pickled |= name in PICKLED
            if name not in missing:
                continue
            missing.remove(name)
            source = f"{name} in {path}"
            _check_size(source, size)  # before it takes memory
            content = take(stream, size)
            if len(content) < size:
                raise EOFError(f"{name} ends after {len(content):,} bytes")
            yield name, source, content
    if missing == set(FILES) and pickled:
        raise _refused(path)
    if missing:
        raise ValueError(
            f"{path} is not the whole binary version of CIFAR-10: it lacks "
            f"{', '.join(sorted(missing))}"
        )


def _check_size(source: str, size: int) -> None:
    expected = IMAGES_A_FILE * RECORD_BYTES
    if size != expected:
        problem = "is truncated" if size < expected else "is too long"
        raise ValueError(
            f"{source} {problem}: it has {size:,} bytes; {IMAGES_A_FILE:,} images of "
            f"{PIXEL_BYTES:,} bytes, with a label of one byte each, take {expected:,}"
        )


# NPZ ------------------------------------------------------------------------------


def _read_npz(path: Path) -> tuple[Part, Part]:
    data, target, data_test, target_test = read_arrays(path, ARRAYS)
    n_train = (len(FILES) - 1) * IMAGES_A_FILE
    return (
        _checked(path, "train", data, target, n_train),
        _checked(path, "test", data_test, target_test, IMAGES_A_FILE),
    )


def _checked(
    path: Path, part: str, data: np.ndarray, target: np.ndarray, n: int
) -> Part:
    if data.dtype != np.uint8 or data.shape != (n, *IMAGE_SHAPE):
        raise ValueError(
            f"x_{part} in {path} is {data.dtype} of shape {data.shape}, and not "
            f"the images: uint8 of shape {(n, *IMAGE_SHAPE)}"
        )
    if target.dtype.kind not in "iu" or target.shape not in ((n,), (n, 1)):
        raise ValueError(
            f"y_{part} in {path} is {target.dtype} of shape {target.shape}, and not "
            f"the labels: whole numbers of shape ({n},) or ({n}, 1)"
        )
    target = target.reshape(n)
    check_labels(f"y_{part} in {path}", target, len(TARGET_NAMES))
    return np.ascontiguousarray(data), target.astype(np.int64)
