"""The file of a model or checkpoint: named arrays, and a description as JSON.

It is a safetensors file, which any reader of that format opens. Its ``__metadata__``
holds the description, one JSON text, and that text's checksum; the text holds the
version of the format and the checksums of the arrays.

Writing is not left to the library: versions before 0.8 copy all arrays while they hold
the interpreter, and later ones write a temporary file whose owner nobody can tell, and
raise errors without a number.
"""

import json
import os
import platform
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

import numpy as np
from safetensors import SafetensorError, safe_open

from hogblock.saving.atomic import replacing

FORMAT = 1
"""Version of the format; a reader refuses later ones."""

LARGEST_HEADER = 2**26
"""Bytes of names, shapes and description."""

MOST_DIMENSIONS = 32
"""Of an array: as many as NumPy 1 knows."""

AT_ONCE = 2**20
"""Bytes of one call of the system. The interpreter is free meanwhile."""

TYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "F16": np.dtype(np.float16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "F32": np.dtype(np.float32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F64": np.dtype(np.float64),
}
"""Types of arrays, by their names in the format."""

NAMES = {dtype: name for name, dtype in TYPES.items()}


class DamagedError(ValueError):
    """A file that is none of ours, or is not as it was written."""


def write(
    path: str | os.PathLike, about: dict, arrays: Mapping[str, np.ndarray]
) -> None:
    """Write a file; `path` is what it was before, or all of the new, at any moment.

    Parameters
    ----------
    path : str or path-like
    about : dict
        The description: JSON without NaN or infinity.
    arrays : dict of ndarray
        Of the types of `TYPES`, in C order and native byte order.

    Raises
    ------
    OSError
        That names `path`; nothing has changed.
    ValueError
        If names and description take more than `LARGEST_HEADER` bytes.
    """
    # The largest items first, so that all are aligned.
    by_size = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    parts = [_header(about, dict(by_size)), *(_octets(each) for _, each in by_size)]
    with replacing(path) as descriptor:
        for part in parts:
            for start in range(0, len(part), AT_ONCE):
                _write_all(descriptor, part[start : start + AT_ONCE])


def _octets(array: np.ndarray) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _checksum(array: np.ndarray) -> int:
    """Of the type, the shape and the content."""
    kind = f"{NAMES[array.dtype]} {array.shape}"
    return zlib.crc32(_octets(array), zlib.crc32(kind.encode()))


def _header(about: dict, arrays: Mapping[str, np.ndarray]) -> memoryview:
    sums = {name: _checksum(each) for name, each in arrays.items()}
    whole = {"format": FORMAT, "versions": _versions(), **about, "checksums": sums}
    text = json.dumps(whole, allow_nan=False)
    entries: dict[str, dict] = {
        "__metadata__": {"hogblock": text, "crc32": str(zlib.crc32(text.encode()))}
    }
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        entries[name] = {
            "dtype": NAMES[array.dtype],
            "shape": array.shape,
            "data_offsets": [start, end],
        }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > LARGEST_HEADER:
        raise ValueError(
            f"the description takes {len(header):,} bytes; at most {LARGEST_HEADER:,} "
            "are written"
        )
    return memoryview(struct.pack("<Q", len(header)) + header)


def _versions() -> dict[str, str]:
    """What wrote the file, for people."""
    return {
        "hogblock": import_module("hogblock").__version__,  # which names this room
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _write_all(descriptor: int, part: memoryview) -> None:
    while part:
        part = part[os.write(descriptor, part) :]


class Contents:
    """What an open file holds. Arrays are read when they are asked for.

    Attributes
    ----------
    about : dict
        The description.
    shapes : dict of str to (dtype, tuple of int)
        Of all arrays, which together are as long as the file.
    """

    def __init__(self, file):
        self._file = file
        self.about = _description_of(file.metadata())
        self.shapes = {}
        for name in file.keys():
            part = file.get_slice(name)
            kind = part.get_dtype()
            if kind not in TYPES:
                raise DamagedError(f"array {name!r} has the unknown type {kind}")
            self.shapes[name] = TYPES[kind], _checked_shape(name, part.get_shape())
        self._sums = self.about.pop("checksums", None)
        if not isinstance(self._sums, dict) or self._sums.keys() != self.shapes.keys():
            raise DamagedError(
                "checksums of the description are not those of its arrays"
            )
        self._unread = set(self.shapes)

    def array(self, name: str, dtype=None, shape: tuple | None = None) -> np.ndarray:
        """An array, if it is of this type and shape; the file is not read before.

        Parameters
        ----------
        name : str
        dtype : dtype, default=None
        shape : tuple of int, default=None
            None allows all.

        Raises
        ------
        ValueError
            If it is missing, or of another type or shape.
        """
        if name not in self.shapes:
            raise ValueError(f"array {name!r} is missing")
        its_dtype, its_shape = self.shapes[name]
        if dtype is not None and its_dtype != dtype:
            raise ValueError(
                f"array {name!r} is {its_dtype}, and must be {np.dtype(dtype)}"
            )
        if shape is not None and its_shape != shape:
            raise ValueError(f"array {name!r} has shape {its_shape}, and needs {shape}")
        found = self._file.get_tensor(name)
        if _checksum(found) != self._sums[name]:
            raise DamagedError(f"array {name!r} is not as it was written (checksum)")
        self._unread.discard(name)
        return found

    def check_all_read(self) -> None:
        """Raise ValueError if there is an array that nobody asked for."""
        if self._unread:
            raise ValueError(f"array {min(self._unread)!r} belongs to nothing")


def _checked_shape(name: str, shape: list[int]) -> tuple[int, ...]:
    """A shape that NumPy can have; the bytes of empty ones say nothing of it."""
    if len(shape) > MOST_DIMENSIONS or max(shape, default=0) > np.iinfo(np.intp).max:
        raise DamagedError(f"array {name!r} has the impossible shape {shape}")
    return tuple(shape)


@contextmanager
def reading(path: str | os.PathLike) -> Iterator[Contents]:
    """An open file. ValueErrors of the block get the name of the file in front.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    FileNotFoundError
    DamagedError
        If it is no file of ours, or not whole.
    ValueError
        If it is of a later version.
    """
    path = os.fsdecode(path)
    try:
        _check_header_size(path)
        with safe_open(path, framework="np", backend="pread") as file:
            yield Contents(file)
    except DamagedError as error:
        raise DamagedError(f"{path}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except SafetensorError as error:
        raise DamagedError(f"{path} is no whole safetensors file: {error}") from error


def _check_header_size(path: str) -> None:
    """Raise before anything of that size is read."""
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise DamagedError("it is a folder")
    if not stat.S_ISREG(found.st_mode):  # reading it might wait for ever
        raise DamagedError("it is no regular file")
    with open(path, "rb") as file:
        first = file.read(8)
    if len(first) < 8:
        raise DamagedError("it is no safetensors file: it ends before its header")
    (size,) = struct.unpack("<Q", first)
    if size > found.st_size - 8:
        raise DamagedError(
            f"its header says that it has {size:,} bytes, and the file has "
            f"{found.st_size:,}: it was cut off, or is no safetensors file"
        )
    if size > LARGEST_HEADER:
        raise DamagedError(
            f"its header has {size:,} bytes; at most {LARGEST_HEADER:,} are read"
        )


def _description_of(metadata: dict[str, str] | None) -> dict:
    """The description, if it is whole and of a format that is known."""
    text = (metadata or {}).get("hogblock")
    if text is None:
        raise DamagedError("it is no file of hogblock: its metadata do not name it")
    if (metadata or {}).get("crc32") != str(zlib.crc32(text.encode())):
        raise DamagedError("its description is not as it was written (checksum)")
    about = _parsed(text)
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise DamagedError("format is missing in its description")
    if about["format"] != FORMAT:
        raise ValueError(
            f"format is {about['format']}, and this version of hogblock reads "
            f"{FORMAT}; what wrote it was {about.get('versions')}"
        )
    return about


def _parsed(text: str):
    """JSON, without what is none (NaN, Infinity); raises DamagedError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"its description is no JSON: {error}") from None


def _refuse(constant: str):
    raise ValueError(f"{constant} is none")
