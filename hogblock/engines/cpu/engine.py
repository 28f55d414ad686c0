"""The engine of the host's processor: workers are processes over shared memory."""

from dataclasses import dataclass, replace

from hogblock.engines.base import Engine
from hogblock.engines.cpu.jobs import count_jobs, is_daemon
from hogblock.engines.cpu.training import train
from hogblock.kernels.warn import warn
from hogblock.methods import Method
from hogblock.models.network import Network

MINIBATCHES_A_WORKER = 4
"""A worker with fewer minibatches an epoch is not worth starting."""


@dataclass(frozen=True)
class CpuEngine(Engine):
    """Trains and predicts on the host."""

    default_method = "thinned"
    follows_schedules = True
    keeps_states = True
    shows_runs = True
    clips = True
    takes_sparse = True

    @classmethod
    def named(cls, device):
        return cls() if device == "cpu" else None

    @property
    def name(self):
        return "cpu"

    def usable_workers(self, network, method, n_jobs, batches):
        most = 1 if method.one_worker else max(1, batches // MINIBATCHES_A_WORKER)
        if most > 1 and n_jobs not in (None, 1) and is_daemon():
            warn(
                f"n_jobs={n_jobs} is taken as 1: this is a daemonic process, which may "
                "not start processes",
                RuntimeWarning,
            )
        return usable_workers(network, method, min(most, count_jobs(n_jobs)))

    def train(
        self, network, data, settings, params, on_epoch, velocity, progress,
        state=None, beside=None,
    ):  # fmt: skip
        if not data.sparse:
            data = replace(data, x=data.scaling.storable(data.x))
        return train(
            network, data, settings, params, on_epoch, velocity, progress, state, beside
        )


def usable_workers(network: Network, method: Method, wanted: int) -> int:
    """Workers that a run can use: at most one per row of parameters."""
    if method.one_worker or wanted == 1:
        return 1
    rows = sum(t.rows for t in network.tensors)
    return max(1, min(wanted, rows // method.blocks_per_worker))
