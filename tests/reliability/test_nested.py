"""Fits within the parallel work of others: as alone, and with no more processes."""

import json
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from support.behind import behind
from support.programs import MOST_SECONDS, Program, killed_in_the_end

SCRIPT = Path(__file__).parents[1] / "support" / "nested.py"


def outcome(name):
    words = [sys.executable, "-W", "ignore", SCRIPT, name]
    with killed_in_the_end(Program(words, stdout=PIPE, text=True)) as run:
        said, _ = run.process.communicate(timeout=MOST_SECONDS)
        assert run.process.returncode == 0
        run.leaves_nothing()
    return json.loads(said)


@behind
def test_fits_of_one_worker_at_once_are_what_each_is_alone(folder):
    alone, threads, processes = outcome("at_once")
    assert alone[1:] == [1, 0]
    assert threads == [alone] * 4
    assert processes == [alone] * 4


def test_workers_of_dask():
    """They are daemonic: each trains alone, and starts nothing."""
    pytest.importorskip("distributed")
    assert [workers for _, *workers in outcome("dask")] == [[1, 0]] * 4
