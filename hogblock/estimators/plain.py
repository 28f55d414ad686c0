"""Targets as people have them, of any library, as arrays of NumPy."""

import sys

import narwhals.stable.v2 as nw
import numpy as np
from scipy.sparse import issparse

from hogblock.engines.locations import Elsewhere
from hogblock.estimators.frames import frame_of, is_frame, is_missing


def plain(y, name: str = "y"):
    """y as an array whose type is that of its values; integers stay integers.

    Parameters
    ----------
    y : array-like, series, frame, or None
        None, sparse matrices and what no array can be made of are left to others.
    name : str, default="y"
        Of y, in errors.

    Raises
    ------
    ValueError
        If a value is missing: says where.
    """
    if y is None or issparse(y) or isinstance(y, Elsewhere):
        return y
    y = _series_of(y)
    if is_frame(y):
        frame = frame_of(y, name)
        for series in frame.iter_columns():
            _check_none_missing(series, f"{name} (column {series.name!r})")
        return frame.to_numpy()
    if nw.dependencies.is_into_series(y):
        series = nw.from_native(y, series_only=True)
        _check_none_missing(series, name)
        return _by_values(series.to_numpy())
    try:
        values = np.asarray(y)
    except ValueError:  # rows of different lengths: validation will say so
        return y
    if values.ndim == 1 and values.dtype.kind in "OTU":
        # A list of text and NaN is an array with the text "nan": ask the list.
        each = y if isinstance(y, (list, tuple)) else values.tolist()
        _refuse_missing([i for i, value in enumerate(each) if is_missing(value)], name)
    return _by_values(values)


def _series_of(y):
    """Bare arrays of pandas and pyarrow in what narwhals knows."""
    pd, pa = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pd is not None and isinstance(y, pd.api.extensions.ExtensionArray):
        return pd.Series(y)
    if pa is not None and isinstance(y, pa.Array):
        return pa.chunked_array([y])
    return y


def _check_none_missing(series, name: str) -> None:
    if series.null_count():
        _refuse_missing(np.flatnonzero(series.is_null().to_numpy()), name)


def _refuse_missing(rows, name: str) -> None:
    if len(rows):
        raise ValueError(
            f"{name} has missing values ({len(rows)}, the first in row {rows[0]}): "
            "drop these samples"
        )


def _by_values(values: np.ndarray) -> np.ndarray:
    """Objects that are all numbers, as numbers; other text than NumPy's as objects."""
    if values.dtype.kind == "T":
        return values.astype(object)
    if values.dtype.kind != "O":
        return values
    again = np.array(values.tolist())
    same = again.shape == values.shape and again.dtype.kind in "biuf"
    return again if same else values
