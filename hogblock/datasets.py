"""Data sets: Fashion-MNIST, and files of other data: IDX, NPZ and tables."""

import gzip
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

DATA_VARIABLE = "HOGBLOCK_DATA"
DEFAULT_FOLDERS = (
    "~/.cache/hogblock/fashion-mnist",
    "/usr/share/datasets/fashion-mnist",
)

IDX_TYPES = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
GZIP_MAGIC = b"\x1f\x8b"

FILES = {
    "data": "train-images-idx3-ubyte",
    "target": "train-labels-idx1-ubyte",
    "data_test": "t10k-images-idx3-ubyte",
    "target_test": "t10k-labels-idx1-ubyte",
}
IMAGE_SHAPE = (28, 28)
TARGET_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DESCRIPTION = """Fashion-MNIST: 70,000 grey images, 28 x 28 pixels, of ten kinds of
clothes from Zalando's catalogue; 60,000 to train on and 10,000 to test on.

H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms", arXiv 1708.07747. MIT licence."""


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Read an array from an IDX file, gzipped or not.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    ndarray
        Of the shape and type that the file states, in native byte order.

    Raises
    ------
    ValueError
        If the file is not an IDX file, is damaged, truncated or too long.
    OSError
        If it cannot be read.
    """
    raw = _read_bytes(path)
    if len(raw) < 4:
        raise ValueError(f"{path} is truncated: {len(raw)} bytes hold no IDX header")
    if raw[:2] != b"\0\0":
        raise ValueError(
            f"{path} is not an IDX file: it starts with the bytes {raw[:4].hex(' ')} "
            "instead of two zeros"
        )
    code, n_dims = raw[2], raw[3]
    if code not in IDX_TYPES:
        raise ValueError(f"{path} has the unknown IDX type code 0x{code:02x}")
    if n_dims == 0:
        raise ValueError(f"{path} has no dimensions in its IDX header")
    start = 4 + 4 * n_dims
    if len(raw) < start:
        raise ValueError(f"{path} is truncated within its IDX header")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", n_dims, offset=4))
    dtype = IDX_TYPES[code]
    expected = dtype.itemsize
    for n in shape:  # Python integers: the product of a wrong header may be huge
        expected *= n
    found = len(raw) - start
    if found != expected:
        problem = "is truncated" if found < expected else "is too long"
        raise ValueError(
            f"{path} {problem}: shape {shape} of {dtype.name} takes {expected} bytes, "
            f"and {found} follow the header"
        )
    values = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _read_bytes(path) -> bytes:
    raw = Path(path).read_bytes()
    if raw[:2] != GZIP_MAGIC:
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from error


def load_fashion_mnist(
    path: str | os.PathLike | None = None, *, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load Fashion-MNIST from four IDX files, gzipped or not.

    Parameters
    ----------
    path : str or path-like, default=None
        Folder that holds the files. None is the folder that the environment variable
        HOGBLOCK_DATA names; if that is not set, the first of
        ``~/.cache/hogblock/fashion-mnist`` and ``/usr/share/datasets/fashion-mnist``
        (Debian's package ``dataset-fashion-mnist``) that holds all four.
    return_X_y : bool, default=False
        Return the training images and their classes only.

    Returns
    -------
    Bunch or (data, target)
        data, data_test : ndarray of shape (60000, 784) and (10000, 784), uint8
        target, target_test : ndarray of shape (60000,) and (10000,), int64
        target_names : list of the ten classes' names
        DESCR : str

    Raises
    ------
    FileNotFoundError
        If files are missing; the message says where to get them.
    ValueError
        If a file is damaged, or holds something else.
    """
    files = _find_files(path)
    if return_X_y:
        return _read_part(files["data"], files["target"])
    data, target = _read_part(files["data"], files["target"])
    data_test, target_test = _read_part(files["data_test"], files["target_test"])
    return Bunch(
        data=data,
        target=target,
        data_test=data_test,
        target_test=target_test,
        target_names=list(TARGET_NAMES),
        DESCR=DESCRIPTION,
    )


def _find_files(path) -> dict[str, Path]:
    """Path of each of `FILES`, from the first folder that holds all."""
    folder = path if path is not None else os.environ.get(DATA_VARIABLE) or None
    folders = DEFAULT_FOLDERS if folder is None else (folder,)
    looked = []
    for folder in map(Path, folders):
        folder = folder.expanduser()
        files = {key: _present(folder / name) for key, name in FILES.items()}
        if all(files.values()):
            return files
        looked.append(f"{folder} ({_what_is_wrong(folder, files)})")
    raise FileNotFoundError(
        f"Fashion-MNIST was not found in {' or '.join(looked)}. Get it with "
        "`apt-get install dataset-fashion-mnist`, or put its four IDX files into a "
        f"folder and pass that as path or in the environment variable {DATA_VARIABLE}."
    )


def _present(file: Path) -> Path | None:
    zipped = file.with_name(f"{file.name}.gz")
    return next((f for f in (file, zipped) if f.is_file()), None)


def _what_is_wrong(folder: Path, files: dict[str, Path | None]) -> str:
    if not folder.is_dir():
        return "no such folder"
    missing = [FILES[key] for key, file in files.items() if file is None]
    return f"without {', '.join(missing)}"


def _read_part(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images as rows of pixels and their classes, both checked."""
    data, target = read_idx(images), read_idx(labels)
    if data.dtype != np.uint8 or data.shape[1:] != IMAGE_SHAPE:
        raise ValueError(
            f"{images} holds {data.dtype} of shape {data.shape}, and not images: "
            "uint8 of shape (n, 28, 28)"
        )
    if target.dtype != np.uint8 or target.shape != (len(data),):
        raise ValueError(
            f"{labels} holds {target.dtype} of shape {target.shape}, and not labels "
            f"of the {len(data)} images: uint8 of shape ({len(data)},)"
        )
    if target.max(initial=0) >= len(TARGET_NAMES):
        raise ValueError(f"{labels} holds the label {target.max()}; the last is 9")
    return data.reshape(len(data), -1), target.astype(np.int64)


def read_npz(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read the arrays X and y of an NPZ file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    X, y : ndarray
        As they were saved; Python objects are not read.

    Raises
    ------
    ValueError
        If the file does not hold both.
    OSError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            arrays = np.load(file, allow_pickle=False)
            names = getattr(arrays, "files", [])  # an NPY file has none
            missing = {"X", "y"}.difference(names)
            if missing:
                raise ValueError(
                    f"no array {' or '.join(sorted(missing))}, only "
                    f"{', '.join(names) or 'nothing with a name'}"
                )
            return arrays["X"], arrays["y"]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} does not hold arrays X and y: {error}") from error


def read_table(path: str | os.PathLike, target: str | None = None):
    """Read features and a target from a CSV or parquet file, with pandas.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.csv`` (with a line of column names) or ``.parquet``.
    target : str, default=None
        Name of the target's column; None is the last one.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features), float64
    y : ndarray of shape (n_samples,)

    Raises
    ------
    ImportError
        If pandas, or what it needs for parquet, is not installed.
    ValueError
        If the file is no such table, has no column `target`, has features that are not
        numeric, or has missing values; the message names the columns.
    OSError
        If it cannot be read.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            f"reading {path} needs pandas: pip install 'hogblock[tables]'"
        ) from error
    read = pd.read_csv if Path(path).suffix.lower() == ".csv" else pd.read_parquet
    try:
        table = read(path)
    except ValueError as error:
        raise ValueError(f"{path} is no table that pandas reads: {error}") from error
    table.columns = table.columns.astype(str)
    columns = list(table.columns)
    if len(columns) < 2:
        raise ValueError(f"{path} has fewer than two columns: features and a target")
    target = columns[-1] if target is None else target
    if target not in columns:
        raise ValueError(f"{path} has no column {target!r}, only {', '.join(columns)}")
    X = table.drop(columns=target)
    words = [c for c in X if not pd.api.types.is_numeric_dtype(X[c])]
    if words:
        raise ValueError(
            f"{path} has columns that are not numeric: {', '.join(words)}. Encode them "
            "first, with pandas.get_dummies for instance"
        )
    gaps = table.columns[table.isna().any()]
    if len(gaps):
        raise ValueError(
            f"{path} has columns with missing values: {', '.join(gaps)}. Fill them in, "
            "or drop them"
        )
    return X.astype(np.float64), table[target].to_numpy()
