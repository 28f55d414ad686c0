"""Arrays where they lie: on the host, or on a CUDA device, of any library."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np

from hogblock.engines.devices import Cuda, device_of, is_device_array, place_of


def _arrays_of(x):
    """The `Arrays` of the device on which x lies, which can be used."""
    from hogblock.engines.cuda.arrays import Arrays

    return Arrays(device_of(x))


def opened(x):
    """x as an array of CuPy if it lies on a device, without a copy; else as it is."""
    return _arrays_of(x).wrap(x) if is_device_array(x) else x


def on_host(x):
    """A NumPy copy of x if it lies on a device; else as it is."""
    return _arrays_of(x).to_host(x) if is_device_array(x) else x


def put_like(x, values: np.ndarray) -> np.ndarray:
    """`values` of the host, on the device of x if that is a device array.

    Text stays on the host: no device holds it.
    """
    if not is_device_array(x) or values.dtype.kind not in "biuf":
        return values
    return _arrays_of(x).to_device(values)


def current(*arrays) -> AbstractContextManager:
    """Selects the device on which the device arrays among these lie."""
    found = next(filter(is_device_array, arrays), None)
    return nullcontext() if found is None else _arrays_of(found).current()


def check_places(X, devices: tuple[Cuda, ...], **others) -> None:
    """Refuse others that lie neither on the host nor where the run reads them.

    Parameters
    ----------
    X : array-like
    devices : tuple of Cuda
        Those of the run.
    others : array-like or None
        Further arguments of ``fit``, by name.
    """
    home, why = place_of(X), "X is"
    if devices and not is_device_array(X):
        home, why = devices[0].name, "training is"
    for name, x in others.items():
        if is_device_array(x) and place_of(x) != home:
            raise ValueError(
                f"{name} is on {place_of(x)}, and {why} on {home}: all arrays of a fit "
                "must lie on one device, or on the host"
            )
