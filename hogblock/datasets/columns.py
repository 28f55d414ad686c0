"""Columns of a table as a network takes them: numbers without gaps."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from hogblock.datasets.dialects import MISSING
from hogblock.datasets.names import listed

MOST_CATEGORIES = 100
"""Of a column; those after the most frequent ones share a feature."""


class TableColumns(TransformerMixin, BaseEstimator):
    """Pick columns out of a table by name, numbers as numbers and the rest as words.

    The table may have more columns, in any order, such as those of the file that a
    model was trained on.

    Parameters
    ----------
    numbers : sequence of str
        Columns to read as float64. What stands for a missing value becomes NaN.
    words : sequence of str, default=()
        Columns to read as text, without the white space around it.
    """

    def __init__(self, numbers, words=()):
        self.numbers = numbers
        self.words = words

    def fit(self, X, y=None):
        """Check that X has the columns."""
        self._picked(X)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """The columns of X, numbers first.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns)

        Returns
        -------
        DataFrame of shape (n_samples, len(numbers) + len(words))

        Raises
        ------
        ValueError
            If X lacks a column, or one of numbers holds something else.
        """
        check_is_fitted(self)
        return self._picked(X)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns."""
        return np.array([*self.numbers, *self.words], object)

    def _picked(self, X):
        if not hasattr(X, "columns"):
            raise ValueError(
                f"X is {type(X).__name__} and must be a pandas DataFrame with the "
                "columns of the table"
            )
        X = X.rename(columns=lambda name: str(name).strip())
        lacking = [c for c in (*self.numbers, *self.words) if c not in X]
        if lacking:
            raise ValueError(f"X lacks the columns {listed(lacking)}")
        picked = X[[*self.numbers, *self.words]].copy()
        if picked.columns.has_duplicates:
            twice = picked.columns[picked.columns.duplicated()]
            raise ValueError(f"X has several columns {listed(twice)}")
        for name in self.numbers:
            picked[name] = as_numbers(picked[name])
        for name in self.words:
            picked[name] = as_words(picked[name])
        return picked


def as_numbers(column):
    """A column as float64, NaN where a value is missing."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column):
        # A column of truth values with gaps is text in pandas.
        column = as_words(column).replace({"True": "1", "False": "0"})
    try:
        numbers = pd.to_numeric(column)
        if numbers.dtype == object:  # whole numbers of hundreds of digits
            numbers = column.map(float, na_action="ignore")
    except ValueError as error:
        raise ValueError(
            f"column {column.name!r} holds something that is no number: {error}"
        ) from error
    return numbers.to_numpy(np.float64, na_value=np.nan)


def as_words(column):
    """A column as text, NaN where a value is missing."""
    import pandas as pd

    text = pd.Series([""]).dtype  # of all columns of text, whatever this one holds
    return pd.Series(words_of(column), column.index, text, column.name)


def words_of(column):
    """Texts of a column without the white space around them, NaN for a missing one."""
    words, known_words = [], {}
    for value, known in zip(column.to_numpy(object), column.notna(), strict=True):
        text = str(value) if known else ""
        if text not in known_words:
            word = text.strip()
            known_words[text] = np.nan if word.lower() in MISSING else word
        words.append(known_words[text])
    return words


def make_preparation(numbers, words):
    """Steps that make numbers without gaps of a table, as a pipeline; not fitted.

    Missing numbers become the column's median, words a feature each; a missing word is
    a word of its own, and one that `fit` has not seen is none of them (or a rare one).

    Parameters
    ----------
    numbers, words : sequence of str
        Names of the columns to take.

    Returns
    -------
    sklearn.pipeline.Pipeline
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=MOST_CATEGORIES,
        sparse_output=False,
    )
    features = ColumnTransformer(
        [
            (
                "numbers",
                SimpleImputer(strategy="median", keep_empty_features=True),
                list(numbers),
            ),
            ("words", encoder, list(words)),
        ],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    columns = TableColumns(list(numbers), list(words))
    return Pipeline([("columns", columns), ("features", features)])
