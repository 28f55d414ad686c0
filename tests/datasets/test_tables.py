"""Reading NPZ files and tables."""

import struct
import sys

import numpy as np
import pytest

from hogblock import datasets


def test_npz(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, X=np.eye(3), y=np.arange(3))
    X, y = datasets.read_npz(path)
    np.testing.assert_array_equal(X, np.eye(3))
    np.testing.assert_array_equal(y, np.arange(3))


def test_npz_errors_name_the_file(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, Z=np.eye(3), y=np.arange(3))
    with pytest.raises(ValueError, match=r"arrays.npz .*no array X, only Z, y"):
        datasets.read_npz(path)
    np.savez(path, X=np.array([[1, "a"]], object), y=np.arange(1))
    with pytest.raises(ValueError, match=r"arrays.npz .*X.npy .*objects never are"):
        datasets.read_npz(path)
    np.savez(path, X=np.eye(3), y=np.arange(3))
    whole = path.read_bytes()
    np.savez_compressed(path, X=np.eye(3), y=np.arange(3))
    junk = bytearray(path.read_bytes())
    start = 30 + sum(struct.unpack_from("<HH", junk, 26))  # of the first file's data
    junk[start] = 0xFF
    for raw in (b"", b"hello", whole[: len(whole) // 2], bytes(junk)):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"arrays.npz does not hold"):
            datasets.read_npz(path)
    with open(path, "wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(ValueError, match=r"arrays.npz .*no array X or y, only one w"):
        datasets.read_npz(path)


def write_table(path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"size": [1, 2, 3], "flag": [True, False, True], "kind": ["a", "b", "a"]}
    )
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_table(tmp_path, name):
    X, y = datasets.read_table(write_table(tmp_path / name))
    assert list(X.columns) == ["size", "flag"]
    np.testing.assert_array_equal(X.to_numpy(), [[1.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
    assert y.tolist() == ["a", "b", "a"]


def test_table_errors_name_file_and_columns(tmp_path):
    path = write_table(tmp_path / "table.csv")
    with pytest.raises(ValueError, match=r"table\.csv has no column 'x', only s"):
        datasets.read_table(path, "x")
    with pytest.raises(ValueError, match=r"not numeric: kind\. Encode them first"):
        datasets.read_table(path, "size")
    path.write_text("a,b,c\n1,,0\n2,3,\n")
    with pytest.raises(ValueError, match="missing values: b, c"):
        datasets.read_table(path)
    path.write_text("a\n1\n")
    with pytest.raises(ValueError, match="fewer than two columns"):
        datasets.read_table(path)
    path.write_text("")
    with pytest.raises(ValueError, match=r"table\.csv is no table that pandas reads"):
        datasets.read_table(path)
    other = tmp_path / "table.parquet"
    other.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"table\.parquet is no table"):
        datasets.read_table(other)


def test_table_without_pandas(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"hogblock\[tables\]"):
        datasets.read_table(path)
