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
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what `__getattr__` brings; "as" says that it is public
    from hogblock import asynchrony as asynchrony
    from hogblock import datasets as datasets
    from hogblock import distributed as distributed
    from hogblock import errors as errors
    from hogblock import methods as methods
    from hogblock import models as models
    from hogblock import report as report
    from hogblock import schedules as schedules
    from hogblock.augmentation import Augmentation as Augmentation
    from hogblock.engines.devices import Cuda as Cuda
    from hogblock.errors import DeviceMemoryError as DeviceMemoryError
    from hogblock.errors import DeviceUnavailableError as DeviceUnavailableError
    from hogblock.errors import SharedMemoryError as SharedMemoryError
    from hogblock.errors import WorkerError as WorkerError
    from hogblock.estimators.cnn import CNNClassifier as CNNClassifier
    from hogblock.estimators.cnn import CNNRegressor as CNNRegressor
    from hogblock.estimators.mlp import MLPClassifier as MLPClassifier
    from hogblock.estimators.mlp import MLPRegressor as MLPRegressor
    from hogblock.estimators.network import NetworkClassifier as NetworkClassifier
    from hogblock.estimators.network import NetworkRegressor as NetworkRegressor
    from hogblock.saving.model import load_model as load_model
    from hogblock.saving.model import save_model as save_model

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
    "load_model": "hogblock.saving.model",
    "save_model": "hogblock.saving.model",
}
_MODULES = (
    "asynchrony",
    "datasets",
    "distributed",
    "errors",
    "methods",
    "models",
    "report",
    "schedules",
)

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
