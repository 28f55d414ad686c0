"""Ways to damage what is packed: gzip, zip, tar."""

import bz2
import contextlib
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from random import Random

from benchmarks.reliability.fuzzing.mutators import EXTREMES, LONGEST

Mutator = Callable[[bytes, Random], bytes]
BLOCK = tarfile.BLOCKSIZE
PACKERS = (
    lambda raw: gzip.compress(raw, 1, mtime=0),
    lambda raw: bz2.compress(raw, 1),
    lambda raw: lzma.compress(raw, preset=0),
    lambda raw: zipped({"t.csv": raw}),
)
_UNPACKING = (OSError, EOFError, zlib.error)


def packed(raw: bytes, random: Random) -> bytes:
    """It is packed, once more perhaps."""
    return random.choice(PACKERS)(raw)


def gzipped_twice(raw: bytes, random: Random) -> bytes:
    """Several gzip members, one after another, or in each other."""
    once = gzip.compress(raw, 1, mtime=0)
    return random.choice((once + once, gzip.compress(once), once + b"\0" * 99))


def within_gzip(mutator: Mutator) -> Mutator:
    """The same inside of what is gzipped; of other files the file itself."""

    def mutated(raw: bytes, random: Random) -> bytes:
        try:
            inside = gzip.decompress(raw)
        except _UNPACKING:
            return mutator(raw, random)
        return gzip.compress(mutator(inside, random), 1, mtime=0)

    return mutated


def inflating(raw: bytes, random: Random) -> bytes:
    """What the file holds goes on, for 1 MiB or for 48."""
    with contextlib.suppress(*_UNPACKING):
        raw = gzip.decompress(raw)
    start = raw[: random.choice((0, 16, 100, len(raw)))]
    return gzip.compress(start, 1, mtime=0) + _zeros(48 if random.random() > 0.9 else 1)


@cache
def _zeros(mebibytes: int) -> bytes:
    """A gzip member of zeros, packed to a thousandth."""
    return gzip.compress(bytes(mebibytes << 20), 9, mtime=0)


# zip ------------------------------------------------------------------------------


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members of a name
        for name, raw in members.items():
            archive.writestr(zipfile.ZipInfo(name), raw, method, 1)
    return file.getvalue()


def members_of(raw: bytes) -> dict[str, bytes] | None:
    """Of a zip file; None if it is none that can be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(member.file_size for member in archive.infolist()) > 4 * LONGEST:
                return None
            return {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # whatever zipfile makes of hostile bytes
        return None


def within_zip(mutator: Mutator) -> Mutator:
    """The same to a member; the archive around it is whole."""

    def mutated(raw: bytes, random: Random) -> bytes:
        members = members_of(raw)
        if not members:
            return mutator(raw, random)
        name = random.choice(sorted(members))
        members[name] = mutator(members[name], random)
        stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
        odd = random.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        return zipped(members, random.choice((stored, stored, deflated, deflated, odd)))

    return mutated


def zip_members(raw: bytes, random: Random) -> bytes:
    """A member is missing, has another name, or another one's content."""
    members = members_of(raw)
    if not members:
        return raw
    one, other = random.choice(sorted(members)), random.choice(sorted(members))
    content = members.pop(one)
    name = random.choice(("", "../" + one, one + "\0", one.upper(), "X.npy", other))
    if random.random() < 0.7:
        members[name] = content
    if random.random() < 0.3:
        members[one] = members.get(other, b"")
    return zipped(members, zipfile.ZIP_STORED)


ZIP_FIELDS = {  # offset and form of what a record says, by its signature
    b"PK\x03\x04": ((4, "<H"), (6, "<H"), (8, "<H"), (14, "<I"), (18, "<I"))
    + ((22, "<I"), (26, "<H"), (28, "<H")),
    b"PK\x01\x02": ((6, "<H"), (8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"))
    + ((24, "<I"), (28, "<H"), (30, "<H"), (32, "<H"), (42, "<I")),
    b"PK\x05\x06": ((8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H")),
}


def zip_field(raw: bytes, random: Random) -> bytes:
    """A length, an offset, a method or a flag of a record is another."""
    signature = random.choice(sorted(ZIP_FIELDS))
    starts = [k for k in range(len(raw)) if raw.startswith(signature, k)]
    if not starts:
        return raw
    offset, form = random.choice(ZIP_FIELDS[signature])
    at = random.choice(starts) + offset
    size = struct.calcsize(form)
    value = random.choice((*EXTREMES, 8, 12, 14, 97, 1 << random.randrange(32)))
    return raw[:at] + struct.pack(form, value % (1 << 8 * size)) + raw[at + size :]


def zip64(raw: bytes, random: Random) -> bytes:
    """An extra field that states 64-bit sizes of a member."""
    at = raw.find(b"PK\x01\x02")
    if at < 0 or len(raw) < at + 46:
        return raw
    sizes = [random.choice(EXTREMES) for _ in range(random.randint(0, 3))]
    extra = struct.pack(f"<HH{len(sizes)}Q", 1, 8 * len(sizes), *sizes)
    head = bytearray(raw[at : at + 46])
    struct.pack_into("<II", head, 20, 2**32 - 1, 2**32 - 1)
    struct.pack_into("<H", head, 30, len(extra))
    name = struct.unpack_from("<H", head, 28)[0]
    rest = at + 46 + name
    return raw[:at] + bytes(head) + raw[at + 46 : rest] + extra + raw[rest:]


# tar ------------------------------------------------------------------------------


def tar_header(raw: bytes, random: Random) -> bytes:
    """A field of a member's header is another; the checksum is right mostly."""
    starts = range(0, len(raw) - BLOCK + 1, BLOCK)
    starts = [k for k in starts if raw[k + 257 : k + 262] == b"ustar"]
    if not starts:
        return raw
    at = random.choice(starts)
    head = bytearray(raw[at : at + BLOCK])
    start, stop = random.choice(((0, 100), (124, 136), (124, 136), (156, 157)))
    head[start:stop] = _tar_value(stop - start, random)
    if random.random() < 0.9:
        head[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(head))[0]
    return raw[:at] + bytes(head) + raw[at + BLOCK :]


def _tar_value(width: int, random: Random) -> bytes:
    if width == 1:
        return random.choice([b"%c" % c for c in b"0123456789xgLKSXDMNV\0\xff"])
    octal = b"%o" % random.choice((*EXTREMES, 10, 512, 6146))
    binary = random.choice((0x80, 0xFF)).to_bytes() + random.choice(
        (b"\xff" * (width - 1), random.choice(EXTREMES).to_bytes(width - 1, "big"))
    )
    odd = random.choice((b"-1", b"+5", b"\xd9\xa1", b"1_0", b" ", b"data_batch_1.bin"))
    return random.choice((octal, binary, odd))[:width].ljust(width, b"\0")


def tar_member(raw: bytes, random: Random) -> bytes:
    """A member of another kind comes first: long names, records, maps of holes."""
    member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_2.bin")
    member.type = random.choice([b"%c" % c for c in b"xgLKSX0125"])
    size = random.choice((0, 1, 512, 3000))
    content = random.choice(
        (
            b"30 path=../data_batch_1.bin\n",
            b"99999999999 size=-1\n",
            b"19 size=-512000000\n",
            b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n23 GNU.sparse.name=a.b\n",
            b"1 " * 200,
            b"a/" * 200 + b"data_batch_1.bin\0",
            random.randbytes(40),
        )
    ).ljust(size, b"\0")
    member.size = len(content)
    block = member.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % BLOCK)
    return block * random.choice((1, 1, 2, 40)) + raw
