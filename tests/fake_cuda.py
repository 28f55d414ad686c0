"""A CUDA device that is not there: its arrays, its engine and its driver."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np

import hogblock.engine
import hogblock.predict


class DeviceArray:
    """Stands for an array of CuPy: NumPy cannot read it, a device can."""

    def __init__(self, values, index=0):
        self.values = np.asarray(values)
        self.index = index

    @property
    def __cuda_array_interface__(self):
        return self.values.__array_interface__

    def __dlpack_device__(self):
        return 2, self.index

    def __array__(self, *_, **__):
        raise TypeError("a device array was read by the host")

    def __getattr__(self, name):
        if name in ("shape", "ndim", "dtype"):
            return getattr(self.values, name)
        raise AttributeError(name)

    def __len__(self):
        return len(self.values)


class FakeEngine:
    """Trains on the host in place of the devices, and notes what it was given."""

    def __init__(self):
        self.runs = []
        self.predicted = []
        self.teams = []

    def usable_workers(self, network, method, n_jobs, batches, device):
        self.teams.append(n_jobs)
        return 1

    def train(self, network, data, *rest, device=None, devices=None):
        assert data.x.dtype in (np.float32, np.uint8)
        self.runs.append((data, devices or device))
        return hogblock.engine.train(network, data, *rest)

    def outputs_of(self, network, params, x, inputs, device):
        self.predicted.append((x, device))
        return hogblock.predict.outputs_of(network, params, x, inputs)

    def install(self, monkeypatch):
        """Put this in the place of the modules that train and predict on devices."""
        parts = {
            "engine": ("train", "usable_workers"),
            "servers": ("train",),
            "predict": ("outputs_of",),
        }
        for module, names in parts.items():
            name = f"hogblock.cuda.{module}"
            fake = ModuleType(name)
            for each in names:
                setattr(fake, each, getattr(self, each))
            monkeypatch.setitem(sys.modules, name, fake)


class FakeDriver:
    """CuPy's CUDA runtime over cards of these names and compute capabilities."""

    def __init__(self, *cards, driver=13000, built=13020, error=None):
        self.cards, self.driver, self.built, self.error = cards, driver, built, error

    def driverGetVersion(self):
        return self.driver

    def runtimeGetVersion(self):
        return self.built

    def getDeviceCount(self):
        if self.error:
            raise RuntimeError(self.error)
        return len(self.cards)

    def deviceGetAttribute(self, code, index):
        return self.cards[index][1][code - 75]

    def getDeviceProperties(self, index):
        return {"name": self.cards[index][0].encode()}

    def install(self, monkeypatch):
        """Put this in the place of CuPy, with numba-cuda there and no simulator."""
        monkeypatch.setattr("hogblock.cuda.availability.simulated", lambda: False)
        monkeypatch.setattr(
            "hogblock.cuda.availability.find_spec", lambda name: SimpleNamespace()
        )
        cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=self))
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        return self
