"""A CUDA device that is not there: its arrays and its driver; its engine, watched."""

import sys
from types import SimpleNamespace

import numpy as np


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


class Engines:
    """The engines of simulated devices, and what they were given.

    Attributes
    ----------
    runs : list of (TrainingData, Cuda or tuple of Cuda)
    predicted : list of (X, Cuda)
    teams : list of int or None
        ``n_jobs`` of the runs.
    """

    def __init__(self):
        self.runs, self.predicted, self.teams = [], [], []

    def install(self, monkeypatch):
        """Watch the engines; blocks of few threads, which are faster."""
        from hogblock.engines.cuda import engine, predict, servers, training

        monkeypatch.setattr("hogblock.engines.cuda.memory.SIMULATED_THREADS", 2)
        train, usable, outputs_of = (
            training.train,
            engine.usable_workers,
            predict.outputs_of,
        )
        serve = servers.train

        def watched_train(network, data, *rest, device):
            self.runs.append((data, device))
            return train(network, data, *rest, device=device)

        def watched_serve(network, data, *rest, devices):
            self.runs.append((data, devices))
            return serve(network, data, *rest, devices=devices)

        def watched_workers(network, method, n_jobs, *rest):
            self.teams.append(n_jobs)
            return usable(network, method, n_jobs, *rest)

        def watched_outputs(network, params, x, inputs, device):
            self.predicted.append((x, device))
            return outputs_of(network, params, x, inputs, device)

        monkeypatch.setattr(training, "train", watched_train)
        monkeypatch.setattr(engine, "usable_workers", watched_workers)
        monkeypatch.setattr(servers, "train", watched_serve)
        monkeypatch.setattr(predict, "outputs_of", watched_outputs)
        return self


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
        monkeypatch.setattr(
            "hogblock.engines.cuda.availability.simulated", lambda: False
        )
        monkeypatch.setattr(
            "hogblock.engines.cuda.availability.find_spec",
            lambda name: SimpleNamespace(),
        )
        cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=self))
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        return self
