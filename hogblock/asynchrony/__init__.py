"""Asynchrony to be studied: schedulers, problems, simulation, checks of assumptions.

docs/method.md defines the model; docs/guarantees.md says what is proven of it, what is
checked here and what is measured.
"""

from hogblock.scheduling.log import EventLog, Recording
from hogblock.scheduling.replay import Replay

__all__ = ["EventLog", "Recording", "Replay"]
