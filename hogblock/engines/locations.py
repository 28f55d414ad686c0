"""Where arrays lie: on the host, or on a CUDA device, of any library.

No CUDA package is imported before an array lies on a device.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import numpy as np

from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.availability import check_available
from hogblock.engines.devices import Cuda, simulated

HOST = "the host"
DLPACK_CUDA = 2
"""Code of CUDA memory in ``__dlpack_device__``."""


class Elsewhere:
    """Base of what stands for samples that lie neither on the host nor on a device.

    A class of its own, and not attributes to be looked for: the columns of a frame are
    attributes too.

    Attributes
    ----------
    where : str
        They lie, in words.
    """

    where: ClassVar[str]


def is_device_array(x) -> bool:
    """Whether x lies in the memory of a CUDA device."""
    if hasattr(x, "__cuda_array_interface__"):
        return True
    return hasattr(x, "__dlpack_device__") and x.__dlpack_device__()[0] == DLPACK_CUDA


def index_of(x) -> int:
    """Number of the device on which a device array lies."""
    if hasattr(x, "__dlpack_device__"):
        return int(x.__dlpack_device__()[1])
    if simulated():
        return 0
    from cupy.cuda import runtime

    address = x.__cuda_array_interface__["data"][0]
    return int(runtime.pointerGetAttributes(address).device)


def device_of(x) -> Cuda:
    """The device on which a device array lies, with default options.

    Raises
    ------
    DeviceUnavailableError
        If it cannot be used.
    """
    check_available(())  # `index_of` may need CuPy
    device = Cuda(index_of(x))
    check_available((device.index,))
    return device


def location_of(x) -> str:
    """Where x lies, in words: "cuda:0", or `HOST`, or what `Elsewhere` says."""
    if not is_device_array(x):
        return x.where if isinstance(x, Elsewhere) else HOST
    try:
        return f"cuda:{index_of(x)}"
    except ImportError:  # only CuPy could tell
        return "a CUDA device"


def check_locations(X, location: str, **others) -> None:
    """Refuse others that lie neither on the host nor where the run reads them.

    Parameters
    ----------
    X : array-like
    location : str
        ``Engine.location`` of the run.
    others : array-like or None
        Further arguments of ``fit``, by name.
    """
    home, why = location_of(X), "X is"
    if home == HOST and location != HOST:
        home, why = location, "training is"
    for name, x in others.items():
        if is_device_array(x) and location_of(x) != home:
            raise ValueError(
                f"{name} is on {location_of(x)}, and {why} on {home}: all arrays of a "
                "fit must lie on one device, or on the host"
            )


# Reading them ---------------------------------------------------------------------


def _arrays_of(x) -> Arrays:
    """Of the device on which x lies, which can be used."""
    return Arrays(device_of(x))


def wrapped(x):
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
