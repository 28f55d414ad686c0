"""Ways to damage any file.

A mutator is a function of bytes and a ``random.Random`` that returns other bytes. The
same ones serve the suite, where hypothesis provides the random choices.
"""

import struct
from random import Random

LONGEST = 1 << 16
"""Bytes of an input."""
EXTREMES = (
    *(0, 1, 2, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1),
    *(2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1),
)
"""As lengths; those above a half are negative where they are read as signed."""
TELLING = (
    b"\0",
    b"\xff",
    b"\n",
    b"\r\n",
    b'"',
    b"\x80",
    b"\xef\xbb\xbf",
    b" ",
    b"\0" * 8,
)


def flip_bits(raw: bytes, random: Random) -> bytes:
    """One to eight bits are others."""
    changed = bytearray(raw or b"\0")
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut_off(raw: bytes, random: Random) -> bytes:
    """The end is missing."""
    return raw[: random.randrange(len(raw) + 1)]


def cut_out(raw: bytes, random: Random) -> bytes:
    """A piece is missing."""
    start, stop = _piece(raw, random)
    return raw[:start] + raw[stop:]


def put_in(raw: bytes, random: Random) -> bytes:
    """Something that means something stands somewhere, or anything."""
    at = random.randrange(len(raw) + 1)
    some = random.randbytes(random.randint(1, 16))
    return raw[:at] + random.choice((*TELLING, some)) + raw[at:]


def repeat(raw: bytes, random: Random) -> bytes:
    """A piece stands there again, up to hundreds of times."""
    start, stop = _piece(raw, random)
    times = min(random.choice((1, 2, 3, 20, 500)), LONGEST // max(1, stop - start))
    return raw[:stop] + raw[start:stop] * times + raw[stop:]


def set_number(raw: bytes, random: Random) -> bytes:
    """Bytes that may be a length are an extreme one."""
    kind = random.choice("BHIQ")
    form = random.choice("<>") + kind
    size = struct.calcsize(form)
    at = random.randrange(max(1, len(raw) - size + 1))
    value = random.choice(EXTREMES) % (1 << 8 * size)
    return raw[:at] + struct.pack(form, value) + raw[at + size :]


def append(raw: bytes, random: Random) -> bytes:
    """Something follows."""
    return raw + random.choice((b"\0" * 600, raw, random.randbytes(20)))


def anything(raw: bytes, random: Random) -> bytes:
    """Nothing of it, but the first bytes."""
    return raw[: random.choice((0, 2, 4, 8, 40))] + random.randbytes(
        random.choice((0, 1, 10, 100, 1000))
    )


def splice(raw: bytes, other: bytes, random: Random) -> bytes:
    """The beginning of one and the end of the other."""
    return (
        raw[: random.randrange(len(raw) + 1)]
        + other[random.randrange(len(other) + 1) :]
    )


def _piece(raw: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(raw) + 1)
    length = random.choice((1, 2, 4, 8, 64, 512, len(raw)))
    return start, min(len(raw), start + random.randint(1, max(1, length)))


ANY = (
    flip_bits,
    cut_off,
    cut_out,
    put_in,
    repeat,
    set_number,
    append,
    anything,
)
"""Mutators of any file."""
