"""Which engine trains and predicts: that of the host, or of CUDA devices."""

from dataclasses import dataclass, replace

import joblib
import numpy as np

from hogblock.engines.cpu import engine, predict
from hogblock.engines.devices import (
    Cuda,
    device_of,
    is_device_array,
    named_devices,
    resolve,
)
from hogblock.engines.locations import on_host
from hogblock.methods import Method
from hogblock.models.network import Network
from hogblock.training.scaling import Scaling
from hogblock.training.settings import Result, Settings, TrainingData

MINIBATCHES_A_WORKER = 4
"""A worker of the host with fewer minibatches an epoch is not worth starting."""

ON_ONE = ("sgd", "sync", "hogwild", "passm", "passm+")
ON_SEVERAL = ("passm", "passm+")
"""Methods of one CUDA device, and of several: there each has parameters of its own."""


@dataclass(frozen=True)
class Engine:
    """What trains a model.

    Attributes
    ----------
    devices : tuple of Cuda
        None: the host's processor.
    """

    devices: tuple[Cuda, ...]

    @property
    def name(self) -> str | list[str]:
        """As in ``device_`` of an estimator."""
        names = [d.name for d in self.devices]
        return names if len(names) > 1 else names[0] if names else "cpu"

    def usable_workers(
        self, network: Network, method: Method, n_jobs: int | None, batches: int
    ) -> int:
        """Workers of a run with `batches` minibatches an epoch; by device."""
        if not self.devices:
            wanted = joblib.effective_n_jobs(n_jobs)
            wanted = max(1, min(wanted, batches // MINIBATCHES_A_WORKER))
            return engine.usable_workers(network, method, wanted)
        from hogblock.engines.cuda.engine import usable_workers

        return usable_workers(network, method, _teams(n_jobs), batches)

    def workers_of(self, settings: Settings) -> int:
        """Workers of a run on all devices together."""
        return settings.workers * max(1, len(self.devices))

    def train(self, network: Network, data: TrainingData, *rest) -> Result:
        """``engine.train``, or what stands for it on the devices."""
        if not is_device_array(data.x):
            scaling = Scaling(data.shift, data.scale)
            data = replace(data, x=scaling.storable(data.x))
        if not self.devices:
            return engine.train(network, data, *rest)
        data = _in_singles(data)
        if len(self.devices) > 1:
            from hogblock.engines.cuda.servers import train

            return train(network, data, *rest, devices=self.devices)
        from hogblock.engines.cuda.engine import train

        return train(network, data, *rest, device=self.devices[0])


def engine_for(device, method: Method, X) -> Engine:
    """The engine that `device` asks for; nothing is started.

    Raises
    ------
    ValueError
        If `device` is unknown, X lies elsewhere, or the method does not run there.
    DeviceUnavailableError
        If it cannot be used.
    """
    chosen = Engine(resolve(device, X))
    allowed = ON_SEVERAL if len(chosen.devices) > 1 else ON_ONE
    if not chosen.devices or method.name in allowed:
        return chosen
    if device == "auto" and not is_device_array(X):
        return Engine(())
    raise ValueError(
        f"method={method.name!r} does not run on {chosen.name}; allowed there are "
        f"{', '.join(map(repr, allowed))}"
    )


def outputs_of(
    network: Network, params: np.ndarray, X, inputs: Scaling, device, threads: int = 1
) -> np.ndarray:
    """Raw outputs on the host, computed where X lies.

    Parameters
    ----------
    network, params, X, inputs, threads
        As for ``predict.outputs_of``; X may be an array of CuPy.
    device : str, Cuda or sequence of these
        Of the estimator: options of the device of X, if they are there.
    """
    if not is_device_array(X):
        return predict.outputs_of(network, params, X, inputs, threads)
    from hogblock.engines.cuda.predict import outputs_of

    here = device_of(X)
    known = {d.index: d for d in named_devices(device)}
    where = known.get(here.index, here)
    return on_host(outputs_of(network, params, X, inputs, where))


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
    """float64 X of the host as float32, scaled on the way; other X as it is.

    A float32 would lose what is small beside its mean.
    """
    if data.x.dtype != np.float64:
        return data
    rows = np.empty(data.x.shape, np.float32)
    engine.copy_rows(data, rows, data.shift.size > 0)
    return replace(data, x=rows, **Scaling.none()._asdict())
