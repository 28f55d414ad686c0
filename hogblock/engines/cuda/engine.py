"""The engine of CUDA devices: workers are teams of thread blocks.

What needs a CUDA package is imported where it is used: nobody loads one before a
device is wanted.
"""

from dataclasses import dataclass, replace

import numpy as np

from hogblock.engines.base import Engine
from hogblock.engines.cuda.availability import check_available
from hogblock.engines.devices import Cuda, cuda_devices
from hogblock.engines.locations import (
    device_of,
    index_of,
    is_device_array,
    location_of,
    on_host,
)
from hogblock.methods import Method
from hogblock.models.network import Network
from hogblock.training.settings import TrainingData

TEAMS = 8
"""Workers by default: staleness grows with their number, barriers with their size."""

MINIBATCHES_A_TEAM = 4


@dataclass(frozen=True)
class CudaEngine(Engine):
    """Trains on one device, or on several as concurrent parameter servers.

    Attributes
    ----------
    devices : tuple of Cuda
        At least one.
    """

    devices: tuple[Cuda, ...]

    default_method = "passm+"  # thinning saves a card no time

    @property
    def shows_runs(self):
        """One device has one vector of parameters; servers have one each."""
        return len(self.devices) == 1

    @classmethod
    def named(cls, device):
        found = cuda_devices(device)
        if not found:
            return None
        check_available(d.index for d in found)
        return cls(found)

    @classmethod
    def holding(cls, X, device="auto") -> "CudaEngine":
        """The engine of the device on which a device array lies.

        device : str, object or sequence of these
            Of an estimator: its options of that device, if they are there.
        """
        here = device_of(X)
        known = {d.index: d for d in cuda_devices(device)}
        return cls((known.get(here.index, here),))

    @property
    def name(self):
        names = [d.name for d in self.devices]
        return names if len(names) > 1 else names[0]

    @property
    def location(self):
        return self.devices[0].name

    def refusal_of(self, X):
        if is_device_array(X) and index_of(X) not in {d.index for d in self.devices}:
            return f"pass device={location_of(X)!r}, or copy X"
        return None

    def runs(self, method):
        """Several devices have parameters of their own each: they own blocks."""
        return not method.locks and (len(self.devices) == 1 or method.owns_blocks)

    def usable_workers(self, network, method, n_jobs, batches):
        return usable_workers(network, method, _teams(n_jobs), batches)

    def workers_of(self, settings):
        return settings.workers * len(self.devices)

    def train(
        self, network, data, settings, params, on_epoch, velocity, progress,
        state=None, beside=None,
    ):  # fmt: skip
        run = network, _in_singles(data), settings, params, on_epoch, velocity, progress
        if len(self.devices) > 1:
            from hogblock.engines.cuda import servers

            return servers.train(*run, devices=self.devices)
        from hogblock.engines.cuda import training

        return training.train(*run, beside, device=self.devices[0])

    def outputs(self, network, params, X, inputs, threads=1):
        from hogblock.engines.cuda import predict

        return on_host(predict.outputs_of(network, params, X, inputs, self.devices[0]))


def usable_workers(
    network: Network, method: Method, n_jobs: int | None, batches: int
) -> int:
    """Teams that a run can use.

    Parameters
    ----------
    network, method
    n_jobs : int or None
        None lets the engine choose.
    batches : int
        Minibatches of an epoch.
    """
    if method.one_worker or method.together:  # one team shares the minibatch
        return 1
    wanted = n_jobs
    if wanted is None:
        wanted = max(1, min(TEAMS, batches // MINIBATCHES_A_TEAM))
    rows = sum(t.rows for t in network.tensors)
    return max(1, min(wanted, rows // method.blocks_per_worker, batches))


def _teams(n_jobs: int | None) -> int | None:
    """`n_jobs` of a CUDA device, where None lets the engine choose."""
    if n_jobs in (None, -1):
        return None
    if n_jobs < 1:
        raise ValueError(
            f"n_jobs={n_jobs} must be None, -1 or above 0 on a CUDA device"
        )
    return n_jobs


def _in_singles(data: TrainingData) -> TrainingData:
    """float64 X of the host as float32, scaled on the way; other X as it is."""
    if is_device_array(data.x):
        return data
    data = replace(data, x=data.scaling.storable(data.x))
    if data.x.dtype != np.float64:
        return data
    return data.copied(np.empty(data.x.shape, np.float32))
