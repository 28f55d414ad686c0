"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what `__getattr__` brings; "as" says that it is public
    from hogblock.asynchrony.assumptions import Assumption as Assumption
    from hogblock.asynchrony.assumptions import Assumptions as Assumptions
    from hogblock.asynchrony.assumptions import check_assumptions as check_assumptions
    from hogblock.asynchrony.machines import Compute as Compute
    from hogblock.asynchrony.machines import Link as Link
    from hogblock.asynchrony.node_result import NodeSimulation as NodeSimulation
    from hogblock.asynchrony.nodes import simulate_nodes as simulate_nodes
    from hogblock.asynchrony.problems import AbsoluteValue as AbsoluteValue
    from hogblock.asynchrony.problems import Kink as Kink
    from hogblock.asynchrony.problems import L1Norm as L1Norm
    from hogblock.asynchrony.problems import MaxAffine as MaxAffine
    from hogblock.asynchrony.problems import NetworkProblem as NetworkProblem
    from hogblock.asynchrony.problems import PhaseRetrieval as PhaseRetrieval
    from hogblock.asynchrony.problems import Problem as Problem
    from hogblock.asynchrony.problems import Quadratic as Quadratic
    from hogblock.asynchrony.result import Simulation as Simulation
    from hogblock.asynchrony.simulation import simulate as simulate
    from hogblock.asynchrony.stability import stability_limit as stability_limit
    from hogblock.asynchrony.subdifferential import Stationarity as Stationarity
    from hogblock.asynchrony.subdifferential import stationarity as stationarity
    from hogblock.scheduling.adversarial import Adversarial as Adversarial
    from hogblock.scheduling.base import Events as Events
    from hogblock.scheduling.base import Scheduler as Scheduler
    from hogblock.scheduling.event_driven import EventDriven as EventDriven
    from hogblock.scheduling.law import Law as Law
    from hogblock.scheduling.laws import AgeLaw as AgeLaw
    from hogblock.scheduling.laws import Geometric as Geometric
    from hogblock.scheduling.laws import Uniform as Uniform
    from hogblock.scheduling.log import EventLog as EventLog
    from hogblock.scheduling.log import Recording as Recording
    from hogblock.scheduling.replay import Replay as Replay

_HOME = {
    "AbsoluteValue": "hogblock.asynchrony.problems",
    "Adversarial": "hogblock.scheduling.adversarial",
    "AgeLaw": "hogblock.scheduling.laws",
    "Assumption": "hogblock.asynchrony.assumptions",
    "Assumptions": "hogblock.asynchrony.assumptions",
    "Compute": "hogblock.asynchrony.machines",
    "EventDriven": "hogblock.scheduling.event_driven",
    "EventLog": "hogblock.scheduling.log",
    "Events": "hogblock.scheduling.base",
    "Geometric": "hogblock.scheduling.laws",
    "Kink": "hogblock.asynchrony.problems",
    "L1Norm": "hogblock.asynchrony.problems",
    "Law": "hogblock.scheduling.law",
    "Link": "hogblock.asynchrony.machines",
    "MaxAffine": "hogblock.asynchrony.problems",
    "NetworkProblem": "hogblock.asynchrony.problems",
    "NodeSimulation": "hogblock.asynchrony.node_result",
    "PhaseRetrieval": "hogblock.asynchrony.problems",
    "Problem": "hogblock.asynchrony.problems",
    "Quadratic": "hogblock.asynchrony.problems",
    "Recording": "hogblock.scheduling.log",
    "Replay": "hogblock.scheduling.replay",
    "Scheduler": "hogblock.scheduling.base",
    "Simulation": "hogblock.asynchrony.result",
    "Stationarity": "hogblock.asynchrony.subdifferential",
    "Uniform": "hogblock.scheduling.laws",
    "check_assumptions": "hogblock.asynchrony.assumptions",
    "simulate": "hogblock.asynchrony.simulation",
    "simulate_nodes": "hogblock.asynchrony.nodes",
    "stability_limit": "hogblock.asynchrony.stability",
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
