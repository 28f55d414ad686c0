"""Sets of images to damage: IDX and CIFAR-10."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.reliability.fuzzing.arrays import idx_bytes, npz_bytes
from hogblock import datasets
from hogblock.datasets import cifar, idx

N = 2
"""Images a file of CIFAR-10, instead of 10,000."""
MOST_UNPACKED = 1 << 20
"""Bytes of an archive of so small files."""


# IDX ------------------------------------------------------------------------------


def idx_seeds() -> list[bytes]:
    """Arrays of all types, images and labels of a set among them."""
    pixels = np.arange(12 * 4 * 4).reshape(12, 4, 4) % 251
    labels = np.arange(12) % 10
    plain = [idx_bytes(pixels.astype("u1"), 8), idx_bytes(labels.astype("u1"), 8)]
    for code, dtype in idx.IDX_TYPES.items():
        plain.append(idx_bytes(np.arange(6).reshape(2, 3).astype(dtype), code))
    plain.append(idx_bytes(np.zeros((0, 4, 4), "u1"), 8))
    return [*plain, *(gzip.compress(raw, mtime=0) for raw in plain[:4])]


def read_idx(path: Path) -> None:
    """By itself, and as each of the four files of a set."""
    roles = _roles(path)
    try:
        array = datasets.read_idx(path)
    except ValueError:
        for folder in roles:
            try:
                datasets.load_idx(folder)
            except ValueError:
                continue
            raise AssertionError(f"{folder} was read, the array was not") from None
        raise
    assert array.dtype.isnative and array.flags.writeable and array.flags.c_contiguous
    for folder in roles:
        try:
            data = datasets.load_idx(folder)
        except ValueError as error:
            assert str(path.parent) in str(error)
            continue
        assert data.data.shape[1] == np.prod(data.image_shape)
        assert len(data.data) == len(data.target)
        assert data.target.max(initial=0) < len(data.target_names)


def _roles(path: Path) -> list[Path]:
    """Folders of a set each, of which the file is one of the four."""
    folders = [path.with_name(name) for name in idx.FILES]
    if not folders[-1].exists():
        images, labels, *_ = idx_seeds()
        for key, folder in zip(idx.FILES, folders, strict=True):
            folder.mkdir()
            for other, name in idx.FILES.items():
                if other == key:
                    (folder / name).symlink_to(path)
                else:
                    (folder / name).write_bytes(images if "data" in other else labels)
    return folders


# CIFAR-10 -------------------------------------------------------------------------


def cifar_seeds() -> list[bytes]:
    """Archives, an NPZ file, and a file of its binary version."""
    record = bytes([3]) + bytes(range(256)) * 12
    files = {name: record * N for name in cifar.FILES}
    pixels = np.zeros((6 * N, *cifar.IMAGE_SHAPE), np.uint8)
    labels = (np.arange(6 * N) % 10).astype(np.uint8).reshape(-1, 1)
    cut = 5 * N
    arrays = (pixels[:cut], labels[:cut], pixels[cut:], labels[cut:])
    by_name = dict(zip(cifar.ARRAYS, arrays, strict=True))
    deep = "a" * 120 + "/"
    tars = [
        _tar(files, tarfile.USTAR_FORMAT),
        _tar(files, tarfile.GNU_FORMAT, deep),
        _tar(files, tarfile.PAX_FORMAT, deep),
        _tar(dict.fromkeys(cifar.PICKLES, b"\x80\x02."), tarfile.GNU_FORMAT),
    ]
    return [
        *(gzip.compress(raw, 1, mtime=0) for raw in tars),
        npz_bytes(by_name, zipfile.ZIP_DEFLATED),
        record * N,
    ]


def read_cifar(path: Path) -> None:
    """By itself, and as a file of a folder."""
    folder = path.with_name("folder")
    if not folder.exists():
        folder.mkdir()
        for name in cifar.FILES[:-1]:
            (folder / name).write_bytes(cifar_seeds()[-1])
        (folder / cifar.FILES[-1]).symlink_to(path)
    small = {"IMAGES_A_FILE": N, "MOST_UNPACKED": MOST_UNPACKED}
    with patch.multiple(cifar, **small):
        try:
            _check(datasets.load_cifar10(folder))
        except ValueError as error:
            assert str(folder) in str(error)
        _check(datasets.load_cifar10(path))


def _check(data) -> None:
    for part, n in (("", 5 * N), ("_test", N)):
        images, labels = data["data" + part], data["target" + part]
        assert images.shape == (n, *cifar.IMAGE_SHAPE) and images.dtype == np.uint8
        assert labels.shape == (n,) and labels.dtype == np.int64
        assert 0 <= labels.min() and labels.max() < 10


def _tar(files: dict[str, bytes], form: int, top: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, raw in ({"readme.html": b"<html></html>"} | files).items():
            member = tarfile.TarInfo(f"{top}cifar-10-batches-bin/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return file.getvalue()
