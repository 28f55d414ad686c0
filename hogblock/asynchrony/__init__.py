"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""

from hogblock.asynchrony.problems.base import Problem
from hogblock.asynchrony.problems.smooth import Quadratic
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
    "Adversarial",
    "AgeLaw",
    "EventDriven",
    "EventLog",
    "Events",
    "Geometric",
    "Law",
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
