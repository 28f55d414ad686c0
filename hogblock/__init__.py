"""Asynchronous, block-partitioned training of small neural networks.

Estimators with scikit-learn's ``fit`` and ``predict``; worker processes, or thread
blocks of a CUDA device, update one shared, partitioned parameter vector without locks
(arXiv 1905.11845).

Public is what `__all__` lists here, and in the modules that it names. A public class
says so itself: its ``__module__`` is the public one, which pickles, documents and
``repr`` go by. Every deeper path, such as ``hogblock.estimators.mlp``, is private and
may change at any time; so are names with an underscore, and ``hogblock.kernels``.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "Augmentation": "hogblock.augmentation",
    "CNNClassifier": "hogblock.estimators.cnn",
    "CNNRegressor": "hogblock.estimators.cnn",
    "Cuda": "hogblock.engines.devices",
    "DeviceMemoryError": "hogblock.errors",
    "DeviceUnavailableError": "hogblock.errors",
    "MLPClassifier": "hogblock.estimators.mlp",
    "MLPRegressor": "hogblock.estimators.mlp",
    "NetworkClassifier": "hogblock.estimators.network",
    "NetworkRegressor": "hogblock.estimators.network",
    "SharedMemoryError": "hogblock.errors",
    "WorkerError": "hogblock.errors",
}
_MODULES = ("datasets", "errors", "methods", "models", "report", "schedules")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name):
    # On demand: a worker process has no use for scikit-learn.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"hogblock.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
