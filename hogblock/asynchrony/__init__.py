"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""

from hogblock.asynchrony.problems import (
    AbsoluteValue,
    Kink,
    L1Norm,
    MaxAffine,
    PhaseRetrieval,
    Problem,
    Quadratic,
)
from hogblock.asynchrony.result import Simulation
from hogblock.asynchrony.simulation import simulate
from hogblock.asynchrony.stability import stability_limit
from hogblock.scheduling.adversarial import Adversarial
from hogblock.scheduling.base import Events, Scheduler
from hogblock.scheduling.event_driven import EventDriven
from hogblock.scheduling.law import Law
from hogblock.scheduling.laws import AgeLaw, Geometric, Uniform
from hogblock.scheduling.log import EventLog, Recording
from hogblock.scheduling.replay import Replay

__all__ = [
    "AbsoluteValue",
    "Adversarial",
    "AgeLaw",
    "EventDriven",
    "EventLog",
    "Events",
    "Geometric",
    "Kink",
    "L1Norm",
    "Law",
    "MaxAffine",
    "PhaseRetrieval",
    "Problem",
    "Quadratic",
    "Recording",
    "Replay",
    "Scheduler",
    "Simulation",
    "Uniform",
    "simulate",
    "stability_limit",
]
