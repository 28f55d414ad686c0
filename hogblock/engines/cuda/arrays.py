"""Arrays on a CUDA device: CuPy's, or in Numba's simulator NumPy's."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from hogblock.engines.devices import Cuda, simulated


class Arrays:
    """Makes, copies and reads arrays of one device.

    Parameters
    ----------
    device : Cuda

    Attributes
    ----------
    xp : module
        Of the arrays: CuPy, or NumPy in the simulator.
    """

    def __init__(self, device: Cuda):
        self.device = device
        self.xp: Any
        if simulated():
            self.xp = np
        else:
            import cupy

            self.xp = cupy

    def current(self) -> AbstractContextManager:
        """``with arrays.current():`` CuPy, and Numba with it, work on this device."""
        if self.xp is np:
            return nullcontext()
        return self.xp.cuda.Device(self.device.index)

    def on_default_stream(self) -> AbstractContextManager:
        """CuPy works on the default stream: Numba does not follow another one."""
        return nullcontext() if self.xp is np else self.xp.cuda.Stream.null

    def synchronise(self) -> None:
        """Wait for everything on the device."""
        if self.xp is not np:
            with self.current():
                self.xp.cuda.runtime.deviceSynchronize()

    def zeros(self, shape, dtype):
        """New array of zeros on the device."""
        with self.current():
            return self.xp.zeros(shape, dtype)

    def to_device(self, host):
        """Copy of an array of the host on the device, in C order."""
        with self.current():
            return self.xp.array(host, order="C")

    def to_host(self, array) -> np.ndarray:
        """Copy of a device array on the host."""
        with self.current():
            array = self.wrap(array)
            return np.array(array) if self.xp is np else self.xp.asnumpy(array)

    def begin_copy(self, array):
        """Begin to copy an array of `xp` to the host, on the current stream.

        Returns
        -------
        callable
            Waits for the copy alone, and gives it.
        """
        if self.xp is np:
            copy = np.array(array)
            return lambda: copy
        from cupyx import empty_pinned

        with self.current():
            # A copy into other memory would wait for all of the stream.
            pinned = empty_pinned(array.shape, array.dtype)
            array.get(out=pinned, blocking=False)
            there = self.xp.cuda.Event()
            there.record()

        def copy_of():
            there.synchronize()
            return pinned.copy()

        return copy_of

    def wrap(self, array):
        """The same memory as an array of `xp`: no copy.

        Parameters
        ----------
        array : object
            Device array of any library, with ``__cuda_array_interface__`` or
            ``__dlpack__``.
        """
        if isinstance(array, self.xp.ndarray):
            return array
        with self.current():
            if not hasattr(array, "__cuda_array_interface__"):
                view = self.xp.from_dlpack(array)
            elif self.xp is np:
                view = np.asarray(_AsNumpy(array))
            else:
                view = self.xp.asarray(array)
        if self.xp is np:
            view = view.view(SimulatedArray)
            view.device_index = self.device.index
        return view


class SimulatedArray(np.ndarray):
    """Memory of the host that counts as a device's, and so do its parts."""

    device_index = 0

    def __array_finalize__(self, origin):
        self.device_index = getattr(origin, "device_index", 0)

    @property
    def __cuda_array_interface__(self):
        return self.__array_interface__

    def __dlpack_device__(self):
        return 2, self.device_index


class _AsNumpy:
    """A device array of the simulator as NumPy wants it: the same fields."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = array.__cuda_array_interface__
