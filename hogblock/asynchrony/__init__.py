"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what `__getattr__` brings; "as" says that it is public
    from hogblock.asynchrony.problems import Problem as Problem
    from hogblock.asynchrony.problems import Quadratic as Quadratic
    from hogblock.asynchrony.result import Simulation as Simulation
    from hogblock.asynchrony.simulation import simulate as simulate
    from hogblock.asynchrony.stability import stability_limit as stability_limit
    from hogblock.scheduling.adversarial import Adversarial as Adversarial
    from hogblock.scheduling.base import Events as Events
    from hogblock.scheduling.base import Scheduler as Scheduler
    from hogblock.scheduling.event_driven import EventDriven as EventDriven
    from hogblock.scheduling.law import Law as Law
    from hogblock.scheduling.laws import AgeLaw as AgeLaw
    from hogblock.scheduling.laws import Geometric as Geometric
    from hogblock.scheduling.laws import Uniform as Uniform

_HOME = {
    "Adversarial": "hogblock.scheduling.adversarial",
    "AgeLaw": "hogblock.scheduling.laws",
    "EventDriven": "hogblock.scheduling.event_driven",
    "Events": "hogblock.scheduling.base",
    "Geometric": "hogblock.scheduling.laws",
    "Law": "hogblock.scheduling.law",
    "Problem": "hogblock.asynchrony.problems",
    "Quadratic": "hogblock.asynchrony.problems",
    "Scheduler": "hogblock.scheduling.base",
    "Simulation": "hogblock.asynchrony.result",
    "Uniform": "hogblock.scheduling.laws",
    "simulate": "hogblock.asynchrony.simulation",
    "stability_limit": "hogblock.asynchrony.stability",
}

__all__ = [*_HOME]


def __getattr__(name):
    # On demand: estimators and workers have no use for most of it.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
