"""Fits that are refused: before anything starts, and with nothing left."""

from unittest import mock

import pytest

from hogblock.engines.cpu import pool
from support.limits import descriptors
from support.segments import segments


def refused(fit, error, message):
    """``fit()`` is refused with a message before a process starts."""
    pool.close()
    before = descriptors()
    started = mock.patch("subprocess.Popen", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(error, match=message), started:
        fit()
    assert pool.running() == [] and segments() == set()
    assert descriptors() <= before
