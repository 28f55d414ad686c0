"""NPZ files: arrays by name, checked before they take memory.

NumPy's own reader evaluates a header as Python, reserves what the header states before
it looks for it, and hands on what its parsers raise.
"""

import math
import os
import re
import zipfile
from collections.abc import Sequence
from typing import IO, Literal, NamedTuple

import numpy as np

from hogblock.datasets.archives import CHUNK, refusing
from hogblock.datasets.names import listed

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000
"""Bytes, as in NumPy. A header of `HEADER` takes a hundred."""
HEADER = re.compile(
    r"\{(?:(?:'descr':'(?P<dtype>[^']*)'|'fortran_order':(?P<order>True|False)"
    r"|'shape':\((?P<shape>(?:\d+L?,)*(?:\d+L?)?)\)),?){3}\}",
    re.ASCII,
)
"""Without white space and with one kind of quotes."""
DTYPE = re.compile(
    r"[<>|=]?(\?|b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)|[SU]\d{1,9}|[mM]8(\[\w+\])?)",
    re.ASCII,
)
"""Numbers, truth values, texts and times: nothing that holds something else."""
MOST_DIMS = 32
MOST_BYTES = 2**62
LARGEST_ITEM = 1 << 16
"""Bytes of an item in an array without any: NumPy reserves one now and then."""
LAST_CHARACTER = 0x10FFFF

DEFLATED = 1032
"""Bytes that one byte can hold when deflated: 258 for two bits."""
PACKED = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: DEFLATED}
"""Methods that NumPy writes: how many bytes one byte can hold."""


def read_npz(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read the arrays X and y of an NPZ file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    X, y : ndarray
        As they were saved: numbers, truth values, texts or times. Python objects and
        records are not read.

    Raises
    ------
    ValueError
        If the file does not hold both, or is damaged.
    OSError
        If it cannot be read.
    """
    X, y = read_arrays(path, ("X", "y"))
    return X, y


def read_arrays(
    path: str | os.PathLike, names: tuple[str, ...]
) -> tuple[np.ndarray, ...]:
    """Read the arrays of these names from an NPZ file, in this order.

    Raises
    ------
    ValueError
        If the file does not hold all of them, or is damaged.
    OSError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return arrays_of(file, names)
    except ValueError as error:
        wanted = f"{', '.join(names[:-1])} and {names[-1]}"
        raise ValueError(f"{path} does not hold arrays {wanted}: {error}") from error


def arrays_of(file: IO[bytes], names: Sequence[str]) -> tuple[np.ndarray, ...]:
    """The arrays of these names in an open NPZ file.

    No more memory is reserved than the bytes of the file can hold, which is `DEFLATED`
    times their number.

    Raises
    ------
    ValueError
        That names the array, but not the file.
    """
    with refusing():
        if file.read(len(MAGIC)) == MAGIC:
            raise ValueError(f"no array {' or '.join(names)}, only one without a name")
        with zipfile.ZipFile(file) as archive:
            members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
            missing = [name for name in names if name not in members]
            if missing:
                raise ValueError(
                    f"no array {' or '.join(missing)}, only "
                    f"{listed([*members]) or 'an empty archive'}"
                )
            wanted = [members[name] for name in names]
            _check_sizes(wanted, os.fstat(file.fileno()).st_size)
            return tuple(_array_of(archive, member) for member in wanted)


def _check_sizes(members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse sizes that the bytes of the file cannot hold."""
    for member in members:
        name = member.filename
        if member.flag_bits & 1:
            raise ValueError(f"{name} is encrypted")
        if member.compress_type not in PACKED:
            raise ValueError(
                f"{name} is packed by method {member.compress_type}, and an NPZ file "
                f"has {' or '.join(map(str, PACKED))}"
            )
        holds = PACKED[member.compress_type] * member.compress_size
        if member.compress_size > size or member.file_size > holds:
            raise ValueError(
                f"{name} has {member.file_size:,} bytes in {member.compress_size:,} "
                f"of a file of {size:,}, it is said, which cannot be"
            )
    if sum(member.compress_size for member in members) > size:
        raise ValueError(f"its arrays overlap in a file of {size:,} bytes")


class _Header(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    order: Literal["C", "F"]


def _array_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    name = member.filename
    with archive.open(member) as stream:
        dtype, shape, order = _header_of(stream, name)
        start = stream.tell()
        expected, found = dtype.itemsize * math.prod(shape), member.file_size - start
        if found != expected:
            problem = "is truncated" if found < expected else "is too long"
            raise ValueError(
                f"{name} {problem}: shape {shape} of {dtype} takes {expected:,} bytes, "
                f"and {found:,} follow the header of {start}"
            )
        content, there = np.empty(found, np.uint8), 0
        while chunk := stream.read(min(CHUNK, found - there)):
            content[there : there + len(chunk)] = np.frombuffer(chunk, np.uint8)
            there += len(chunk)
    if there < found:
        raise ValueError(f"{name} ends after {there:,} of its {found:,} bytes")
    _check_items(name, dtype, content)
    return np.ndarray(shape, dtype, content, order=order)


def _header_of(stream: IO[bytes], name: str) -> _Header:
    """Type, shape and order that a header states."""
    start = stream.read(len(MAGIC) + 2)
    version = start[len(MAGIC) : -1]
    if start[: len(MAGIC)] != MAGIC or version not in (b"\1", b"\2", b"\3"):
        raise ValueError(f"{name} is no NPY file of version 1 to 3")
    length = int.from_bytes(stream.read(2 if version == b"\1" else 4), "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"{name} has a header of {length:,} bytes")
    raw = stream.read(length)
    text = "".join(raw.decode("utf-8", "replace").split()).replace('"', "'")
    header = HEADER.fullmatch(text)
    if not header or None in header.groups():
        raise ValueError(
            f"{name} has a header that states no type, order and shape of an array "
            f"alone: {raw[:100]!r}"
        )
    numbers = [n.rstrip("L") for n in header["shape"].split(",") if n]
    if len(numbers) > MOST_DIMS or max(map(len, numbers), default=0) > 19:
        raise ValueError(f"{name} has the shape ({header['shape'][:200]}), it is said")
    shape = tuple(map(int, numbers))
    dtype = _dtype_of(header["dtype"], name)
    items = math.prod(filter(None, shape))
    if items * dtype.itemsize > MOST_BYTES:
        raise ValueError(f"{name} has the shape {shape} of {dtype}, it is said")
    if 0 in shape and dtype.itemsize > LARGEST_ITEM:
        raise ValueError(f"{name} has no items, of {dtype.itemsize:,} bytes each")
    return _Header(dtype, shape, "F" if header["order"] == "True" else "C")


def _dtype_of(text: str, name: str) -> np.dtype:
    try:
        if not DTYPE.fullmatch(text):
            raise TypeError
        dtype = np.dtype(text)
    except TypeError:
        raise ValueError(
            f"{name} is of type {text[:100]!r}: numbers, truth values, texts and times "
            "are read, and Python objects never are"
        ) from None
    if not dtype.itemsize:
        raise ValueError(f"{name} is of type {text!r}, whose items take no bytes")
    return dtype


def _check_items(name: str, dtype: np.dtype, content: np.ndarray) -> None:
    """Refuse bytes that are no truth values or characters: NumPy trusts them."""
    if dtype.kind == "b":
        values, last = content, 1
    elif dtype.kind == "U":
        values, last = content.view(f"{dtype.byteorder}u4"), LAST_CHARACTER
    else:
        return
    if values.max(initial=0) > last:
        k = int(np.argmax(values > last))
        what = "truth value" if dtype.kind == "b" else "character"
        at = k // (dtype.itemsize // values.itemsize)
        raise ValueError(f"{name} holds {values[k]} as item {at}, which is no {what}")
