"""Files of arrays that state what is not there: IDX and NPZ."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from hogblock import cli, datasets
from hogblock.datasets.npz import read_arrays
from support.fuzzing import memory_below

pytestmark = pytest.mark.timeout(60)

MIB = 1 << 20


def idx_header(*shape, code=8):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


# IDX ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (idx_header(*[1] * 33) + b"\0", "33 dimensions in its IDX header; at most 32"),
        (idx_header(*[1] * 255) + b"\0", "255 dimensions"),
        (idx_header(*[2**32 - 1] * 3, 0), "is empty, and its shape .* is too large"),
        (idx_header(2**32 - 1, 2**31, code=14), f"takes {(2**32 - 1) * 2**34} bytes"),
    ],
)
def test_shapes_that_no_array_has(tmp_path, raw, words):
    for packed in (raw, gzip.compress(raw)):
        (tmp_path / "odd").write_bytes(packed)
        with pytest.raises(ValueError, match=f"odd .*{words}"):
            datasets.read_idx(tmp_path / "odd")


def test_empty_arrays_of_large_shapes_are_read(tmp_path):
    (tmp_path / "empty").write_bytes(idx_header(2**32 - 1, 0, 7))
    assert datasets.read_idx(tmp_path / "empty").shape == (2**32 - 1, 0, 7)


def test_a_gzip_bomb_takes_no_more_than_its_header_wants(tmp_path):
    """64 MiB of zeros follow the header, in 64 KiB."""
    raw = gzip.compress(idx_header(10)) + gzip.compress(bytes(64 << 20))
    (tmp_path / "bomb").write_bytes(raw)
    with memory_below(MIB), pytest.raises(ValueError, match="bomb is too long"):
        datasets.read_idx(tmp_path / "bomb")


# NPZ ---------------------------------------------------------------------------------


def npy(text, content=b"", version=1):
    """An NPY file with this text as its header."""
    raw = text.encode() + b"\n"
    form = "<H" if version == 1 else "<I"
    return (
        b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, len(raw)) + raw + content
    )


def header(descr="'<f8'", order="False", shape="(3,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def write(path, x, method=zipfile.ZIP_STORED):
    """A file with the bytes `x` for X, and a good y."""
    y = io.BytesIO()
    np.save(y, np.arange(3))
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("X.npy", x)
        archive.writestr("y.npy", y.getvalue())
    return path


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (npy(header(shape="(1099511627776,)")), "truncated: .* 8,796,093,022,208 "),
        (npy(header(shape="(9223372036854775807, 9)")), "has the shape"),
        (npy(header(shape=f"({'9' * 5000},)")), "has the shape"),
        (npy(header(shape=f"({'1, ' * 70})")), "has the shape"),
        (npy(header("'<U536870911'", shape="(0,)")), "no items, of 2,147,483,644"),
        (npy(header(), bytes(16)), "is truncated: .* 24 bytes, and 16 follow"),
        (npy(header(), bytes(25)), "is too long: .* 24 bytes, and 25 follow"),
        (npy(header(shape="(-3,)"), bytes(24)), "a header that states no"),
        (npy(header(shape="(3or 3,)"), bytes(24)), "a header that states no"),
        (npy(header(order="1"), bytes(24)), "a header that states no"),
        (npy("(" * 9000), "a header that states no"),
        (npy("-" * 9000 + "1"), "a header that states no"),
        (npy("open('sprung', 'w')"), "a header that states no"),
        (npy(header() + " " * 10_000), "a header of 10,0"),
        (npy(header(), bytes(24), version=4), "no NPY file of version 1 to 3"),
        (npy(header("'|O'"), b"\x80"), "type '.O': .* Python objects never are"),
        (npy(header("'f8,f8'"), bytes(48)), "type 'f8,f8'"),
        (npy(header("'(1000000000,)f8'")), "type '.1000000000"),
        (npy(header("'<f3'"), bytes(9)), "type '<f3'"),
        (npy(header("'<M8[never]'"), bytes(24)), "type '<M8.never"),
        (npy(header("'|S0'")), "whose items take no bytes"),
        (npy(header("'|b1'"), b"\1\0\2"), "holds 2 as item 2, which is no truth value"),
        (npy(header("'<U2'"), bytes(16) + b"\xff" * 8), "as item 2, .* no character"),
        (b"no array", "no NPY file"),
        (b"", "no NPY file"),
    ],
)  # fmt: skip
def test_headers_are_no_promises(tmp_path, monkeypatch, x, words):
    monkeypatch.chdir(tmp_path)
    refused = pytest.raises(ValueError, match=rf"odd\.npz .*X\.npy .*{words}")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = write(tmp_path / "odd.npz", x, method)
        with memory_below(MIB), refused:
            datasets.read_npz(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("text", [
    header().replace("'", '"'),
    header().replace(" ", ""),
    "{'shape': (3L,), 'descr': '<f8', 'fortran_order': False}",
])  # fmt: skip
@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_of_other_writers_are_read(tmp_path, text, version):
    path = write(tmp_path / "good.npz", npy(text, np.arange(3.0).tobytes(), version))
    np.testing.assert_array_equal(datasets.read_npz(path)[0], [0, 1, 2])


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.array([["a", "größe"], ["", "\U0001f600"]]),
        np.array(["2024-01-01"], "M8[D]"),
        np.array([[True, False]]),
        np.array(2.5),
        np.zeros((0, 3), "c8"),
        np.array([b"a", b"bc"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(tmp_path, array, save):
    save(tmp_path / "good.npz", a=array, b=array)
    for found in read_arrays(tmp_path / "good.npz", ("b", "a")):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype and found.flags.writeable
        assert found.flags.f_contiguous == array.flags.f_contiguous


def patched(path, signature, offset, form, value):
    """The archive with another number in the first record of this signature."""
    raw = bytearray(path.read_bytes())
    struct.pack_into(form, raw, raw.index(signature) + offset, value)
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("offset", "form", "value", "words"),
    [
        (8, "<H", 1, "X.npy is encrypted"),
        (10, "<H", 14, "X.npy is packed by method 14"),
        (6, "<H", 99, "zip file version 9.9"),
        (20, "<I", 2**31, "of a file of .*, which cannot be"),
        (24, "<I", 2**31, "has 2,147,483,648 bytes in 144 of .*, which cannot be"),
        (42, "<I", 2**31, "odd.npz does not hold"),
    ],
)
def test_records_of_the_archive_are_no_promises(tmp_path, offset, form, value, words):
    path = write(tmp_path / "odd.npz", npy(header() + " " * 52, bytes(24)))
    patched(path, b"PK\x01\x02", offset, form, value)
    with pytest.raises(ValueError, match=words):
        datasets.read_npz(path)


def test_arrays_that_share_their_bytes_are_refused(tmp_path):
    """Else a file would hold as many times its bytes as it has arrays."""
    path = write(tmp_path / "odd.npz", npy(header(shape="(999,)"), bytes(7992)))
    raw = bytearray(path.read_bytes())
    record = raw.index(b"PK\x01\x02")
    other = raw.index(b"PK\x01\x02", record + 1)
    for start, stop in ((16, 28), (42, 46)):  # sizes, offset
        raw[other + start : other + stop] = raw[record + start : record + stop]
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"odd\.npz .*its arrays overlap"):
        datasets.read_npz(path)


def test_a_member_that_ends_before_its_size(tmp_path):
    """Its checksum is that of what is there."""
    path = write(tmp_path / "odd.npz", npy(header(shape="(5,)"), bytes(24)), 8)
    (size,) = struct.unpack_from(
        "<I", raw := path.read_bytes(), raw.index(b"PK\1\2") + 24
    )
    patched(path, b"PK\x01\x02", 24, "<I", size + 16)
    with pytest.raises(ValueError, match=r"X\.npy ends after 24 of its 40 bytes"):
        datasets.read_npz(path)


def test_an_offset_beyond_all_files(tmp_path):
    path = write(tmp_path / "odd.npz", npy(header(), bytes(24)))
    patched(path, b"PK\x01\x02", 42, "<I", 2**32 - 1)  # 64 bits, in an extra field
    raw = path.read_bytes()
    at = raw.index(b"PK\x01\x02")
    extra = struct.pack("<HHQ", 1, 8, 2**63 + 5)
    head = raw[at : at + 30] + struct.pack("<H", len(extra)) + raw[at + 32 : at + 51]
    path.write_bytes(raw[:at] + head + extra + raw[at + 51 :])
    patched(path, b"PK\x05\x06", 12, "<I", len(raw) - at - 22 + len(extra))
    with pytest.raises(ValueError, match=r"odd\.npz does not hold"):
        datasets.read_npz(path)


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.float64(3), np.arange(3), r"X in .* is float64 of shape \(\)"),
        (np.arange(3.0), np.arange(3), r"X in .* of shape \(3,\)"),
        (np.zeros((0, 3)), np.arange(0), r"X in .* of shape \(0, 3\)"),
        (np.zeros((3, 1, 1, 1, 1)), np.arange(3), "X in"),
        (np.array([["a"], ["b"]]), np.arange(2), "X in .* is <U1"),
        (np.eye(3), np.float64(3), r"y in .* is float64 of shape \(\)"),
        (np.eye(3), np.arange(4), "y in .* X has 3 rows"),
        (np.eye(3), np.zeros((3, 1, 1)), "y in"),
        (np.eye(3), np.zeros(3, "c8"), "y in .* is complex64"),
    ],
)
def test_arrays_that_are_no_data(tmp_path, capsys, X, y, words):
    np.savez(tmp_path / "odd.npz", X=X, y=y)
    assert cli.main(["train", str(tmp_path / "odd.npz")]) == 2
    with pytest.raises(ValueError, match=words):
        raise ValueError(capsys.readouterr().err)
