"""Frames of pandas, polars and pyarrow as X: what is wrong in which column.

scikit-learn makes arrays of them, and checks the names of their columns.
"""

import sys
from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from narwhals.exceptions import DuplicateError

STORED_TYPES = (np.float64, np.float32, np.uint8)
"""X of these types is trained on as it is; all others become the first, or the second
if that holds their values."""

SMALL = (nw.Boolean, nw.Int8, nw.Int16, nw.UInt8, nw.UInt16, nw.Float32)
"""Types of columns whose values are all float32's."""


def stored_types(X) -> tuple[type, ...]:
    """`STORED_TYPES`, the one first that takes the values of X in the least memory."""
    first: type = np.float64
    if is_frame(X):
        types = list(frame_of(X, "X").schema.values())
        if all(each in SMALL for each in types):
            first = np.float32
        if all(each == nw.UInt8 for each in types):
            first = np.uint8
    elif isinstance(X, np.ndarray) and np.can_cast(X.dtype, np.float32):
        first = np.float32
    return (first, *(each for each in STORED_TYPES if each != first))


def with_names(X):
    """X, as a table if it is a batch of pyarrow, whose columns nobody finds."""
    pa = sys.modules.get("pyarrow")
    if pa is None or not isinstance(X, pa.RecordBatch):
        return X
    return pa.Table.from_batches([X])


def is_frame(X) -> bool:
    """Whether X is a frame that is in memory, of a library that narwhals knows."""
    return nw.dependencies.is_into_dataframe(X)


def frame_of(X, name: str) -> nw.DataFrame:
    """X by the names of narwhals.

    Raises
    ------
    ValueError
        If columns have one name.
    """
    try:
        return nw.from_native(X, eager_only=True)
    except DuplicateError as error:
        raise ValueError(
            f"{name} has columns of one name, and they must differ: "
            f"{' '.join(str(error).split())}"
        ) from error


def check_types(X, name: str) -> None:
    """Refuse a frame with columns that an array could only misread.

    Raises
    ------
    TypeError
        For a frame that is not computed yet.
    ValueError
        If a column holds dates, times or lists: names it.
    """
    if nw.dependencies.is_polars_lazyframe(X):
        raise TypeError(
            f"{name} is a LazyFrame, and must be computed: {name}.collect()"
        )
    if not is_frame(X):
        return
    for column, kind in frame_of(X, name).schema.items():
        if kind.is_temporal() or kind.is_nested():
            raise ValueError(
                f"{name} has column {column!r} of type {kind}; allowed are numbers and "
                "truth values: make numbers of it (days since a date, say), or drop it"
            )


def fault_of(X, name: str) -> str | None:
    """What keeps a column from being numbers, in words; None if nothing does.

    Parameters
    ----------
    X : array-like
        A frame, or an array or list of objects or text.
    name : str
        Of X.
    """
    for column, kind, values in _columns(X):
        where = f"column {column!r}" + (f" of type {kind}" if kind else "")
        missing = np.flatnonzero([is_missing(value) for value in values])
        if missing.size:
            return (
                f"{name} has missing values in {where} ({missing.size}, the first in "
                f"row {missing[0]}): fill them, with sklearn.impute.SimpleImputer for "
                "instance, or drop these rows"
            )
        for row, value in enumerate(values):
            try:
                number = float(value)
            except (TypeError, ValueError) as error:
                return (
                    f"{name} has {value!r} in {where}, row {row}, which is no number "
                    f"({error}): encode the column, with "
                    "sklearn.preprocessing.OneHotEncoder for instance, or drop it"
                )
            if not np.isfinite(number):
                return f"{name} has {value!r} in {where}, row {row}; allowed is finite"
    return None


def _columns(X) -> Iterator[tuple[Any, str, Any]]:
    """Names, types and values of the columns that may be at fault."""
    if is_frame(X):
        for series in frame_of(X, "X").iter_columns():
            kind = series.dtype
            whole = kind.is_integer() or kind == nw.Boolean
            if not whole or series.null_count():
                yield series.name, str(kind), series.to_list()
    elif isinstance(X, (np.ndarray, list)):
        rows = np.asarray(X)
        if rows.ndim == 2 and rows.dtype.kind in "OUST":
            for column, values in enumerate(rows.T):
                yield column, "", values.tolist()


def is_missing(value) -> bool:
    """Whether a value stands for none: None, NaN, and those of pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and value != value
