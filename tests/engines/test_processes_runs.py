"""Each run owns its workers: several at a time, failing ones, interrupted ones."""

import gc
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import psutil
import pytest
from sklearn.model_selection import GridSearchCV

from hogblock import MLPClassifier
from hogblock.engines.cpu import crew, memory, pool, system, training
from hogblock.errors import WorkerError
from support.segments import segments

pytestmark = pytest.mark.timeout(60)


def made(seed, rows=400, columns=8):
    x = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return x, (x[:, seed % columns] > 0).astype(int)


def estimator(**changes):
    values = dict(n_jobs=2, random_state=0, batch_size=32, hidden_layer_sizes=(8,))
    values |= dict(learning_rate="cosine", n_iter_no_change=10**6, tol=0.0)
    return MLPClassifier(**(values | changes))


FOREVER = dict(max_iter=10**6)


def own_children():
    """Workers that this process started and that still run."""
    found = set()
    for process in psutil.Process().children():
        try:
            if any("hogblock.engines" in word for word in process.cmdline()):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


def known():
    return {worker.process.pid for worker in pool.running()}


def nothing_is_left(seconds=3):
    """No process but the known workers, no name of this process in shared memory."""
    gc.collect()
    deadline = time.monotonic() + seconds
    while own_children() != known() and time.monotonic() < deadline:
        time.sleep(0.05)
    return own_children() == known() and not segments()


def fit_one(seed, k):
    columns, epochs = 4 + seed, 2 + (seed + k) % 4
    x, y = made(seed, columns=columns)
    model = estimator(max_iter=epochs).fit(x, y)
    steps = epochs * -(-len(x) // 32)
    return (
        model.n_iter_ == epochs
        and model.n_features_in_ == columns
        and model.t_ >= steps
        and len(model.loss_curve_) == epochs
    )


def test_fits_from_several_threads_are_each_their_own():
    def one_thread(seed):
        return [fit_one(seed, k) for k in range(20)]

    with ThreadPoolExecutor(8) as executor:
        results = list(executor.map(one_thread, range(8)))
    assert results == [[True] * 20] * 8
    # As many workers as cores, or as the largest run asks for.
    assert len(known()) <= max(2, joblib.cpu_count())
    assert nothing_is_left()


def test_joblib_s_threads():
    with joblib.parallel_config("threading"):
        results = joblib.Parallel(n_jobs=4)(
            joblib.delayed(fit_one)(seed, 0) for seed in range(8)
        )
        search = GridSearchCV(
            estimator(max_iter=20), {"alpha": [0.0, 1e-4]}, n_jobs=4, cv=2
        )
        search.fit(*made(1))
    assert all(results)
    assert search.best_score_ > 0.8
    assert nothing_is_left()


class InThread(threading.Thread):
    """A fit in another thread; `outcome` is the model, or what was raised."""

    def __init__(self, **changes):
        super().__init__()
        self.changes = changes
        self.start()
        while len(known()) < 2:
            time.sleep(0.01)

    def run(self):
        try:
            self.outcome = estimator(**self.changes).fit(*made(0))
        except Exception as error:
            self.outcome = error


def test_a_run_that_fails_ends_its_own_workers_alone(monkeypatch):
    monkeypatch.setattr(pool, "cpu_count", lambda: 4)
    pool.close()
    failing = InThread(max_worker_restarts=0, **FOREVER)
    victims = known()
    for _ in range(3):
        estimator(max_iter=2).fit(*made(1))
    others = known() - victims
    assert len(victims) == len(others) == 2
    stop = threading.Timer(0.3, lambda: os.kill(min(victims), signal.SIGKILL))
    stop.start()
    assert estimator(max_iter=300).fit(*made(2)).n_iter_ == 300
    failing.join(30)
    stop.join()
    assert isinstance(failing.outcome, WorkerError)
    # The one that lived is as good as any other.
    assert known() == others | victims - {min(victims)}
    assert nothing_is_left()


def test_waiting_for_workers_can_be_interrupted(monkeypatch):
    monkeypatch.setattr(pool, "cpu_count", lambda: 2)
    pool.close()
    other = InThread(max_iter=3000)
    held = known()
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        estimator(**FOREVER).fit(*made(1))
    other.join(30)
    assert other.outcome.n_iter_ == 3000
    assert known() == held
    # And nobody waits for the one that gave up.
    assert estimator(max_iter=2).fit(*made(1)).n_iter_ == 2


def test_a_run_may_need_more_workers_than_there_are_cores(monkeypatch):
    monkeypatch.setattr(pool, "cpu_count", lambda: 1)
    assert estimator(max_iter=2, n_jobs=3).fit(*made(1)).n_workers_ == 3


def interrupted_at(count, work):
    """Do some work that Ctrl-C meets at the `count`-th line; None if it has fewer.

    Lines of the modules that start, own and end processes and memory count.
    """
    modules = (pool, crew, training, memory, system)
    files = tuple(module.__file__ for module in modules)
    left = count

    def in_function(frame, event, _):
        nonlocal left
        left -= event == "line"
        if event == "line" and left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return in_function

    def at_call(frame, *_):
        return in_function if frame.f_code.co_filename in files else None

    before = sys.gettrace()
    sys.settrace(at_call)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return left <= 0


# A worker that was lost leaves by itself; that nobody waits for it is no news.
@pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_moment_of_a_fit_leaves_nothing():
    x, y = made(1)

    def work():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator(max_iter=2).fit(x, y)
        pool.close()

    for count in range(7, 2000, 127):
        if not interrupted_at(count, work):
            break
        assert nothing_is_left(), f"interrupted at line {count}"
    assert count > 200
    assert estimator(max_iter=2).fit(x, y).n_iter_ == 2


def test_workers_that_cannot_be_started_say_what_to_do(monkeypatch):
    def refuse(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    pool.close()
    monkeypatch.setattr("subprocess.Popen", refuse)
    with pytest.raises(WorkerError, match=r"temporarily unavailable.*smaller n_jobs"):
        estimator(max_iter=2).fit(*made(1))
    assert nothing_is_left()
