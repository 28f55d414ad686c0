"""An engine that runs one worker of several, beside nobody: what its steps cost.

``device="alone:R"`` is the worker of rank R among `WORKERS`, with its own plans and
turns; it does the minibatches of all of them.
"""

from dataclasses import dataclass, replace

from benchmarks.headline.sides import WORKERS
from hogblock.engines.cpu.engine import CpuEngine, usable_workers
from hogblock.engines.cpu.memory import private_arrays
from hogblock.engines.cpu.pack import shared_specification, tasks_of
from hogblock.engines.cpu.training import prepared, samples_of, train_here
from hogblock.engines.registry import ENGINES
from hogblock.kernels.cpu.warmup import warm_up
from hogblock.training.run_plan import make_run_plan

PREFIX = "alone"


@dataclass(frozen=True)
class Alone(CpuEngine):
    """One worker of `WORKERS` asynchronous ones, in this process.

    Attributes
    ----------
    rank : int
    """

    rank: int = 0

    @classmethod
    def named(cls, device):
        return cls(int(device.partition(":")[2]))

    @property
    def name(self):
        return f"{PREFIX}:{self.rank}"

    def usable_workers(self, network, method, n_jobs, batches):
        return usable_workers(network, method, WORKERS)

    def train(self, network, data, settings, params, on_epoch, velocity, progress):
        warm_up(images=len(network.input_shape) == 3)
        data = replace(data, x=data.scaling.storable(data.x))
        run_plan = make_run_plan(network, data, settings)
        own = private_arrays(shared_specification(run_plan)) | samples_of(data)
        run = prepared(run_plan, own, on_epoch, params, velocity)
        return train_here(run, tasks_of(run_plan)[self.rank], progress)


ENGINES[PREFIX] = f"{__name__}:Alone"
