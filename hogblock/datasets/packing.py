"""The bytes of a text that may be packed: found out how, and unpacked with bounds."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from hogblock.datasets.archives import CHUNK, refusing

MOST_RATIO = 100
LEAST_LIMIT = 16 << 20
"""A text may always have so many bytes, and `MOST_RATIO` times those of its file.

Tables of random numbers pack to a third, of 0 and 1 to a hundredth, or less if few of
them are 1.
"""
XZ_MEMORY = 256 << 20
"""Bytes that unpacking may take; ``xz -9`` needs 65 MiB."""
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def compression_of(path: str | os.PathLike) -> str:
    """By the first bytes: "gzip", "bz2", "xz", "zip", or "" if it is not packed."""
    with open(path, "rb") as file:
        start = file.read(max(map(len, _MAGIC)))
    return next((n for magic, n in _MAGIC.items() if start.startswith(magic)), "")


@contextmanager
def opened(path: str | os.PathLike, compression: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked; of an archive those of its only file.

    Raises
    ------
    ValueError
        Here or in reading: if it is damaged, or unpacks to more than is allowed.
    OSError
        If it cannot be read.
    """
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(open(path, "rb"))
        if compression:
            limit = max(LEAST_LIMIT, MOST_RATIO * os.fstat(file.fileno()).st_size)
            with refusing():
                unpacked = stack.enter_context(_UNPACK[compression](file))
            file = io.BufferedReader(_Bounded(unpacked, limit), CHUNK)
        yield file


class _Bounded(io.RawIOBase):
    """A stream that has at most so many bytes."""

    def __init__(self, stream: IO[bytes], most: int):
        # As much as there is, so that it is known where damage begins.
        self.read_some = getattr(stream, "read1", stream.read)
        self.most, self.taken = most, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        with refusing(lambda: f"after {self.taken:,} unpacked bytes: "):
            raw = self.read_some(len(buffer))
        self.taken += len(raw)
        if self.taken > self.most:
            raise ValueError(
                f"it unpacks to more than {self.most:,} bytes, which is more than "
                f"{MOST_RATIO} times its size: if that is right, unpack it first"
            )
        buffer[: len(raw)] = raw
        return len(raw)


class _Xz(io.RawIOBase):
    """Bytes of an xz file, in bounded memory: LZMAFile knows no bound."""

    def __init__(self, file: IO[bytes]):
        self.file, self.decoder = file, _xz_decoder()

    def readable(self):
        return True

    def readinto(self, buffer):
        data = b""
        while not data:
            packed = b""
            if self.decoder.eof:
                packed = self._next_stream()
                if not packed:
                    return 0
                self.decoder = _xz_decoder()
            elif self.decoder.needs_input:
                packed = self.file.read(CHUNK)
                if not packed:
                    raise EOFError("it ends within an xz stream")
            data = self.decoder.decompress(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _next_stream(self) -> bytes:
        """Beginning of the stream that follows, after zeros; empty if none does."""
        packed = self.decoder.unused_data
        while not (packed := packed.lstrip(b"\0")):
            if not (packed := self.file.read(CHUNK)):
                break
        return packed


def _xz_decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)


def _open_zip(file: IO[bytes]) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    members = archive.infolist()
    if len(members) != 1:
        raise ValueError(f"the archive holds {len(members)} files, not one")
    if members[0].compress_type not in ZIP_METHODS:
        raise ValueError(f"{members[0].filename} is packed in an unusual way")
    return archive.open(members[0])


_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
}
_UNPACK: dict[str, Callable] = {
    "gzip": gzip.open,
    "bz2": bz2.open,
    "xz": _Xz,
    "zip": _open_zip,
}
