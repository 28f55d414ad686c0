"""Reading data: IDX files, Fashion-MNIST, NPZ and tables."""

import gzip
import struct
import sys

import numpy as np
import pytest

from hogblock import datasets

CODES = {
    "uint8": 0x08,
    "int8": 0x09,
    "int16": 0x0B,
    "int32": 0x0C,
    "float32": 0x0D,
    "float64": 0x0E,
}
N_TRAIN, N_TEST = 12, 5


def idx_bytes(array):
    """What an IDX file of the array holds."""
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim])
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return header + shape + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_fashion(folder, zipped=False):
    """A tiny set in the form of Fashion-MNIST; returns its arrays by file name."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        images = random.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"{part}-images-idx3-ubyte"] = images
        arrays[f"{part}-labels-idx1-ubyte"] = (np.arange(n) % 10).astype(np.uint8)
    for name, array in arrays.items():
        raw = idx_bytes(array)
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)
    return arrays


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", CODES)
def test_read_idx_gives_back_what_was_written(tmp_path, name, zipped):
    written = np.arange(-12, 12).astype(name).reshape(2, 3, 4)
    raw = idx_bytes(written)
    path = tmp_path / "array"
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    read = datasets.read_idx(path)
    assert read.dtype == np.dtype(name) and read.dtype.isnative
    assert read.flags.writeable and read.flags.aligned
    np.testing.assert_array_equal(read, written)


GOOD = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "truncated: 0 bytes"),
        (GOOD[:3], "truncated: 3 bytes"),
        (b"\x89PNG" + GOOD, "not an IDX file: it starts with the bytes 89 50 4e 47"),
        (b"\0\0\x07" + GOOD[3:], "unknown IDX type code 0x07"),
        (GOOD[:3] + b"\0", "no dimensions"),
        (GOOD[:9], "truncated within its IDX header"),
        (GOOD[:-1], r"is truncated: shape \(2, 3\) of uint8 takes 6 bytes, and 5"),
        (GOOD + b"\0", "is too long: .* takes 6 bytes, and 7 follow"),
        (GOOD[:4] + b"\xff" * 8, "is truncated: .* takes 18446744065119617025 bytes"),
        (gzip.compress(GOOD)[:-10], "truncated or damaged"),
        (gzip.compress(GOOD)[:12] + b"junk" * 9, "truncated or damaged"),
        (gzip.compress(GOOD[:-1]), "is truncated"),
    ],
)
def test_read_idx_names_the_file_and_the_problem(tmp_path, raw, problem):
    path = tmp_path / "odd-file"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=f"odd-file .*{problem}"):
        datasets.read_idx(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_fashion_mnist_of_a_folder(tmp_path, zipped):
    arrays = write_fashion(tmp_path, zipped)
    data = datasets.load_fashion_mnist(tmp_path)
    assert data.data.shape == (N_TRAIN, 784) and data.data.dtype == np.uint8
    assert data.data_test.shape == (N_TEST, 784)
    assert data.target.dtype == data.target_test.dtype == np.int64
    np.testing.assert_array_equal(
        data.data.reshape(-1, 28, 28), arrays["train-images-idx3-ubyte"]
    )
    np.testing.assert_array_equal(
        data.target_test, arrays["t10k-labels-idx1-ubyte"].astype(int)
    )
    assert len(data.target_names) == 10 and data.target_names[9] == "Ankle boot"
    assert "1708.07747" in data.DESCR


def test_fashion_mnist_as_x_and_y(tmp_path):
    write_fashion(tmp_path)
    X, y = datasets.load_fashion_mnist(str(tmp_path), return_X_y=True)
    assert X.shape == (N_TRAIN, 784) and y.shape == (N_TRAIN,)


def test_search_takes_the_variable_then_the_first_whole_folder(tmp_path, monkeypatch):
    cache, system, named = (tmp_path / name for name in ("cache", "system", "named"))
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(datasets, "DEFAULT_FOLDERS", (str(cache), str(system)))
    write_fashion(system)
    cache.mkdir()
    (cache / "train-images-idx3-ubyte").write_bytes(b"the rest was never copied")
    assert datasets.load_fashion_mnist().data.shape == (N_TRAIN, 784)
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(named))
    with pytest.raises(FileNotFoundError, match="named"):
        datasets.load_fashion_mnist()
    write_fashion(named)
    assert datasets.load_fashion_mnist().data.shape == (N_TRAIN, 784)


def test_missing_set_says_where_it_looked_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    folders = (str(tmp_path / "nowhere"), str(tmp_path))
    monkeypatch.setattr(datasets, "DEFAULT_FOLDERS", folders)
    write_fashion(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load_fashion_mnist()
    message = str(caught.value)
    assert f"{tmp_path / 'nowhere'} (no such folder)" in message
    assert f"{tmp_path} (without t10k-labels-idx1-ubyte)" in message
    assert "apt-get install dataset-fashion-mnist" in message
    assert datasets.DATA_VARIABLE in message


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        ("train-images-idx3-ubyte", np.zeros((N_TRAIN, 8, 8), np.uint8), "not images"),
        ("train-images-idx3-ubyte", np.zeros((N_TRAIN, 28, 28), np.int8), "not images"),
        ("t10k-labels-idx1-ubyte", np.zeros(N_TEST + 1, np.uint8), "not labels"),
        ("train-labels-idx1-ubyte", np.full(N_TRAIN, 10, np.uint8), "the label 10"),
    ],
)
def test_wrong_content_is_named(tmp_path, name, array, problem):
    write_fashion(tmp_path)
    (tmp_path / name).write_bytes(idx_bytes(array))
    with pytest.raises(ValueError, match=f"{name} .*{problem}"):
        datasets.load_fashion_mnist(tmp_path)


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
    with pytest.raises(ValueError, match=r"arrays.npz .*allow_pickle=False"):
        datasets.read_npz(path)
    np.savez(path, X=np.eye(3), y=np.arange(3))
    whole = path.read_bytes()
    for raw in (b"", b"hello", whole[: len(whole) // 2]):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"arrays.npz does not hold"):
            datasets.read_npz(path)
    with open(path, "wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(ValueError, match=r"arrays.npz .*no array X or y, only nothing"):
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
