"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what `__getattr__` brings; "as" says that it is public
    from hogblock.asynchrony.problems import AbsoluteValue as AbsoluteValue
    from hogblock.asynchrony.problems import Kink as Kink
    from hogblock.asynchrony.problems import L1Norm as L1Norm
    from hogblock.asynchrony.problems import MaxAffine as MaxAffine
    from hogblock.asynchrony.problems import NetworkProblem as NetworkProblem
    from hogblock.asynchrony.problems import PhaseRetrieval as PhaseRetrieval
    from hogblock.asynchrony.problems import Problem as Problem
    from hogblock.asynchrony.problems import Quadratic as Quadratic
    from hogblock.asynchrony.subdifferential import Stationarity as Stationarity
    from hogblock.asynchrony.subdifferential import stationarity as stationarity

_HOME = {
    "AbsoluteValue": "hogblock.asynchrony.problems",
    "Kink": "hogblock.asynchrony.problems",
    "L1Norm": "hogblock.asynchrony.problems",
    "MaxAffine": "hogblock.asynchrony.problems",
    "NetworkProblem": "hogblock.asynchrony.problems",
    "PhaseRetrieval": "hogblock.asynchrony.problems",
    "Problem": "hogblock.asynchrony.problems",
    "Quadratic": "hogblock.asynchrony.problems",
    "Stationarity": "hogblock.asynchrony.subdifferential",
    "stationarity": "hogblock.asynchrony.subdifferential",
}

__all__ = [*_HOME]


def __getattr__(name):
    # On demand: estimators and workers have no use for most of it.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
