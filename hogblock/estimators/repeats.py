"""Full-batch problems in a normal form."""

import numpy as np

from hogblock.training.sparse_rows import SparseRows


def merge_repeats(X, y, weights):
    """Sort the samples of a full-batch problem, and merge equal ones into one weight.

    The objective stays the same, and a fit becomes the same to the last bit whether a
    sample is repeated or weighted, and in whatever order samples come.
    """
    codes = np.unique(y, axis=0, return_inverse=True)[1].reshape(-1, 1)
    groups = _groups_of_sparse if isinstance(X, SparseRows) else _groups
    first, group = groups(X, codes)
    counted = weights if weights.size else np.ones(len(X), np.float32)
    merged = np.bincount(group, counted).astype(np.float32)
    first, merged = first[merged > 0], merged[merged > 0]
    return X[first], y[first], merged


def _groups(X: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First of each group of equal samples, in order; each sample's group."""
    rows = np.hstack([X.astype(np.float64), codes])
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, group.ravel()


def _groups_of_sparse(X: SparseRows, codes) -> tuple[np.ndarray, np.ndarray]:
    """The same of sparse rows, which are compared without their zeros."""
    values = X.values.astype(np.float64)
    spans = [slice(*X.starts[i : i + 2]) for i in range(len(X))]
    keys = [
        (X.columns[span].tobytes(), values[span].tobytes(), int(code))
        for span, code in zip(spans, codes[:, 0], strict=True)
    ]
    numbers = {key: k for k, key in enumerate(sorted(set(keys)))}
    group = np.array([numbers[key] for key in keys])
    return np.unique(group, return_index=True)[1], group
