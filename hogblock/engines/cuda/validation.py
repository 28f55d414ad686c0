"""Validation of device arrays, in scikit-learn's words and without a copy to the host.

scikit-learn cannot read them. It checks the shape and the targets on an array of the
host that has the same shape and takes no memory.
"""

import numpy as np
from sklearn.utils.validation import validate_data

from hogblock.engines.locations import on_host

TYPES = (np.float32, np.float64, np.uint8)
VALUES_AT_ONCE = 1 << 24


def check_device_array(estimator, X, *y, **options):
    """Contiguous float32 or uint8 X, and y if it is given.

    float64 becomes float32, and other orders C order, in a copy on the device.

    Parameters
    ----------
    estimator : estimator
        Its number of features is set or compared.
    X : array of CuPy
    y : ndarray
    options
        Of ``validate_data``.
    """
    if X.dtype not in TYPES:
        raise ValueError(
            f"X on a CUDA device has type {X.dtype}; allowed are float32, uint8, and "
            "float64, which is copied to float32"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # found next
        X = X.astype(_stored(X.dtype), order="C", copy=False)
        _check_finite(X)
    checked = validate_data(
        estimator, _stand_in(X), *y, ensure_all_finite=False, **options
    )
    return (X, checked[1]) if y else X


def _stored(dtype):
    return dtype if dtype == np.uint8 else np.dtype(np.float32)


def _stand_in(X) -> np.ndarray:
    """An array of the host for the checks of its shape."""
    if X.ndim < 2:  # refused, and the error shows what is in it
        return on_host(X)
    return np.broadcast_to(np.float32(0), X.shape)


def _check_finite(X) -> None:
    if X.dtype == np.uint8 or np.isfinite(float(X.sum(dtype=np.float64))):
        return
    values = X.reshape(-1)
    for start in range(0, values.size, VALUES_AT_ONCE):
        part = values[start : start + VALUES_AT_ONCE]
        if bool((part != part).any()):
            raise ValueError("Input X contains NaN.")
    raise ValueError(
        f"Input X contains infinity or a value too large for {np.dtype(np.float32)!r}."
    )
