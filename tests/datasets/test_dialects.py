"""Finding out how a file of separated values is written."""

import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pytest

from hogblock import datasets
from hogblock.datasets.dialects import Dialect, find_dialect

pd = pytest.importorskip("pandas")


@pytest.fixture
def find(tmp_path):
    """``find(text)``: the dialect of a file with this text, or with these bytes."""

    def found(text, **given):
        raw = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "t.csv").write_bytes(raw)
        return find_dialect(tmp_path / "t.csv", Dialect(**given))

    return found


@pytest.mark.parametrize(
    ("text", "sep", "decimal", "thousands"),
    [
        ("a,b\n1.5,2\n", ",", ".", ""),
        ("a;b\n1.5;2\n", ";", ".", ""),
        ("a;b;c\n1,5;2,5;x\n2;2;y\n", ";", ",", ""),
        ("1,5;2,5;3,5\n2,5;1,5;3,5\n", ";", ",", ""),
        ("a;b\n1.234,5;2\n2,25;3\n", ";", ",", "."),
        ("a\tb\n1\tx, y; z\n", "\t", ".", ""),
        ("a|b\n1|2\n", "|", ".", ""),
        ("  1.0   2.0\n 10.0   3.0\n", " ", ".", ""),
        ('a,b\n"1,234",2\n"3,567,890",2\n', ",", ".", ","),
        ('a,b\n"1,5","2,75"\n"1,234",2\n', ",", ",", ""),
        ("a;b\n1,234;2\n3,567,890;2\n", ";", ".", ","),
        ('a,"b; c"\n1,"x; y"\n2,"z; w"\n', ",", ".", ""),
        ("sep=|\na|b;c\n1|2;3\n", "|", ".", ""),
        ("a\n1\n", ",", ".", ""),
        ("", ",", ".", ""),
    ],
)
def test_marks(find, text, sep, decimal, thousands):
    found = find(text)
    assert (found.sep, found.decimal, found.thousands) == (sep, decimal, thousands)


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("ascii", "utf-8"),
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
    ],
)
def test_encoding(tmp_path, codec, encoding):
    path = tmp_path / "t.csv"
    name = "size" if codec == "ascii" else "größe €"
    path.write_bytes(f"{name};y\n1,5;0\n2,5;1\n".encode(codec))
    found = find_dialect(path, Dialect())
    assert (found.encoding, found.sep) == (encoding, ";")
    X, _ = datasets.read_table(path)
    assert list(X.columns) == [name] and X[name].tolist() == [1.5, 2.5]


def test_a_late_byte_that_is_no_utf8_is_found(find):
    assert find(b"a,b\n" + b"1,2\n" * 600_000 + b"\xe4,1\n").encoding == "cp1252"
    assert find(b"a,b\n1,\x81\n").encoding == "latin-1"


@pytest.mark.parametrize(
    ("name", "pack"),
    [("gzip", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)],
)
def test_packed_whatever_its_name(tmp_path, name, pack):
    path = tmp_path / "t.csv"
    path.write_bytes(pack(b"a;b\n1;2\n"))
    assert find_dialect(path, Dialect()).compression == name
    assert datasets.read_table(path)[0]["a"].tolist() == [1]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"t\.csv is no table"):
        datasets.read_table(path)


def test_zip(tmp_path):
    path = tmp_path / "t.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", "a;b\n1;2\n")
    assert datasets.read_table(path)[0]["a"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        ("1,2,3\n4,5,6\n", False),
        ("1,2\n", False),
        ("a,b\n", True),
        ("5.1,3.5,setosa\n4.9,3,virginica\n", False),
        ("39, State-gov, 77516\n40, ?, 77516\n", False),
        ("?,1,x\n2,3,y\n", False),
        ("a,b\nx,y\n", True),
        ("0,1,2,3\n1.5,2,3,4\n", True),  # DataFrame.to_csv
        (",0,1\n0,1.5,2\n1,2.5,3\n", True),
        ("label,0,1\n3,0,9\n", True),
        ("country,2000,2001,2002\nFrance,1,2,3\n", True),
        ('"x" "y"\n"1" 2 3\n"2" 4 5\n', True),  # R's write.table
        ("1,5;2,5\n2,5;3,5\n", False),
        ("age;size\n?;1,5\n", True),
    ],
)
def test_names(find, text, header):
    assert find(text).header is header


def test_what_is_given_is_taken(find):
    text = "1;2,5\n3;4,5\n"
    assert find(text, header=True).header is True
    found = find(text, sep=",", decimal=".", encoding="latin-1")
    assert (found.sep, found.decimal, found.encoding) == (",", ".", "latin-1")


def test_only_what_is_special_is_said(find):
    assert str(find("a,b\n1,2\n")) == ""
    said = str(find("1,5;2\n2,5;3\n".encode("utf-16")))
    assert said == ("separator ';', decimal ',', encoding utf-16, no line of names")


def test_unknown_encoding(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="unknown encoding: magic"):
        datasets.read_table(tmp_path / "t.csv", encoding="magic")


def test_a_separator_at_the_end_of_lines_moves_no_column(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n1,2,0,\n3,4,1,\n")
    X, y = datasets.read_table(tmp_path / "t.csv")
    np.testing.assert_array_equal(X, [[1, 2], [3, 4]])
    assert list(X.columns) == ["a", "b"] and y.tolist() == [0, 1]
