"""Tests whose work is done by processes of their own: they run behind the others."""

import pytest

MOST_SECONDS = 400
"""A test waits for what was begun before it, compiling too."""


def behind(body):
    """A test that gets a folder and no fixture; it runs in a thread, beside others.

    So it may start processes and look at them, and change nothing of this process.
    """

    def test(running):
        running[body].result()

    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(test, name, getattr(body, name))
    return pytest.mark.timeout(MOST_SECONDS)(pytest.mark.behind.with_args(body)(test))
