"""Ctrl-C, and other words that end a program: what it gets, and what is left."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from subprocess import PIPE

from hogblock.engines.cpu import pool
from support.behind import behind
from support.programs import (
    END_SECONDS,
    MOST_SECONDS,
    Program,
    Terminal,
    killed_in_the_end,
)

SUPPORT = Path(__file__).parents[1] / "support"
FIRST_SECONDS = 1
"""A program has noticed the first Ctrl-C when it gets the second."""


@behind
def test_a_program_at_a_terminal(folder):
    """All in the foreground get Ctrl-C, and all of a batch job that it has to end."""
    words = ["-W", "always", SUPPORT / "interrupted.py"]
    with killed_in_the_end(Terminal(*words)) as run:
        for n_jobs in (1, 2):
            run.heard.until("loss")
            run.ctrl_c()
            run.heard.until("interrupted by user")
            run.heard.until(f"{n_jobs} trained True")
        # A worker that does not leave holds the end up; a second Ctrl-C does not wait.
        run.heard.until("loss")
        os.kill(run.workers()[0], signal.SIGSTOP)
        run.ctrl_c()
        time.sleep(FIRST_SECONDS)
        assert "it ends" not in run.heard.text
        run.ctrl_c()
        run.heard.until("it ends")
        # It has something to do when it is told to end, and its workers go on for it.
        run.heard.until("loss")
        workers = run.workers()
        assert len(workers) == 2
        os.killpg(run.process.pid, signal.SIGTERM)
        run.heard.until("told 1")
        run.heard.until("loss")
        assert run.workers() == workers
        os.killpg(run.process.pid, signal.SIGTERM)
        run.heard.until("told 2")
        assert run.process.wait(END_SECONDS) == 3
        run.leaves_nothing()
        assert run.heard.all().count("interrupted by user") == 2
        assert "Traceback" not in run.heard.text


@behind
def test_a_cell_of_a_notebook_is_interrupted(folder):
    """It returns the model so far, the next one fits, and the kernel ends clean."""
    words = [sys.executable, "-W", "ignore", SUPPORT / "notebook.py"]
    with killed_in_the_end(Program(words, stdout=PIPE, text=True)) as run:
        said, _ = run.process.communicate(timeout=MOST_SECONDS)
        assert json.loads(said) == [1, "(2, True, True)", "(3, True)"]
        assert run.process.returncode == 0
        run.leaves_nothing()


def test_ctrl_c_while_the_last_workers_are_ended_is_no_news(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(pool, "_pool", pool._Pool())
    monkeypatch.setattr(pool, "close", interrupted)
    pool._leave()
