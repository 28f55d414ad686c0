"""Whatever way a process ends, its workers end too, and nothing of them is left."""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from support.process_scripts import wait_until_gone

pytestmark = pytest.mark.timeout(120)

SCRIPTS = Path(__file__).parents[1] / "support" / "process_scripts.py"
END_SECONDS = 40
"""A hang lasts for ever; on an idle machine these ends take 0.4 to 2 s."""
LEAVE_SECONDS = 2
MARK = "HOGBLOCK_TEST_RUN"


class Script:
    """A script in a process of its own, whose descendants can be found."""

    def __init__(self, *arguments):
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(SCRIPTS), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {MARK: self.mark, "NUMBA_ENABLE_CUDASIM": "0"},
        )

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

    def alive(self):
        """Processes that the script and its descendants started."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    def leaves_nothing(self, seconds=END_SECONDS):
        """All processes are gone in time, and no shared memory has a name."""
        assert wait_until_gone(self.alive(), seconds) == []
        pids = {str(self.process.pid)}
        assert [n for n in os.listdir("/dev/shm") if set(n.split("_")) & pids] == []


@pytest.fixture
def script():
    """``script(name, ...)``; whatever it left is killed."""
    started = []

    def start(*arguments):
        started.append(Script(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        for pid in one.alive():
            process = psutil.Process(pid)
            if not any("resource_tracker" in word for word in process.cmdline()):
                process.kill()  # a tracker leaves by itself, when it has tidied up
        one.process.communicate()


def test_a_child_that_fitted_ends_and_takes_its_workers_with_it(script):
    run = script("exits")
    found = run.line()
    parent = found.pop("parent")
    assert found.pop("os.fork") == dict(ended=True, workers=2, left=0, inherited=0)
    assert found == {way: dict(ended=True, workers=2, left=0) for way in found}
    assert len(found) == 3
    # None of them ended the workers of the process that they are forks of.
    assert parent["kept"]
    run.ends()
    run.leaves_nothing()


def test_pools_of_processes_whose_tasks_fit_end(script):
    run = script("pools")
    found = run.line()
    assert found["score"] > 0.5
    assert found["futures"] == 2 and found["futures_left"] == 0
    assert found["daemons"] == [0, 0]
    assert found["loky"] == [2, 2]
    assert "resource_tracker" not in run.ends()
    run.leaves_nothing()


def test_ctrl_c_twice_at_the_end_hangs_nothing(script):
    run = script("interrupts")
    assert run.line() == [dict(ended=True, left=0)] * 3
    run.ends()
    run.leaves_nothing()


def test_workers_of_killed_and_of_orphaned_processes_leave(script):
    """Idle or training, and though a fork of the parent holds their connections."""
    run = script("orphans")
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


def test_a_program_that_detached_itself_trains_to_the_end(script, tmp_path):
    run = script("detached", tmp_path / "epochs")
    run.process.wait(60)
    deadline = time.monotonic() + 60
    while not (tmp_path / "epochs").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "epochs").read_text() == "1500"
    run.leaves_nothing()


def test_standard_streams_that_are_none_or_closed(script, tmp_path):
    run = script("without_streams", tmp_path / "found")
    run.process.wait(60)
    assert run.process.returncode == 0, run.process.stderr.read()
    none, closed = json.loads((tmp_path / "found").read_text())
    assert none[:2] == closed[:2] == [2, 2]
    # What is printed there must not reach a worker or a shared segment.
    assert closed[2] == [os.devnull] * 3
    run.leaves_nothing()
