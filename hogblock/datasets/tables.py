"""Files of features and a target: separated values and parquet."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hogblock.datasets.columns import as_words, words_of
from hogblock.datasets.dialects import Dialect, find_dialect, is_number
from hogblock.datasets.names import listed
from hogblock.datasets.packing import opened
from hogblock.datasets.parquet import is_parquet, read_parquet
from hogblock.kernels.warn import warn

FEW_WORDS = 20
"""A column with fewer different words always holds categories."""

EXACT = 2.0**53
"""Below it whole numbers are exact as float64."""

UNREADABLE = (ValueError, LookupError, csv.Error)
"""What pandas and Python raise for a text that is no table."""


def read_table(
    path: str | os.PathLike,
    target: str | None = None,
    *,
    sep: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    strict: bool = True,
):
    """Read features and a target from a file of separated values or a parquet file.

    A first column without a name (or named "index") that counts the rows is left out,
    with a warning.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.parquet``, or is read as separated values, gzipped or not.
    target : str, default=None
        Name of the target's column; None is the last one.
    sep : str, default=None
        What separates values: one character, " " for any white space. None finds out,
        as for the parameters that follow; none of them is for parquet.
    decimal : {".", ","}, default=None
    encoding : str, default=None
        None takes that of a byte order mark, else UTF-8, else cp1252.
    header : bool, default=None
        Whether the first line holds names. Without, they are "0", "1" and so on.
    strict : bool, default=True
        Refuse features that are not numeric, and missing values. False returns the
        columns as they are, without rows that lack a target.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features)
        float64 with `strict`.
    y : ndarray of shape (n_samples,)

    Raises
    ------
    ImportError
        If pandas, or what it needs for parquet, is not installed.
    ValueError
        If the file is no such table, has no column `target`, or has what `strict`
        refuses; the message names the columns.
    OSError
        If it cannot be read.
    """
    given = Dialect(sep=sep, decimal=decimal, encoding=encoding, header=header)
    table = load_table(path, target, given, strict=strict)
    return table.X, table.y


@dataclass(frozen=True)
class Table:
    """What a file held.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    numbers, words : list of str
        Columns of X to be taken as numbers, and as words.
    complete : bool
        All of X is numbers, without gaps.
    left_out : bool
        The file has columns that are neither in X nor the target.
    dialect : Dialect or None
        None: the file was no text.
    """

    X: Any
    y: np.ndarray
    numbers: list[str]
    words: list[str]
    complete: bool
    left_out: bool
    dialect: Dialect | None


def load_table(
    path: str | os.PathLike, target: str | None, given: Dialect, *, strict: bool
) -> Table:
    """As `read_table`, and what was found out."""
    whole, dialect = _read(path, given)
    frame = _without_index(path, whole, target)
    columns = list(frame.columns)
    if len(columns) < 2:
        raise ValueError(f"{path} has fewer than two columns: features and a target")
    target = columns[-1] if target is None else target
    if target not in columns:
        raise ValueError(f"{path} has no column {target!r}, only {listed(columns)}")
    if strict:
        _check_strictly(path, frame, frame.drop(columns=target))
        y = frame[target].to_numpy()
    else:
        frame, y = _with_targets(path, frame, target)
    X = frame.drop(columns=target)
    numbers, words = _kinds_of(path, X)
    taken = {*numbers, *words}
    X = X[[name for name in X if name in taken]]
    complete = bool(X.dtypes.map(_is_numeric).all() and not X.isna().any(axis=None))
    return Table(
        X.astype(np.float64) if complete else X,
        y,
        numbers,
        words,
        complete,
        left_out=len(X.columns) + 1 < len(whole.columns),
        dialect=dialect,
    )


def read_features(path, given: Dialect, wanted: Sequence[str]):
    """A table without a target: all its columns but an index that nobody wants.

    Parameters
    ----------
    path : str or path-like
    given : Dialect
    wanted : sequence of str
        Names of columns that are kept, whatever they look like.

    Returns
    -------
    DataFrame
        As it was read.
    Dialect or None
        None: the file was no text.

    Raises
    ------
    ImportError, ValueError, OSError
        As `read_table`.
    """
    whole, dialect = _read(path, given)
    others = whole.drop(columns=[name for name in whole if name in wanted])
    kept = {*wanted, *_without_index(path, others, None)}
    return whole[[name for name in whole if name in kept]], dialect


def _read(path, given: Dialect):
    """The table with names that are text, and its dialect."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            f"reading {path} needs pandas: pip install 'hogblock[tables]'"
        ) from error
    dialect = None
    try:
        if is_parquet(path):
            if given != Dialect():
                raise ValueError("sep, decimal, encoding and header are for text files")
            frame = read_parquet(path)
        else:
            dialect = find_dialect(path, given)
            with opened(path, dialect.compression or "") as file:
                frame = pd.read_csv(file, low_memory=False, **dialect.options)
            _check_lengths(frame)
    except UNREADABLE as error:
        raise ValueError(f"{path} is no table that pandas reads: {error}") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"{path} has several columns {listed(twice)}")
    return frame, dialect


def _check_lengths(frame) -> None:
    """Raise if pandas took several values of a line for its names; one may be."""
    more = frame.index.nlevels
    if more > 1:
        raise ValueError(
            f"a line has {more + len(frame.columns):,} values, for the "
            f"{len(frame.columns):,} names of the first line"
        )


def _without_index(path, frame, target: str | None):
    """The table without what has no name and is no feature."""
    unnamed = [
        name
        for k, name in enumerate(frame.columns)
        if name in ("", f"Unnamed: {k}", "index") and name != target
    ]
    empty = [name for name in unnamed if frame[name].isna().all()]
    if unnamed and unnamed[0] == frame.columns[0] and _counts(frame[unnamed[0]]):
        what = "no name" if unnamed[0] != "index" else "the name 'index'"
        warn(f"{path}: the first column has {what} and counts the rows: left out")
        empty.append(unnamed[0])
    return frame.drop(columns=empty)


def _counts(column) -> bool:
    """Whether a column is an index: whole numbers, each the next one."""
    if column.dtype.kind not in "iu" or not len(column):
        return False
    values = column.to_numpy()
    return bool(values[0] in (0, 1) and np.all(np.diff(values) == 1))


def _check_strictly(path, frame, X) -> None:
    words = [c for c in X if not _is_numeric(X[c])]
    if words:
        raise ValueError(
            f"{path} has columns that are not numeric: {listed(words)}. Encode them "
            "first, with pandas.get_dummies for instance"
        )
    gaps = frame.columns[frame.isna().any()]
    if len(gaps):
        raise ValueError(
            f"{path} has columns with missing values: {listed(gaps)}. Fill them in, "
            "or drop them"
        )


def _with_targets(path, frame, target: str):
    """The rows with a target, and the targets."""
    column = frame[target]
    if _is_numeric(column):
        known = column.notna()
        y = column[known].to_numpy()
    else:
        column = as_words(column)
        known = column.notna()
        y = column[known].to_numpy()
        if len(y) and all(map(is_number, set(y))):
            y = y.astype(np.float64)
    lacking = len(frame) - int(known.sum())
    if lacking == len(frame):
        raise ValueError(f"{path} has no row with a target in column {target!r}")
    if lacking:
        warn(f"{path}: {lacking:,} rows without a target ({target}): left out")
        frame = frame[known].reset_index(drop=True)
        if y.dtype == np.float64 and np.all((y == np.round(y)) & (abs(y) < EXACT)):
            y = y.astype(np.int64)  # what pandas made fractions of for the gaps
    return frame, y


def _kinds_of(path, X) -> tuple[list[str], list[str]]:
    """Names of the columns that hold numbers, and words; warns of the others."""
    numbers, words = [], []
    left: dict[str, list[str]] = {}
    for name, column in X.items():
        if column.isna().all():
            left.setdefault("empty", []).append(name)
        elif _is_numeric(column):
            numbers.append(name)
        elif column.dtype.kind in "mM" or hasattr(column.dtype, "tz"):
            left.setdefault("times", []).append(name)
        else:
            values = [word for word in words_of(column) if word is not np.nan]
            distinct = set(values)
            if not distinct:
                left.setdefault("empty", []).append(name)
            elif all(map(is_number, distinct)):
                numbers.append(name)
            elif len(distinct) > max(FEW_WORDS, len(values) // 2):
                left.setdefault("a word a row", []).append(name)
            else:
                words.append(name)
    for why, names in left.items():
        warn(f"{path}: columns left out ({why}): {listed(names)}")
    if not numbers and not words:
        raise ValueError(f"{path} has no column that can be a feature")
    return numbers, words


def _is_numeric(column) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column)
