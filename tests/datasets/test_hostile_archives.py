"""Archives of CIFAR-10 whose headers say odd things."""

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from hogblock import datasets
from hogblock.datasets import cifar
from hogblock.datasets.archives import refusing
from support.fuzzing import memory_below

pytestmark = pytest.mark.timeout(60)

N = 2
RECORD = bytes([3]) + bytes(3072)
TOP = "cifar-10-batches-bin/"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(cifar, "IMAGES_A_FILE", N)
    monkeypatch.setattr(cifar, "MOST_UNPACKED", 1 << 20)


def member(name, content=b"", kind=tarfile.REGTYPE, size=None):
    """Header and content of a member, as they stand in an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content) if size is None else 0
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    if size is not None:
        header[124:136] = size
        header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    return bytes(header) + content + bytes(-len(content) % 512)


WHOLE = b"".join(member(TOP + name, RECORD * N) for name in cifar.FILES) + bytes(1024)
SPARSE = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"


def load(folder, raw):
    path = folder / "set.tar.gz"
    path.write_bytes(gzip.compress(raw))
    return datasets.load_cifar10(path)


@pytest.mark.parametrize(
    "before",
    [
        member("x", b"18 size=-51200000\n", tarfile.XHDTYPE),
        member("x", b"14 size=999999\n", tarfile.XHDTYPE),
        member("x", SPARSE + b"1\n" * 99, tarfile.XHDTYPE) + member("a", b"9" * 512),
        member("x", b"no record", tarfile.XHDTYPE) * 400,
        member("g", b"11 path=a\n" * 9999, tarfile.XGLTYPE),
        member("s", bytes(512), tarfile.GNUTYPE_SPARSE),
        member("?", bytes(999), b"?"),
    ],
    ids=["back", "beyond", "holes", "many", "long", "sparse", "unknown"],
)
def test_extended_headers_are_passed_over(tmp_path, before):
    """With some of these ``tarfile`` never ends, calls itself too often, or fails."""
    data = load(tmp_path, before + WHOLE)
    assert (data.target == 3).all() and len(data.data_test) == N


def test_extended_headers_take_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "MOST_UNPACKED", 64 << 20)
    raw = b"".join(
        gzip.compress(member(name, bytes(16 << 20), kind))
        for name, kind in (("x", tarfile.XHDTYPE), ("L", tarfile.GNUTYPE_LONGNAME))
    )
    path = tmp_path / "set.tar.gz"
    path.write_bytes(raw + gzip.compress(WHOLE))
    with memory_below(4 << 20):
        datasets.load_cifar10(path)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read(tmp_path, form):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name in cifar.FILES:
            info = tarfile.TarInfo(f"{'größe' * 40}/{TOP}{name}")
            info.size = len(RECORD * N)
            archive.addfile(info, io.BytesIO(RECORD * N))
    np.testing.assert_array_equal(load(tmp_path, file.getvalue()).target, 3)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (member("a", size=b"\xff" * 12) + WHOLE, "'a' has -1 bytes, it is said"),
        (member("a", size=b"\x80" + b"\xff" * 11) + WHOLE, "'a' has 309,4"),
        (member("a", size=b"77777777777\0") + WHOLE, "'a' has 8,589,934,591 bytes"),
        (member("a", size=b"no number\0\0\0") + WHOLE, "invalid header"),
        (WHOLE[:700], r"data_batch_1\.bin ends after 188 bytes"),
        (WHOLE[:300], "truncated header"),
        (b"x" * 512, "invalid header"),
        (member("a") * 1001, "more than 1,000 members"),
        (WHOLE + bytes(1 << 20), "of an archive at most 1,048,576 bytes are read"),
        (b"", "lacks data_batch_1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, raw, words):
    with memory_below(4 << 20), pytest.raises(ValueError, match=rf"set\.tar.*{words}"):
        load(tmp_path, raw)


def test_a_bomb_ends_at_the_bound(tmp_path):
    path = tmp_path / "set.tar.gz"
    path.write_bytes(gzip.compress(WHOLE) + gzip.compress(bytes(64 << 20)))
    with memory_below(4 << 20), pytest.raises(ValueError, match="at most 1,048,576"):
        datasets.load_cifar10(path)


@pytest.mark.parametrize(
    "error",
    [
        *(zipfile.BadZipFile, tarfile.ReadError, gzip.BadGzipFile, zlib.error),
        *(lzma.LZMAError, struct.error, EOFError, OverflowError, NotImplementedError),
        *(RuntimeError, RecursionError, OSError),
    ],
)
def test_what_libraries_raise_is_a_value_error(error):
    with pytest.raises(ValueError, match=f"^here: {error.__name__}$"):
        with refusing(lambda: "here: "):
            raise error
    with pytest.raises(ValueError, match=r"^odd$"), refusing():
        raise error("odd")
