"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""

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
    "Recording",
    "Replay",
    "Scheduler",
    "Uniform",
]
