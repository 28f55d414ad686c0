"""Which engine trains and predicts: found by the prefix of ``device``."""

from importlib import import_module

import numpy as np

from hogblock.engines.base import Engine
from hogblock.engines.cuda.availability import has_card
from hogblock.engines.locations import is_device_array, location_of
from hogblock.methods import Method
from hogblock.models.network import Network
from hogblock.training.scaling import Scaling

ENGINES: dict[str, str] = {
    "cpu": "hogblock.engines.cpu.engine:CpuEngine",
    "cuda": "hogblock.engines.cuda.engine:CudaEngine",
    "ray": "hogblock.distributed.engine:RayEngine",
}
"""Prefix of a device's name -> module and name of its engine, imported when wanted."""

BUILT_IN = tuple(ENGINES)
ALLOWED = (
    "'cpu', 'auto', 'ray', hogblock.distributed.Ray(...), 'cuda', 'cuda:N', "
    "hogblock.Cuda(...), or a list of the last 3"
)


def engine_for(device, method: Method | None, X) -> Engine:
    """The engine that `device` asks for; nothing is started.

    Parameters
    ----------
    device : str, object or sequence of these
        A name or an object of options whose engine is in `ENGINES`, or "auto": the
        device of X if that is a device array, else the first CUDA device if it can be
        used, is not simulated, and the method runs there, else the host.
    method : Method or None
        None takes the engine's own.
    X : array-like

    Raises
    ------
    ValueError
        If `device` is unknown, X lies elsewhere, or the method does not run there.
    DeviceUnavailableError
        If it cannot be used.
    """
    engine = _automatic(method, X) if device == "auto" else _named(device)
    advice = engine.refusal_of(X)
    if advice:
        raise ValueError(f"X is on {location_of(X)}, and device={device!r}: {advice}")
    reason = method and engine.supports(method)
    if reason:
        raise ValueError(reason)
    return engine


def outputs_of(
    network: Network, params: np.ndarray, X, inputs: Scaling, device, threads: int = 1
) -> np.ndarray:
    """Raw outputs on the host, computed where X lies.

    Parameters
    ----------
    network, params, X, inputs, threads
        As for ``Engine.outputs``; X may be an array of CuPy.
    device : str, object or sequence of these
        Of the estimator: options of the device of X, if they are there.
    """
    on_device = is_device_array(X)
    engine = _engine("cuda").holding(X, device) if on_device else _engine("cpu")()
    return engine.outputs(network, params, X, inputs, threads)


def _engine(prefix: str):
    module, _, name = ENGINES[prefix].partition(":")
    return getattr(import_module(module), name)


def _named(device) -> Engine:
    """The engine of a device that is named, and can be used."""
    prefix = _prefix(device)
    engine = _engine(prefix).named(device) if prefix in ENGINES else None
    if engine is None:
        others = [f"{p!r}" for p in ENGINES if p not in BUILT_IN]
        allowed = "; or a device of ".join([ALLOWED, *others])
        raise ValueError(f"device={device!r} is unknown; allowed are {allowed}")
    return engine


def _prefix(device) -> str | None:
    """Of a device's name or options, or of the first of several."""
    if isinstance(device, (list, tuple)):
        device = device[0] if device else None
    if isinstance(device, str):
        return device.partition(":")[0]
    return getattr(device, "prefix", None)


def _automatic(method: Method | None, X) -> Engine:
    """The engine of ``device="auto"``."""
    if is_device_array(X):
        return _engine("cuda").holding(X)
    if has_card():
        engine = _engine("cuda").named("cuda")
        if method is None or engine.runs(method):
            return engine
    return _engine("cpu")()
