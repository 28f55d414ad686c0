"""Files of features and a target: NPZ, CSV and parquet."""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np


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
        If the file does not hold both, or is damaged.
    OSError
        If it cannot be read.
    """
    X, y = read_arrays(path, ("X", "y"))
    return X, y


def read_arrays(
    path: str | os.PathLike, names: tuple[str, ...]
) -> tuple[np.ndarray, ...]:
    """Read the arrays of these names from an NPZ file, in this order.

    Raises
    ------
    ValueError
        If the file does not hold all of them, or is damaged.
    OSError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            arrays = np.load(file, allow_pickle=False)
            held = getattr(arrays, "files", [])  # an NPY file has none
            missing = [name for name in names if name not in held]
            if missing:
                raise ValueError(
                    f"no array {' or '.join(missing)}, only "
                    f"{', '.join(held) or 'nothing with a name'}"
                )
            return tuple(arrays[name] for name in names)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        wanted = f"{', '.join(names[:-1])} and {names[-1]}"
        raise ValueError(f"{path} does not hold arrays {wanted}: {error}") from error


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
