"""How long the device works, and how much it is given at once."""

import time

from hogblock.engines.devices import simulated

SECONDS_AT_ONCE = 0.05
"""Of one launch: a few of them may be on the device when Ctrl-C comes."""

FIRST_STEPS = 64


class Pace:
    """Minibatches that make a launch of about `SECONDS_AT_ONCE`."""

    def __init__(self):
        self.steps = FIRST_STEPS

    def learn(self, steps: int, seconds: float) -> None:
        """Take note that so many minibatches took so long."""
        wanted = steps * SECONDS_AT_ONCE / max(seconds, 1e-6)
        self.steps = max(1, int(min(4 * self.steps, wanted)))


class Span:
    """Time on the current device from here to `end`; wall-clock time if simulated."""

    def __init__(self):
        self._start = self._now()

    def end(self) -> None:
        """What was put on the device since the beginning is the span's."""
        self._end = self._now()

    @staticmethod
    def _now():
        if simulated():
            return time.perf_counter()
        from cupy.cuda import Event

        event = Event()
        event.record()
        return event

    def wait(self) -> float:
        """Wait for the end; returns seconds."""
        if simulated():
            return self._end - self._start
        from cupy.cuda import get_elapsed_time

        self._end.synchronize()
        return get_elapsed_time(self._start, self._end) / 1000
