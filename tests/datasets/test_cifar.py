"""Reading CIFAR-10 in its binary version, packed and not, and as NPZ."""

import gzip
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from hogblock import datasets
from hogblock.datasets import cifar, images

N = 4
"""Images a file, instead of 10,000."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Files of a few images, and no CIFAR-10 on this machine."""
    monkeypatch.setattr(cifar, "IMAGES_A_FILE", N)
    monkeypatch.setattr(images, "ROOTS", ())
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)


@pytest.fixture
def arrays():
    """x_train, y_train, x_test and y_test of a set, as Keras has them."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (6 * N, 32, 32, 3), np.uint8)
    labels = (np.arange(6 * N) % 10).astype(np.uint8).reshape(-1, 1)
    values = (pixels[: 5 * N], labels[: 5 * N], pixels[5 * N :], labels[5 * N :])
    return dict(zip(cifar.ARRAYS, values, strict=True))


def binary_files(arrays):
    """The binary version, byte for byte by its definition: bytes by file name."""
    pixels = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_test"]]).ravel()
    records = [
        bytes([label]) + b"".join(image[:, :, colour].tobytes() for colour in range(3))
        for image, label in zip(pixels, labels, strict=True)
    ]
    names = [*(f"data_batch_{k}.bin" for k in (1, 2, 3, 4, 5)), "test_batch.bin"]
    return {
        name: b"".join(records[k * N : (k + 1) * N]) for k, name in enumerate(names)
    }


def write_folder(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return folder


def write_archive(path, files, top="cifar-10-batches-bin/"):
    """The archive in the odd order of the original, with what else that holds."""
    others = {"batches.meta.txt": b"airplane\n", "readme.html": b"<html></html>"}
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo(top)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, raw in sorted((others | files).items(), key=lambda item: item[1]):
            member = tarfile.TarInfo(top + name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


def assert_is(data, arrays):
    for key, name in (("data", "x_train"), ("data_test", "x_test")):
        assert data[key].dtype == np.uint8 and data[key].flags.c_contiguous
        np.testing.assert_array_equal(data[key], arrays[name])
    for key, name in (("target", "y_train"), ("target_test", "y_test")):
        assert data[key].dtype == np.int64
        np.testing.assert_array_equal(data[key], arrays[name].ravel())


# Forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_folder(tmp_path, arrays, inside):
    write_folder(tmp_path / inside, binary_files(arrays))
    data = datasets.load_cifar10(str(tmp_path))
    assert_is(data, arrays)
    assert data.image_shape == (32, 32, 3)
    assert len(data.target_names) == 10 and data.target_names[9] == "truck"
    assert "Krizhevsky" in data.DESCR
    X, y = datasets.load_cifar10(tmp_path, return_X_y=True)
    np.testing.assert_array_equal(X, arrays["x_train"])
    np.testing.assert_array_equal(y, arrays["y_train"].ravel())


@pytest.mark.parametrize("top", ["cifar-10-batches-bin/", "./", "a/b/"])
def test_archive(tmp_path, arrays, top):
    path = write_archive(tmp_path / "any.name", binary_files(arrays), top)
    assert_is(datasets.load_cifar10(path), arrays)
    assert list(tmp_path.iterdir()) == [path]


def test_padded_archive(tmp_path, arrays):
    path = write_archive(tmp_path / "set.tar.gz", binary_files(arrays))
    padded = gzip.decompress(path.read_bytes()) + bytes(3 << 20)
    path.write_bytes(gzip.compress(padded))
    assert_is(datasets.load_cifar10(path), arrays)


def test_archive_in_a_folder(tmp_path, arrays):
    write_archive(tmp_path / "cifar-10-binary.tar.gz", binary_files(arrays))
    assert_is(datasets.load_cifar10(tmp_path), arrays)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["cifar10.npz", "cifar-10.npz", "mine.npz"])
def test_npz(tmp_path, arrays, name, save, flat):
    stored = {k: v.ravel() if flat and k[0] == "y" else v for k, v in arrays.items()}
    stored["y_test"] = stored["y_test"].astype(np.int64)
    stored["x_test"] = np.asfortranarray(stored["x_test"])
    save(tmp_path / name, **stored)
    path = tmp_path / name if name == "mine.npz" else tmp_path
    assert_is(datasets.load_cifar10(path), arrays)


def test_form_has_the_standard_sizes(tmp_path, monkeypatch):
    monkeypatch.undo()
    for name in cifar.FILES:
        with open(tmp_path / name, "wb") as file:
            file.truncate(30_730_000)
    data = datasets.load_cifar10(tmp_path)
    assert data.data.shape == (50_000, 32, 32, 3)
    assert data.data_test.shape == (10_000, 32, 32, 3)
    assert data.target.shape == (50_000,) and data.target_test.shape == (10_000,)
    assert not data.data.any() and not data.target.any()


# Search ------------------------------------------------------------------------------


def test_search_takes_the_variable_then_the_first_root(tmp_path, monkeypatch, arrays):
    cache, system, named = (tmp_path / name for name in ("cache", "system", "named"))
    monkeypatch.setattr(images, "ROOTS", (str(cache), str(system)))
    write_folder(system / "cifar-10", binary_files(arrays))
    write_folder(cache / "cifar-10", {"data_batch_1": b"pickled"})
    assert_is(datasets.load_cifar10(), arrays)
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(named))
    with pytest.raises(FileNotFoundError, match=r"named .*named/cifar-10"):
        datasets.load_cifar10()
    path = write_archive(tmp_path / "packed", binary_files(arrays))
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(path))
    assert_is(datasets.load_cifar10(), arrays)
    write_folder(named / "cifar-10", binary_files(arrays))
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(named))
    assert_is(datasets.load_cifar10(), arrays)


def test_missing_set_says_where_it_looked_and_how_to_get_it(tmp_path, monkeypatch):
    part = tmp_path / "part"
    files = {name: b"" for name in cifar.FILES if name != "data_batch_3.bin"}
    write_folder(part / "cifar-10" / "cifar-10-batches-bin", files)
    (tmp_path / "empty" / "cifar-10").mkdir(parents=True)
    roots = tuple(str(tmp_path / name) for name in ("nowhere", "empty", "part"))
    monkeypatch.setattr(images, "ROOTS", roots)
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load_cifar10()
    message = str(caught.value)
    assert f"{tmp_path}/nowhere/cifar-10 (no such file or folder)" in message
    assert "empty/cifar-10 (without cifar-10-batches-bin and" in message
    assert "(without data_batch_3.bin in cifar-10-batches-bin)" in message
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in message
    assert "into ~/.cache/hogblock/cifar-10" in message
    assert datasets.DATA_VARIABLE in message


def test_home_is_expanded(tmp_path, monkeypatch, arrays):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "set", binary_files(arrays))
    assert_is(datasets.load_cifar10("~/set"), arrays)


# Pickles -----------------------------------------------------------------------------


class Trap:
    """Creates a file as soon as it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(params=[0, 2, 5])
def trap(request, tmp_path):
    """A pickle that must never be loaded, checked at the end."""
    sprung = tmp_path / "sprung"
    raw = pickle.dumps(Trap(sprung), protocol=request.param)
    yield raw
    assert not sprung.exists()
    pickle.loads(raw)
    assert sprung.exists()


def assert_refused(path, name):
    with pytest.raises(ValueError) as caught:
        datasets.load_cifar10(path)
    message = str(caught.value)
    assert name in message and "runs whatever code" in message
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in message


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-py"])
def test_pickles_in_a_folder_are_refused(tmp_path, trap, inside):
    names = [*(f"data_batch_{k}" for k in (1, 2, 3, 4, 5)), "test_batch"]
    write_folder(tmp_path / "set" / inside, dict.fromkeys(names, trap))
    assert_refused(tmp_path / "set", inside or "data_batch_1")


def test_a_pickle_by_its_own_path_is_refused(tmp_path, trap):
    path = tmp_path / "data_batch_1"
    path.write_bytes(trap)
    assert_refused(path, "data_batch_1")
    path = path.rename(tmp_path / "cifar.pkl")
    if trap.startswith(b"\x80"):
        assert_refused(path, "cifar.pkl")
    else:
        with pytest.raises(ValueError, match=r"cifar\.pkl is not CIFAR-10 in a form"):
            datasets.load_cifar10(path)


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"])
def test_an_archive_of_pickles_is_refused(tmp_path, trap, name):
    folder = tmp_path / "set"
    folder.mkdir()
    write_archive(folder / name, {"data_batch_1": trap}, "cifar-10-batches-py/")
    assert_refused(folder, name)
    assert_refused(folder / name, name)


def test_a_pickle_under_a_binary_files_name_is_not_loaded(tmp_path, arrays, trap):
    files = binary_files(arrays) | {"data_batch_1.bin": trap}
    with pytest.raises(ValueError, match=r"data_batch_1\.bin is truncated"):
        datasets.load_cifar10(write_folder(tmp_path / "set", files))
    path = write_archive(tmp_path / "set.tar.gz", files)
    with pytest.raises(ValueError, match=r"data_batch_1\.bin in .* is truncated"):
        datasets.load_cifar10(path)


def test_objects_in_an_npz_file_are_not_loaded(tmp_path, arrays):
    sprung = tmp_path / "sprung"
    path = tmp_path / "cifar10.npz"
    np.savez(path, **arrays | {"y_train": np.array([Trap(sprung)], object)})
    with pytest.raises(
        ValueError, match=r"cifar10\.npz .*y_train.npy .*objects never are"
    ):
        datasets.load_cifar10(path)
    assert not sprung.exists()


def test_binary_files_next_to_pickles_are_read(tmp_path, arrays, trap):
    write_folder(tmp_path / "set", binary_files(arrays) | {"data_batch_1": trap})
    assert_is(datasets.load_cifar10(tmp_path / "set"), arrays)


# Wrong content -----------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda raw: raw[:-1], "is truncated: it has 12,291 bytes; 4 images .* 12,292"),
        (lambda raw: raw[:-3073], "is truncated: it has 9,219 bytes"),
        (lambda raw: b"", "is truncated: it has 0 bytes"),
        (lambda raw: raw + b"\0", "is too long: it has 12,293 bytes"),
        (
            lambda raw: raw[: 2 * 3073] + b"\x0a" + raw[2 * 3073 + 1 :],
            r"holds the label 10 \(of image 2\); labels are 0 to 9",
        ),
    ],
)
@pytest.mark.parametrize("name", ["data_batch_4.bin", "test_batch.bin"])
def test_wrong_binary_file_is_named(tmp_path, arrays, name, change, problem, packed):
    files = binary_files(arrays)
    files[name] = change(files[name])
    write = write_archive if packed else write_folder
    path = write(tmp_path / "set", files)
    where = f"{name} in .*set" if packed else f"set/{name}"
    with pytest.raises(ValueError, match=f"{where} {problem}"):
        datasets.load_cifar10(path)


def test_incomplete_archive_says_what_it_lacks(tmp_path, arrays):
    files = binary_files(arrays)
    del files["data_batch_2.bin"], files["test_batch.bin"]
    path = write_archive(tmp_path / "set.tar.gz", files)
    lacks = r"set\.tar\.gz .*lacks data_batch_2\.bin, test_batch\.bin$"
    with pytest.raises(ValueError, match=lacks):
        datasets.load_cifar10(path)


def test_link_in_an_archive_is_not_followed(tmp_path, arrays):
    secret = write_folder(tmp_path / "else", binary_files(arrays)) / "test_batch.bin"
    path = tmp_path / "set.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("test_batch.bin")
            link.type, link.linkname = kind, str(secret)
            archive.addfile(link)
    with pytest.raises(ValueError, match=r"lacks .*test_batch\.bin"):
        datasets.load_cifar10(path)


def test_damaged_archive_is_named(tmp_path, arrays):
    path = write_archive(tmp_path / "set.tar.gz", binary_files(arrays))
    plain = gzip.decompress(path.read_bytes())
    raw = gzip.compress(plain)
    damaged = {
        "cut in two": raw[: len(raw) // 2],
        "cut in the checksum": raw[:-6],
        "cut in the header": raw[:2],
        "wrong checksum": raw[:-8] + bytes(4) + raw[-4:],
        "no deflate block": raw[:10] + b"\xff" + raw[11:],
        "junk at the end": raw + raw[:10] + b"\xff" * 99,
        "tar cut in two": gzip.compress(plain[:20_000]),
        "no tar": gzip.compress(b"hello" * 999),
    }
    for bad in damaged.values():
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"set\.tar\.gz is truncated or damaged"):
            datasets.load_cifar10(path)


@pytest.mark.parametrize("raw", [b"", b"\x06\x10" * 99, b"%PDF-1.4"])
def test_other_file_is_named(tmp_path, raw):
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(raw)
    with pytest.raises(
        ValueError, match=r"data_batch_1\.bin is not CIFAR-10 in a form"
    ):
        datasets.load_cifar10(path)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("x_train", np.zeros((5 * N, 3, 32, 32), np.uint8), "not the images: uint8 of"),
        ("x_train", np.zeros((5 * N, 32, 32, 3), np.float32), "is float32 of shape"),
        ("x_test", np.zeros((N - 1, 32, 32, 3), np.uint8), r"shape \(4, 32, 32, 3\)"),
        ("y_train", np.zeros((5 * N, 10), np.uint8), "not the labels"),
        ("y_test", np.zeros(N), "is float64 of shape"),
        ("y_test", np.zeros(N + 1, int), r"of shape \(4,\) or \(4, 1\)"),
        ("y_train", np.full(5 * N, 10), r"holds the label 10 \(of image 0\)"),
        ("y_test", np.array([0, 1, 2, -1]), r"holds the label -1 \(of image 3\)"),
    ],
)
def test_wrong_array_is_named(tmp_path, arrays, name, value, problem):
    path = tmp_path / "cifar10.npz"
    np.savez(path, **arrays | {name: value})
    with pytest.raises(ValueError, match=rf"{name} in .*cifar10\.npz .*{problem}"):
        datasets.load_cifar10(path)


def test_npz_file_without_the_arrays_is_named(tmp_path, arrays):
    path = tmp_path / "cifar10.npz"
    del arrays["y_test"]
    np.savez(path, **arrays)
    with pytest.raises(
        ValueError, match=r"10\.npz .*x_test and y_test: no array y_test, only x_train"
    ):
        datasets.load_cifar10(tmp_path)
    path.write_bytes(path.read_bytes()[:-99])
    with pytest.raises(ValueError, match=r"cifar10\.npz does not hold arrays x_train"):
        datasets.load_cifar10(path)
