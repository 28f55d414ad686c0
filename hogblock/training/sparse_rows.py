"""Sparse X: the values of its rows that are not zero, as the kernels read them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

AT_ONCE = 2**18
"""Values that are worked on at once."""


class SparseRows:
    """Rows of features in CSR form, behaving as far as estimators ask as an array.

    Parameters
    ----------
    values : ndarray of shape (n_values,), float32 or float64
    columns : ndarray of shape (n_values,), int32
    starts : ndarray of shape (n_rows + 1,), int64
        First value of each row, and the end of the last one.
    n_features : int
    """

    def __init__(
        self, values: np.ndarray, columns: np.ndarray, starts: np.ndarray,
        n_features: int,
    ):  # fmt: skip
        self.values, self.columns, self.starts = values, columns, starts
        self.shape = len(starts) - 1, n_features

    @classmethod
    def of(cls, matrix) -> "SparseRows":
        """Of a CSR matrix or array of SciPy, whose memory is shared where it can be.

        Raises
        ------
        ValueError
            If it has more columns than int32 can number.
        """
        if matrix.shape[1] > np.iinfo(np.int32).max:
            raise ValueError(
                f"X is sparse and has {matrix.shape[1]} columns; allowed are up to "
                f"{np.iinfo(np.int32).max}"
            )
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        return cls(
            matrix.data,
            matrix.indices.astype(np.int32, copy=False),
            matrix.indptr.astype(np.int64),
            matrix.shape[1],
        )

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return self.values.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> "SparseRows":
        """Some of the rows: a slice, or an array of their numbers."""
        return SparseRows.of(self.matrix[rows])

    @property
    def matrix(self) -> Any:
        """As a matrix of SciPy."""
        from scipy.sparse import csr_matrix

        return csr_matrix(
            (self.values, self.columns, self.starts), shape=self.shape, copy=False
        )

    def toarray(self) -> np.ndarray:
        """The rows with their zeros."""
        return self.matrix.toarray()

    def most_values(self, rows: int) -> int:
        """That so many rows have at most."""
        counts = np.diff(self.starts)
        largest = np.partition(counts, -rows)[-rows:] if rows < len(counts) else counts
        return int(largest.sum())

    def pieces(
        self, weights: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Columns, values and weights (float64) of all values, some at a time.

        weights : of the rows, or empty: all are 1.
        """
        rows = max(1, AT_ONCE * len(self) // max(1, len(self.values)))
        for start in range(0, len(self), rows):
            starts = self.starts[start : start + rows + 1]
            part = slice(starts[0], starts[-1])
            counted = np.ones(starts[-1] - starts[0])
            if weights.size:
                counted *= np.repeat(weights[start : start + rows], np.diff(starts))
            yield self.columns[part], self.values[part].astype(np.float64), counted

    # As workers read them ----------------------------------------------------------

    @property
    def specification(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shapes and types of the arrays of a copy, by name."""
        return {
            "x": (self.values.shape, "f4"),
            "columns": (self.columns.shape, "i4"),
            "starts": (self.starts.shape, "i8"),
        }

    def copy_into(self, arrays: dict[str, np.ndarray], scale: np.ndarray) -> None:
        """Fill the arrays of a copy, with values times the scale of their column."""
        arrays["columns"][:], arrays["starts"][:] = self.columns, self.starts
        self._scale_into(arrays["x"], scale)

    def arrays(self, scale: np.ndarray) -> dict[str, np.ndarray]:
        """The same arrays in this process, shared with X but for scaled values.

        scale : of each column, or empty.
        """
        values = self.values
        if scale.size or values.dtype != np.float32:
            values = np.empty(values.shape, np.float32)
            self._scale_into(values, scale)
        return {"x": values, "columns": self.columns, "starts": self.starts}

    def _scale_into(self, target: np.ndarray, scale: np.ndarray) -> None:
        """Nothing is moved: zeros stay zeros."""
        if not scale.size:
            target[:] = self.values
            return
        for start in range(0, len(target), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            target[part] = self.values[part] * scale[self.columns[part]]
