"""Reading IDX files, Fashion-MNIST and sets of its form."""

import gzip
import struct

import numpy as np
import pytest

from hogblock import datasets
from hogblock.datasets import images

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


def write_set(folder, zipped=False, prefix="", test="t10k", mark="-", shape=(28, 28)):
    """A tiny set in the form of MNIST; returns its arrays by standard file name."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        pixels = random.integers(0, 256, (n, *shape), np.uint8)
        arrays[f"{part}-images-idx3-ubyte"] = pixels
        arrays[f"{part}-labels-idx1-ubyte"] = (np.arange(n) % 10).astype(np.uint8)
    for name, array in arrays.items():
        name = prefix + name.replace("t10k", test).replace("-idx", f"{mark}idx")
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
        (GOOD + b"\0", "is too long: .* takes 6 bytes, and 7 or more follow"),
        (GOOD[:4] + b"\xff" * 8, "is truncated: .* takes 18446744065119617025 bytes"),
        (gzip.compress(GOOD)[:-10], "truncated or damaged"),
        (gzip.compress(GOOD)[:10] + b"\xff" * 9, "truncated or damaged, after 0"),
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
    arrays = write_set(tmp_path, zipped)
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
    assert data.image_shape == (28, 28, 1)
    assert len(data.target_names) == 10 and data.target_names[9] == "Ankle boot"
    assert "1708.07747" in data.DESCR


def test_fashion_mnist_as_x_and_y(tmp_path):
    write_set(tmp_path)
    X, y = datasets.load_fashion_mnist(str(tmp_path), return_X_y=True)
    assert X.shape == (N_TRAIN, 784) and y.shape == (N_TRAIN,)


def test_search_takes_the_variable_then_the_first_whole_folder(tmp_path, monkeypatch):
    cache, system, named = (tmp_path / name for name in ("cache", "system", "named"))
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(images, "ROOTS", (str(cache), str(system)))
    write_set(system / "fashion-mnist")
    (cache / "fashion-mnist").mkdir(parents=True)
    lone = cache / "fashion-mnist" / "train-images-idx3-ubyte"
    lone.write_bytes(b"the rest was never copied")
    assert datasets.load_fashion_mnist().data.shape == (N_TRAIN, 784)
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(named))
    with pytest.raises(FileNotFoundError, match="named"):
        datasets.load_fashion_mnist()
    write_set(named)
    assert datasets.load_fashion_mnist().data.shape == (N_TRAIN, 784)


def test_variable_may_name_a_folder_of_several_sets(tmp_path, monkeypatch):
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(tmp_path))
    write_set(tmp_path / "fashion-mnist")
    assert datasets.load_fashion_mnist().data.shape == (N_TRAIN, 784)


def test_missing_set_says_where_it_looked_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    nowhere, part = (tmp_path / name / "fashion-mnist" for name in ("none", "part"))
    roots = (str(nowhere.parent), str(part.parent))
    monkeypatch.setattr(images, "ROOTS", roots)
    write_set(part)
    (part / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load_fashion_mnist()
    message = str(caught.value)
    assert f"{nowhere} (no such folder)" in message
    assert f"{part} (without t10k-labels-idx1-ubyte)" in message
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
    write_set(tmp_path)
    (tmp_path / name).write_bytes(idx_bytes(array))
    with pytest.raises(ValueError, match=f"{name} .*{problem}"):
        datasets.load_fashion_mnist(tmp_path)


def test_label_of_the_test_part_is_checked(tmp_path):
    write_set(tmp_path)
    labels = np.array([0, 1, 2, 99, 10], np.uint8)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(ValueError, match=r"t10k-.* label 99 \(of image 3\).* 0 to 9"):
        datasets.load_fashion_mnist(tmp_path)


# Any set of this form ----------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"zipped": True},
        {"mark": "."},
        {"prefix": "emnist-letters-", "test": "test", "zipped": True},
        {"prefix": "my ", "test": "test", "mark": "."},
        {"shape": (6, 4)},
    ],
)
def test_idx_set_of_any_names_and_shape(tmp_path, form):
    arrays = write_set(tmp_path, **form)
    data = datasets.load_idx(tmp_path)
    pixels = arrays["train-images-idx3-ubyte"]
    assert data.image_shape == (*pixels.shape[1:], 1)
    assert data.data.dtype == np.uint8 and data.data.ndim == 2
    np.testing.assert_array_equal(
        data.data.reshape(-1, *data.image_shape), pixels[..., np.newaxis]
    )
    np.testing.assert_array_equal(
        data.data_test, arrays["t10k-images-idx3-ubyte"].reshape(N_TEST, -1)
    )
    assert data.target.dtype == data.target_test.dtype == np.int64
    np.testing.assert_array_equal(data.target, np.arange(N_TRAIN) % 10)
    np.testing.assert_array_equal(data.target_test, np.arange(N_TEST))
    assert data.target_names == [str(k) for k in range(10)]
    assert f"{N_TRAIN} grey images" in data.DESCR
    X, y = datasets.load_idx(str(tmp_path), return_X_y=True)
    np.testing.assert_array_equal(X, data.data)
    np.testing.assert_array_equal(y, data.target)


def test_fashion_mnist_is_an_idx_set(tmp_path):
    write_set(tmp_path)
    by_name, by_form = (
        datasets.load_fashion_mnist(tmp_path),
        datasets.load_idx(tmp_path),
    )
    assert by_name.keys() == by_form.keys()
    for key in ("data", "target", "data_test", "target_test"):
        np.testing.assert_array_equal(by_name[key], by_form[key])


def test_idx_set_may_have_other_labels(tmp_path):
    write_set(tmp_path)
    labels = np.array([1, 2, 26, 3, 4], np.uint8)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    data = datasets.load_idx(tmp_path)
    assert data.target_test.tolist() == labels.tolist()
    assert data.target_names[26] == "26" and len(data.target_names) == 27


def test_idx_set_without_images(tmp_path):
    write_set(tmp_path)
    for name, shape in (("images-idx3", (0, 28, 28)), ("labels-idx1", (0,))):
        empty = idx_bytes(np.zeros(shape, np.uint8))
        (tmp_path / f"t10k-{name}-ubyte").write_bytes(empty)
    assert datasets.load_idx(tmp_path).data_test.shape == (0, 784)


def test_plain_file_comes_before_the_gzipped_one(tmp_path):
    arrays = write_set(tmp_path)
    for name in arrays:
        (tmp_path / f"{name}.gz").write_bytes(b"never read")
    assert datasets.load_idx(tmp_path).data.shape == (N_TRAIN, 784)


def test_one_of_several_idx_sets(tmp_path):
    write_set(tmp_path, prefix="emnist-letters-", test="test")
    write_set(tmp_path, prefix="emnist-digits-", shape=(6, 4))
    with pytest.raises(
        ValueError, match=r"2 IDX sets: .*prefix='emnist-digits-' or 'emnist-letters-'"
    ):
        datasets.load_idx(tmp_path)
    letters = datasets.load_idx(tmp_path, prefix="emnist-letters-")
    digits = datasets.load_idx(tmp_path, prefix="emnist-digits-")
    assert letters.image_shape == (28, 28, 1) and digits.image_shape == (6, 4, 1)
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load_idx(tmp_path, prefix="emnist-letters")
    message = str(caught.value)
    assert "without emnist-letterstrain-images-idx3-ubyte" in message
    assert "other prefixes: 'emnist-digits-', 'emnist-letters-'" in message


def test_missing_idx_set_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere \(no such folder\)"):
        datasets.load_idx(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"\(without train-images-idx3-ubyte, "):
        datasets.load_idx(tmp_path)
    write_set(tmp_path, prefix="a-")
    (tmp_path / "a-t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"\(without a-t10k-labels-idx1-ubyte\).* four files"
    ):
        datasets.load_idx(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        (
            "train-images-idx3-ubyte",
            np.zeros(N_TRAIN, np.uint8),
            "not images: uint8 of",
        ),
        ("train-images-idx3-ubyte", np.zeros((2, 8, 8), np.int16), "not images"),
        ("t10k-images-idx3-ubyte", np.zeros((N_TEST, 8, 8), np.uint8), "28, 28"),
        ("train-labels-idx1-ubyte", np.zeros(N_TRAIN, np.int32), "not labels"),
        ("t10k-labels-idx1-ubyte", np.zeros(3, np.uint8), "not labels"),
    ],
)
def test_wrong_content_of_an_idx_set_is_named(tmp_path, name, array, problem):
    write_set(tmp_path)
    (tmp_path / name).write_bytes(idx_bytes(array))
    with pytest.raises(ValueError, match=f"{name} .*{problem}"):
        datasets.load_idx(tmp_path)
