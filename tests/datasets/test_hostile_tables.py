"""Tables that are not what they seem: packed, ragged, wide, oddly named and coded."""

import bz2
import errno
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest

from hogblock import datasets
from hogblock.datasets import packing
from hogblock.datasets.archives import refusing
from hogblock.datasets.columns import TableColumns, as_numbers, as_words
from hogblock.datasets.dialects import Dialect, find_dialect, is_number
from hogblock.datasets.names import listed
from support.fuzzing import memory_below

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.timeout(60)

GOOD = b"a;b;y\n" + b"1;2;0\n" * 9


@pytest.fixture
def read(tmp_path):
    """``read(raw)``: the table of a file with these bytes, or with this text."""

    def of(raw, **options):
        raw = raw.encode() if isinstance(raw, str) else raw
        (tmp_path / "t.csv").write_bytes(raw)
        return datasets.read_table(tmp_path / "t.csv", **options)

    return of


# Packed ------------------------------------------------------------------------------


def archive(*contents, method=zipfile.ZIP_DEFLATED, patch=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for k, raw in enumerate(contents):
            packed.writestr(f"{k}.csv", raw)
    raw = bytearray(file.getvalue())
    if patch:
        record = raw.index(b"PK\x01\x02")
        raw[record + patch[0]] = patch[1]
    return bytes(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (gzip.compress(GOOD)[:-8] + bytes(8), "after 60 unpacked bytes: CRC check"),
        (gzip.compress(GOOD)[:-9], "after 60 unpacked bytes: Compressed file ended"),
        (gzip.compress(GOOD)[:10] + b"\xff" * 9, "after 0 unpacked bytes: Error -3"),
        (bz2.compress(GOOD)[:10] + bytes(30), "after 0 unpacked bytes: Invalid data"),
        (bz2.compress(GOOD)[:-9], "after 60 unpacked bytes: Compressed file ended"),
        (lzma.compress(GOOD)[:-9], "after 60 unpacked bytes: it ends within an xz"),
        (
            lzma.compress(GOOD) + b"junk",
            "after 60 unpacked bytes: it ends within an xz",
        ),
        (archive(GOOD, GOOD), "the archive holds 2 files, not one"),
        (archive(GOOD, method=zipfile.ZIP_LZMA), "0.csv is packed in an unusual way"),
        (archive(GOOD, patch=(8, 1)), "'0.csv' .* is encrypted"),
        (archive(GOOD, patch=(6, 99)), "zip file version 9.9"),
        (archive(GOOD, patch=(16, 7)), "Bad CRC-32"),
        (archive(GOOD)[:-9], "File is not a zip file"),
    ],
)
def test_damage_is_a_value_error_with_the_place(read, raw, words):
    with pytest.raises(ValueError, match=rf"t\.csv is no table .*{words}"):
        read(raw)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_streams_one_after_another_are_one_text(read, pack):
    middle = b"3;4;1\n" * 3
    raw = pack(GOOD) + pack(middle) + (bytes(8) if pack is not bz2.compress else b"")
    X, _ = read(raw)
    assert X["a"].tolist() == [1] * 9 + [3] * 3


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, archive])
def test_a_bomb_ends_at_the_bound(read, monkeypatch, pack):
    monkeypatch.setattr(packing, "LEAST_LIMIT", 1 << 20)
    raw = pack(b"1,2\n" * 400_000)
    with pytest.raises(
        ValueError, match=r"unpacks to more than [\d,]+ bytes.* unpack it"
    ):
        read(raw)
    text = b"".join(b"%d,%d\n" % (k, k * k) for k in range(70_000))
    assert len(text) > 1 << 20 and len(read(pack(text))[0]) == 70_000


def test_xz_takes_bounded_memory(read, monkeypatch):
    monkeypatch.setattr(packing, "XZ_MEMORY", 1 << 20)
    with pytest.raises(ValueError, match="Memory usage limit exceeded"):
        read(lzma.compress(GOOD))


# Shape -------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("start", [b"", b'"a\n",b'])
def test_short_lines_under_a_long_one(read, start, end):
    """60 KB with 10,000 lines took 1.3 GB."""
    words = r"60,00. fields.* and with 4. lines .* most lines are shorter"
    for pack in (bytes, gzip.compress):
        raw = pack(start + b"," * 60_000 + end + (b"1" + end) * 40)
        with memory_below(16 << 20), pytest.raises(ValueError, match=words):
            read(raw)


def test_some_lines_may_be_short(read):
    text = ",".join(f"c{k}" for k in range(300)) + "\n" + "1,2\n" * 50
    with pytest.warns(UserWarning, match=r"left out \(empty\): c2, c3.* and 248 more"):
        X, _ = read(text, target="c0", strict=False)
    assert X.shape == (50, 1)


@pytest.mark.parametrize("header", ["a" * 70_000, '"x\n"', "a"])
def test_too_many_columns(read, header):
    with pytest.raises(ValueError, match=r"has 65,5.. fields; at most 65,536"):
        read(header + "," * 65_540 + "\n1\n")


def test_many_columns_of_one_name(read):
    with pytest.raises(ValueError, match="1,001 columns have the name 'a'"):
        read("a," * 1001 + "y\n" + "1," * 1001 + "0\n")
    X, _ = read("a," * 100 + "y\n" + "1," * 100 + "0\n")
    assert X.shape == (1, 100)


def test_names_that_white_space_made_different(read):
    with pytest.raises(ValueError, match=r"t\.csv has several columns a$"):
        read("a,a ,y\n1,2,3\n1,3,4\n")


def test_a_long_text_in_the_first_line_is_read(read):
    raw = f"a,text,y\n1,{'word ' * 40_000},0\n2,b,1\n"
    assert read(raw, strict=False)[0]["a"].tolist() == [1, 2]


# Fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["1" * 1_000_000 + "x", "\u0661\u0662", "\uff11", "\u00b2", "1_000", "9" * 1001],
)
def test_what_pandas_makes_no_number_of_is_none(text):
    assert not is_number(text)


@pytest.mark.parametrize("text", ["1" * 400, "1e999", "-Infinity", "+.5e-7", "5."])
def test_numbers_of_any_size_are_numbers(text):
    assert is_number(text)
    for other, value in (("?", np.nan), ("2", 2.0)):
        found = as_numbers(pd.Series([text, other], name="a"))
        np.testing.assert_array_equal(found, [float(text), value])


def test_a_text_of_many_separators_in_the_first_line_is_refused(read):
    with pytest.raises(ValueError, match=r"t\.csv .*field larger than field limit"):
        read(f'a,text,y\n1,"{"b," * 70_000}",0\n', strict=False)


def test_lines_of_more_values_than_names(read):
    """pandas takes the first for names of the rows: minutes, if they are many."""
    lines = "1,2,3,4\n" * 9
    with pytest.raises(ValueError, match=r"t\.csv .*has 4 values, for the 2 names"):
        read("a,y\n" + lines)
    assert list(read("a,b,y\n" + lines)[0]) == ["a", "b"]  # rows have names, as R's


def test_a_name_of_many_digits(read):
    first = "1" * 5000 + ",1,2\n"
    with pytest.warns(UserWarning, match="a word a row"):
        X, _ = read(first + "".join(f"a{k},5,6\n" for k in range(99)), strict=False)
    assert len(X) == 100


def test_columns_of_digits_that_are_none(read):
    X, _ = read("a,b,y\n" + "\u0661,1,0\n\u0662,2,1\n" * 9, strict=False)
    assert sorted(X["a"].unique()) == ["\u0661", "\u0662"]


@pytest.mark.parametrize("last", ["1e300", "inf", "9007199254740993.0"])
def test_targets_that_are_no_int64_stay_real(read, last):
    with pytest.warns(UserWarning, match="1 rows without a target"):
        _, y = read(f"a,y\n1,\n2,3\n4,{last}\n", strict=False)
    assert y.dtype == np.float64 and y[1] == float(last)


def test_a_column_of_gaps_is_text():
    words = as_words(pd.Series([None, None], dtype=object))
    assert words.isna().all() and words.dtype == pd.Series(["a"]).dtype


def test_a_frame_with_a_column_twice():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a ", "b"])
    with pytest.raises(ValueError, match="X has several columns a"):
        TableColumns(["a"]).fit(frame)
    assert TableColumns(["b"]).fit_transform(frame).shape == (1, 1)


def test_names_in_messages_are_few_and_printable():
    assert listed(["a", "b c"]) == "a, b c"
    assert listed(["\x1b[2J"]) == r"'\x1b[2J'"
    text = listed([f"{k:0300}" for k in range(60)])
    assert text.endswith(" and 10 more") and len(text) < 50 * 203


# Options -----------------------------------------------------------------------------


@pytest.mark.parametrize("sep", ['"', "\0", "\n", "§", "ab", ""])
def test_separators_that_are_none(tmp_path, read, sep):
    with pytest.raises(ValueError, match=r"separator .* is no ASCII character"):
        read("a,b\n1,2\n", sep=sep)


def test_told_separators_that_are_none(tmp_path):
    (tmp_path / "t.csv").write_text('sep="\na,b\n1,2\n')
    with pytest.raises(ValueError, match="separator '\"' is no ASCII character"):
        find_dialect(tmp_path / "t.csv", Dialect())


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("zlib", "'zlib' is not a text encoding"),
        ("rot13", "'rot13' is not a text encoding"),
        ("utf-16", "UTF-16 stream does not start with BOM"),
        ("utf-16-le", "byte 8 is no text in utf-16-le: truncated data"),
        ("ascii", "byte 6 is no text in ascii: ordinal not"),
    ],
)
def test_encodings_that_do_not_fit(read, encoding, words):
    with pytest.raises(ValueError, match=rf"t\.csv .*{words}"):
        read(b"a,b\n1,\xe4\n\n", encoding=encoding)


def test_the_byte_that_cannot_be_decoded_is_that_of_the_text(read):
    mark = b"\xef\xbb\xbf"
    raw = mark + "a,ä\n".encode() * 300_000
    raw = raw[: 1 << 20] + b"\xff" + raw[1 << 20 :]
    at = raw.index(b"\xff")
    with pytest.raises(ValueError, match=f"byte {at - 1:,} is no text in utf-8-sig"):
        read(gzip.compress(raw))


# Parquet -----------------------------------------------------------------------------


@pytest.fixture
def parquet(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.arange(99.0), "y": np.arange(99)}).to_parquet(path)
    return path


def test_damaged_parquet_is_a_value_error(parquet):
    """pyarrow raises OSError for most of these."""
    raw = parquet.read_bytes()
    for at in range(4, len(raw) - 8, 61):
        parquet.write_bytes(raw[:at] + bytes(16) + raw[at + 16 :])
        try:
            datasets.read_table(parquet)
        except ValueError as error:
            assert "t.parquet" in str(error)


def test_parquet_with_several_names_a_row(parquet):
    index = pd.MultiIndex.from_product([range(33), list("abc")])
    pd.read_parquet(parquet).set_index(index).to_parquet(parquet)
    X, _ = datasets.read_table(parquet)
    assert list(X) == ["a"] and len(X) == 99


def test_parquet_of_words_that_are_no_text(parquet):
    raw = pd.DataFrame({"a": ["word", "else"] * 50, "y": np.arange(100)}).to_parquet()
    parquet.write_bytes(raw.replace(b"word", b"w\xff\xffd"))
    with pytest.raises(ValueError, match=r"t\.parquet .*Column 0.* Invalid UTF8"):
        datasets.read_table(parquet, strict=False)


def test_a_file_that_cannot_be_read_is_no_damage(parquet, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("pyarrow.parquet.read_table", fail)
    with pytest.raises(OSError, match="Input/output error"):
        datasets.read_table(parquet)
    with pytest.raises(OSError, match="Input/output error"), refusing():
        fail()


def test_parquet_may_not_state_what_it_cannot_hold(parquet, monkeypatch):
    monkeypatch.setattr(datasets.parquet, "LOOSE_CELLS", 197)
    monkeypatch.setattr(datasets.parquet, "CELLS_A_BYTE", 0)
    with pytest.raises(ValueError, match=r"t\.parquet .*99 rows of 2 columns are st"):
        datasets.read_table(parquet)
    monkeypatch.setattr(datasets.parquet, "LOOSE_CELLS", 198)
    assert len(datasets.read_table(parquet)[0]) == 99


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_paths_that_cannot_be_read(tmp_path, name):
    pytest.importorskip("pyarrow")
    with pytest.raises(FileNotFoundError):
        datasets.read_table(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError):
        datasets.read_table(tmp_path / name)
