"""What runs behind the other tests, in a fork of this process, one after another.

The fork was made before any test: what tests patch, in this process or in its
environment, does not reach what runs there, and the other way round.
"""

import multiprocessing
import threading
import traceback
from concurrent.futures import Future

import pytest

MOST_SECONDS = 400
"""A test waits for what was begun before it, compiling too."""


def behind(body):
    """A test that gets a folder and no fixture, and runs there."""

    def test(running):
        running[body].result()

    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(test, name, getattr(body, name))
    return pytest.mark.timeout(MOST_SECONDS)(pytest.mark.behind.with_args(body)(test))


class Running(dict):
    """Futures of what was begun, by key.

    Parameters
    ----------
    work : dict
        Functions without arguments, in their order; what they return is pickled.
    """

    def __init__(self, work):
        super().__init__((key, Future()) for key in work)
        context = multiprocessing.get_context("fork")
        results, theirs = context.Pipe(duplex=False)
        goes_on, self._goes_on = context.Pipe(duplex=False)
        self._fork = context.Process(
            target=_work, args=(work.values(), theirs, goes_on, self._goes_on)
        )
        self._fork.start()
        theirs.close(), goes_on.close()
        threading.Thread(target=self._listen, args=(results,), daemon=True).start()

    def _listen(self, results):
        for future in self.values():
            try:
                done, value = results.recv()
            except EOFError:
                done, value = False, "the fork ended before it"
            if done:
                future.set_result(value)
            else:
                future.set_exception(pytest.fail.Exception(value, pytrace=False))

    def close(self):
        """What was begun is finished; nothing else is."""
        self._goes_on.close()
        self._fork.join()


def _work(functions, results, goes_on, other_end):
    other_end.close()
    for function in functions:
        if goes_on.poll():  # closed
            break
        try:
            results.send((True, function()))
        except BaseException:
            results.send((False, traceback.format_exc()))
