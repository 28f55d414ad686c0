"""What a run came to."""

from dataclasses import dataclass

from hogblock.training.settings import Result, Settings
from hogblock.training.stopping import Monitor


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    settings : Settings
    monitor : Monitor
        Losses, scores, and what they said.
    result : Result
    stopped : bool, default=False
        A callback has ended it.
    """

    settings: Settings
    monitor: Monitor
    result: Result
    stopped: bool = False
