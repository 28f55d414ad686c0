"""Files of arrays, good ones and damaged ones: NPY, NPZ and IDX."""

import io
import pickle
import struct
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.reliability.fuzzing.containers import zipped
from benchmarks.reliability.fuzzing.mutators import EXTREMES

SPRUNG = Path("sprung")
"""A file that exists if bytes of a file were run as code; in the working directory."""

DESCRIPTIONS = (
    *("'<f8'", "'|u1'", "'|b1'", "'>i4'", "'<U3'", "'|S0'", "'|V7'", "'<M8[ns]'"),
    *("'|O'", "'O'", "'<U536870911'", "'|V2147483647'", "'|S99999999999'", "'<f3'"),
    *("'f8,f8'", "'(1000000000,)f8'", "[('a', '<f8')]", "[('a', '|O')]", "''", "None"),
    *("'<M8[10s/3]'", "'\\d'", "b'<f8'", "'\\x00'", "'<c16'", "'float'", "'=f8'"),
)
SHAPES = (
    *("()", "(0,)", "(3,)", "(3, 4)", "(3L, 4L)", "[3, 4]", "3", "(-1,)", "(-1, -12)"),
    *("(True, 4)", "(1.5,)", "(1e3,)", "(4294967296, 4294967296)", "(2**62, 4)"),
    *(
        "(9223372036854775807,)",
        "(99999999999999999999999,)",
        "(0, 2305843009213693952)",
    ),
    *("(1,) * 9", f"({'1,' * 70})", f"({'0,' * 33})", "(10000000000, 0)", "('a',)"),
    *(f"({'9' * 5000},)", "(0x3,)", "(1_0,)", "(3or 4,)", "(3, 4", "(\u0663,)"),
)
TEXTS = (
    "__import__('pathlib').Path('sprung').touch()",
    "open('sprung', 'w')",
    "(" * 300,
    "-" * 9000 + "1",
    "{" * 5000,
    "[" * 99 + "]" * 99,
    "{'descr': '<f8'}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}",
    "{'descr': '<f8', 'fortran_order': 1, 'shape': (2,)}",
    "{'descr': '<f8', 'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
    "{[]: 1}",
    "1if 2else 3",
    "'\\N{x}'",
    "\0",
    " " * 9000,
    "f'{open(chr(115))}'",
)


class Trap:
    """Makes a file as soon as somebody unpickles it."""

    def __reduce__(self):
        return Path.touch, (SPRUNG,)


def npy_bytes(array) -> bytes:
    """What an NPY file of the array holds, pickles and all."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz_bytes(arrays: dict, method: int) -> bytes:
    """An NPZ file of arrays by name."""
    return zipped({f"{k}.npy": npy_bytes(a) for k, a in arrays.items()}, method)


def with_header(text: str, content: bytes, version: int = 1) -> bytes:
    """An NPY file of this header and content."""
    raw = text.encode("utf-8", "surrogatepass") + b"\n"
    form = "<H" if version == 1 else "<I"
    length = min(len(raw), 2**16 - 1)
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, length) + raw + content
    )


def npy_header(raw: bytes, random: Random) -> bytes:
    """Another header before the same values, or none of them."""
    content = raw[128:] if random.random() < 0.7 else random.randbytes(96)
    descr, shape = random.choice(DESCRIPTIONS), random.choice(SHAPES)
    order = random.choice(("False", "False", "True", "0", "None"))
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    if random.random() < 0.3:
        text = random.choice(TEXTS)
    return with_header(text, content, random.choice((1, 1, 1, 2, 3, 0, 9)))


def npy_values(raw: bytes, random: Random) -> bytes:
    """Other values of the same shape and type, extreme ones."""
    if len(raw) <= 128:
        return raw
    value = random.choice((*EXTREMES, 0x7FF8 << 48, 0xFFF0 << 48))
    word = struct.pack("<Q", value)
    at = 128 + random.randrange((len(raw) - 128) // 8 + 1) * 8
    if random.random() < 0.3:
        at, word = 128, word * ((len(raw) - 128) // 8)
    return (raw[:at] + word + raw[at + len(word) :])[: len(raw)]


def npy_array(raw: bytes, random: Random) -> bytes:
    """Another array altogether."""
    shape = random.choice(((), (1,), (5,), (5, 2), (0,), (0, 3), (6, 2), (2, 3, 2)))
    kind = random.choice(("i1", "u8", "f4", "f8", "c8", "U2", "S1", "?", "M8[s]", "O"))
    if kind == "O":
        return npy_bytes(np.full(shape, Trap(), object))
    values = [random.choice((0, 1, 2, 7, 100)) for _ in range(int(np.prod(shape)))]
    return npy_bytes(np.array(values, "i8").reshape(shape).astype(kind))


def pickled(raw: bytes, random: Random) -> bytes:
    """A pickle that runs code, instead of an array or after its beginning."""
    start = raw[: random.choice((0, 0, 128))]
    return start + pickle.dumps(Trap(), random.choice((0, 2, 5)))


# IDX ------------------------------------------------------------------------------


def idx_bytes(array: np.ndarray, code: int) -> bytes:
    """What an IDX file of the array holds."""
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + shape + array.tobytes()


def idx_header(raw: bytes, random: Random) -> bytes:
    """Another type, other dimensions; what follows stays or is gone."""
    n = random.choice((0, 1, 2, 3, 4, 33, 65, 255))
    sizes = (0, 1, 2, 28, *EXTREMES)
    shape = [random.choice(sizes) % 2**32 for _ in range(n)]
    code = random.choice((8, 8, 9, 11, 12, 13, 14, 0, 10, 255))
    start = bytes([0, 0, code, n]) + struct.pack(f">{n}I", *shape)
    return start + random.choice((b"", raw[16:], random.randbytes(28)))
