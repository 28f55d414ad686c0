"""Worker processes: start, reuse, interruption, death, and what is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from hogblock import MLPClassifier
from hogblock.engines.cpu import pool
from hogblock.errors import SharedMemoryError, WorkerError
from support.behind import behind
from support.segments import names, segments

pytestmark = pytest.mark.timeout(60)

FOREVER = dict(
    max_iter=100_000, learning_rate="constant", tol=0.0, n_iter_no_change=np.inf
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 20)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


def estimator(**changes):
    values = dict(n_jobs=2, random_state=0, batch_size=32, learning_rate="cosine")
    return MLPClassifier(**(values | changes))


def pids():
    return [worker.process.pid for worker in pool.running()]


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(pids_, seconds=10):
    deadline = time.monotonic() + seconds
    while any(map(alive, pids_)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids_))


def test_workers_are_reused_by_the_next_fit(data):
    estimator(max_iter=2).fit(*data)
    first = pids()
    estimator(max_iter=2, hidden_layer_sizes=(7, 5)).fit(*data)
    assert pids() == first and len(first) == 2


def test_one_job_starts_no_process(data):
    pool.close()
    estimator(max_iter=2, n_jobs=1).fit(*data)
    assert pids() == []


def test_memory_has_no_name_during_training(data):
    seen = []
    timer = threading.Timer(0.5, lambda: seen.extend([names(), segments()]))
    stop = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    estimator(max_iter=2).fit(*data)
    timer.start(), stop.start()
    with pytest.warns(UserWarning, match="interrupted"):
        estimator(**FOREVER).fit(*data)
    assert seen[0] == set() and seen[1]
    assert segments() == set()


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("method", ["passm+", "sync"])
def test_ctrl_c_returns_the_model_so_far(data, n_jobs, method):
    estimator(max_iter=2, n_jobs=n_jobs, method=method).fit(*data)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.warns(UserWarning, match="interrupted"):
        model = estimator(n_jobs=n_jobs, method=method, **FOREVER).fit(*data)
    assert 0 < model.n_iter_ < FOREVER["max_iter"]
    assert model.score(*data) > 0.9
    # The same workers serve the next fit.
    assert estimator(max_iter=5, n_jobs=n_jobs).fit(*data).score(*data) > 0.9


def test_too_little_shared_memory_says_how_much_was_needed(data, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SharedMemoryError, match=r"needs 0\.\d MiB .*n_jobs=1"):
        estimator(max_iter=2).fit(*data)
    assert segments() == set()


def test_a_daemonic_process_trains_alone(data, monkeypatch):
    from hogblock.engines.cpu import jobs

    class Daemon:
        daemon = True

    monkeypatch.setattr(jobs, "current_process", Daemon)
    with pytest.warns(RuntimeWarning, match="n_jobs=2 is taken as 1"):
        assert estimator(max_iter=2).fit(*data).n_workers_ == 1


SCRIPT = """
import sys, threading, os, time
import numpy as np
from hogblock import MLPClassifier
from hogblock.engines.cpu import pool
rng = np.random.default_rng(0)
x = rng.normal(size=(3000, 20)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)
options = dict(n_jobs=2, random_state=0, learning_rate="cosine", batch_size=32)
MLPClassifier(max_iter=2, **options).fit(x, y)
print(*[w.process.pid for w in pool.running()], flush=True)
{rest}
"""


def run_script(rest):
    source = SCRIPT.format(rest=textwrap.dedent(rest))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@behind
def test_script_without_main_guard_ends_clean_and_silent(folder):
    """No guard is needed, no tracker line is printed, no worker outlives it."""
    process = run_script("print('end')")
    out, err = process.communicate(timeout=50)
    assert process.returncode == 0, err
    assert "resource_tracker" not in err and "Traceback" not in err
    workers = [int(p) for p in out.split()[:2]]
    assert wait_until_gone(workers)
    assert segments(process.pid) == set()


@pytest.mark.parametrize("method", ["passm+", "sync"])
def test_workers_and_memory_go_when_the_parent_is_killed(method):
    process = run_script(
        f"""
        MLPClassifier(max_iter=10**5, method={method!r}, **options).fit(x, y)
        """
    )
    workers = [int(p) for p in process.stdout.readline().split()]
    assert len(workers) == 2
    time.sleep(0.7)
    process.kill()
    _, err = process.communicate(timeout=20)
    assert wait_until_gone(workers)
    assert segments(process.pid) == set()
    assert "resource_tracker" not in err


def test_workers_do_not_import_scikit_learn(data):
    estimator(max_iter=2).fit(*data)
    maps = Path(f"/proc/{pids()[0]}/maps").read_text()
    assert "numba" in maps and "sklearn" not in maps


def test_a_worker_that_is_late_is_an_error_and_not_the_end_of_the_run(
    data, monkeypatch
):
    estimator(max_iter=2).fit(*data)
    workers = pids()
    monkeypatch.setattr(pool, "START_SECONDS", 0.0)
    os.kill(workers[0], signal.SIGSTOP)
    try:
        with pytest.raises(WorkerError, match="did not answer within 0 s"):
            estimator(max_iter=2).fit(*data)
    finally:
        assert wait_until_gone(workers)


def test_workers_without_a_cache_have_the_time_to_compile(monkeypatch):
    """Each compiles for itself then, and several share the cores."""
    from hogblock.kernels.cpu.warmup import CacheState

    assert pool.answer_deadline(images=False) > time.monotonic()
    monkeypatch.setattr(
        pool, "cache_state", lambda images: CacheState(None, not images)
    )
    assert pool.answer_deadline(images=False) > time.monotonic()
    assert pool.answer_deadline(images=True) is None
