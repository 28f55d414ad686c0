"""Whatever way a process ends, its workers end too, and nothing of them is left."""

import json
import os
import sys
import time
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest

from support.behind import behind
from support.process_scripts import wait_until_gone
from support.programs import END_SECONDS, Program, killed_in_the_end

SCRIPTS = Path(__file__).parents[1] / "support" / "process_scripts.py"
LEAVE_SECONDS = 2


class Script(Program):
    """A script in a process of its own."""

    def __init__(self, *arguments):
        words = [sys.executable, "-W", "error", SCRIPTS, *arguments]
        super().__init__(words, stdout=PIPE, stderr=PIPE, text=True)

    def line(self):
        """What the script found, read as soon as it says so."""
        text = self.process.stdout.readline()
        if not text:
            pytest.fail(self.process.stderr.read())
        return json.loads(text)

    def ends(self):
        """The script, having said its last word, ends; returns its complaints."""
        _, complaint = self.process.communicate(timeout=END_SECONDS)
        assert self.process.returncode == 0, complaint
        return complaint


def script(*arguments):
    """A `Script`, which is killed in the end, or where nothing comes of it."""
    return killed_in_the_end(Script(*arguments))


@behind
def test_a_child_that_fitted_ends_and_takes_its_workers_with_it(folder):
    with script("exits") as run:
        found = run.line()
        parent = found.pop("parent")
        assert found.pop("os.fork") == dict(ended=True, workers=2, left=0, inherited=0)
        assert found == {way: dict(ended=True, workers=2, left=0) for way in found}
        assert len(found) == 3
        # None of them ended the workers of the process that they are forks of.
        assert parent["kept"]
        run.ends()
        run.leaves_nothing()


@behind
def test_pools_of_processes_whose_tasks_fit_end(folder):
    with script("pools") as run:
        found = run.line()
        assert found["score"] > 0.5
        assert found["futures"] == 2 and found["futures_left"] == 0
        assert found["daemons"] == [0, 0]
        assert found["loky"] == [2, 2]
        # What "all cores" are in one of two processes: no more than its half.
        assert found["shares"] == [True, True]
        assert "resource_tracker" not in run.ends()
        run.leaves_nothing()


@behind
def test_ctrl_c_twice_at_the_end_hangs_nothing(folder):
    with script("interrupts") as run:
        assert run.line() == [dict(ended=True, left=0)] * 3
        run.ends()
        run.leaves_nothing()


@behind
def test_workers_of_killed_and_of_orphaned_processes_leave(folder):
    """Idle or training, and though a fork of the parent holds their connections."""
    with script("orphans") as run:
        found = run.line()
        assert len(found["workers"]) == 3 * 2
        run.process.kill()
        run.process.wait()
        assert wait_until_gone(found["workers"], END_SECONDS) == []
        # No others came in their place, though the orphans themselves live on.
        orphans = [
            psutil.Process(pid) for pid in found["children"] if psutil.pid_exists(pid)
        ]
        assert orphans
        time.sleep(LEAVE_SECONDS)
        words = [" ".join(psutil.Process(p).cmdline()) for p in run.alive()]
        assert not [w for w in words if "hogblock.engines.cpu.bootstrap" in w]


@behind
def test_a_program_that_detached_itself_trains_to_the_end(folder):
    with script("detached", folder / "epochs") as run:
        run.process.wait(60)
        deadline = time.monotonic() + 60
        while not (folder / "epochs").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (folder / "epochs").read_text() == "1500"
        run.leaves_nothing()


@behind
def test_standard_streams_that_are_none_or_closed(folder):
    with script("without_streams", folder / "found") as run:
        run.process.wait(60)
        assert run.process.returncode == 0, run.process.stderr.read()
        none, closed = json.loads((folder / "found").read_text())
        assert none[:2] == closed[:2] == [2, 2]
        # What is printed there must not reach a worker or a shared segment.
        assert closed[2] == [os.devnull] * 3
        run.leaves_nothing()
