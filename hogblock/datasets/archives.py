"""What is packed, read as a stream: neither a size that is stated nor what a few bytes
unpack to takes memory before it is checked, and damage is a ValueError.
"""

import errno
import gzip
import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

Stream = IO[bytes] | io.BufferedIOBase
"""What ``open`` returns, and ``gzip.open``."""

CHUNK = 1 << 18
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error),
    *(lzma.LZMAError, struct.error, EOFError, OverflowError),
    RuntimeError,  # of zipfile: of a password, or (NotImplementedError) of a version
)
"""What the libraries raise for files that were damaged, beside ValueError."""

BLOCK = tarfile.BLOCKSIZE
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
LONGEST_NAME = 1 << 16
PAX_NAME = re.compile(rb"\d+ path=([^\n]*)\n")
MOST_MEMBERS = 1000


@contextmanager
def refusing(say: Callable[[], str] = str) -> Iterator[None]:
    """Raise a ValueError where what is read is damaged.

    Parameters
    ----------
    say : callable, default is that of nothing
        Returns what the message starts with; called when there is an error.
    """
    try:
        yield
    except DAMAGED as error:
        raise ValueError(_words(say, error)) from error
    except OSError as error:  # without a number from bz2, EINVAL: an impossible offset
        if error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(_words(say, error)) from error


def _words(say: Callable[[], str], error: Exception) -> str:
    return say() + (str(error) or type(error).__name__)


def take(stream: Stream, size: int) -> bytearray:
    """The next bytes of a stream, fewer where it ends.

    They take memory as they come, whatever size is asked for.
    """
    taken = bytearray()
    while chunk := stream.read(min(CHUNK, size - len(taken))):
        taken += chunk
    return taken


def tar_members(stream: Stream, most: int) -> Iterator[tuple[str, int]]:
    """Name and size of each regular file of a tar archive.

    Its content is what comes next in the stream. The stream is read to its end. Of
    extended headers only names are taken: ``tarfile`` reads them and maps of holes into
    memory whatever their size, calls itself once for each, and runs in circles where
    they say so (as of Python 3.11.7).

    Parameters
    ----------
    stream : file
    most : int
        Bytes that the archive may have at most.

    Raises
    ------
    tarfile.TarError
        If it is none, or has more bytes, or more than `MOST_MEMBERS` members.
    """
    name = ""
    for _ in range(MOST_MEMBERS):
        header = stream.read(BLOCK)
        if not any(header):
            break
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        end = stream.tell() + -(-member.size // BLOCK) * BLOCK
        if member.size < 0 or end > most:
            raise tarfile.ReadError(
                f"{member.name!r} has {member.size:,} bytes, it is said; of an archive "
                f"at most {most:,} are read"
            )
        if member.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
            name = _long_name(stream, member) or name
        elif member.type in PLAIN:
            yield name or member.name, member.size
            name = ""
        stream.seek(end)
    else:
        raise tarfile.ReadError(f"it has more than {MOST_MEMBERS:,} members")
    while stream.read(CHUNK):  # a checksum comes last
        if stream.tell() > most:
            raise tarfile.ReadError(f"of an archive at most {most:,} bytes are read")


def _long_name(stream: Stream, member: tarfile.TarInfo) -> str:
    """Name of the next member, if this one says it."""
    raw = bytes(take(stream, min(member.size, LONGEST_NAME)))
    if member.type == tarfile.XHDTYPE:
        raw = (PAX_NAME.findall(raw) or [b""])[-1]
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
