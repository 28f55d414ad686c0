"""Full-batch problems in a normal form."""

import numpy as np


def merge_repeats(X, y, weights):
    """Sort the samples of a full-batch problem, and merge equal ones into one weight.

    The objective stays the same, and a fit becomes the same to the last bit whether a
    sample is repeated or weighted, and in whatever order samples come.
    """
    codes = np.unique(y, axis=0, return_inverse=True)[1].reshape(-1, 1)
    rows = np.hstack([X.astype(np.float64), codes])
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    counted = weights if weights.size else np.ones(len(X), np.float32)
    merged = np.bincount(group.ravel(), counted).astype(np.float32)
    first, merged = first[merged > 0], merged[merged > 0]
    return X[first], y[first], merged
