"""Scripts of the tests of processes, by name: ``python process_scripts.py name``.

Each prints a line of JSON as its last act but one.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
import warnings

import joblib
import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV

from hogblock import MLPClassifier
from hogblock.engines.cpu import pool

JOIN_SECONDS = 30


def data():
    x = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int)


def estimator(**changes):
    values = dict(n_jobs=2, random_state=0, batch_size=32, hidden_layer_sizes=(8,))
    values |= dict(learning_rate="cosine", max_iter=2, n_iter_no_change=10**6)
    return MLPClassifier(**(values | changes))


def fit(**changes):
    """Fit, and return the process and its workers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator(**changes).fit(*data())
    return os.getpid(), [worker.process.pid for worker in pool.running()]


def used(n_jobs):
    """How many workers a fit uses."""
    return estimator(n_jobs=n_jobs).fit(*data()).n_workers_


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_gone(pids, seconds):
    deadline = time.monotonic() + seconds
    while (left := [p for p in pids if alive(p)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _child(way, connection):
    connection.send(fit())
    if way == "exception":
        os.close(2)  # nobody reads the traceback
        raise ValueError(way)


class _Child:
    """A child that fits, and ends in a way of its own."""

    def __init__(self, way, method="fork"):
        context = multiprocessing.get_context(method)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_child, args=(way, theirs))
        self.process.start()
        theirs.close()

    def fitted(self):
        """Wait for its fit; returns its workers."""
        self.workers = self.connection.recv()[1]
        return self.workers

    def end(self):
        """Whether it ends by itself, and which of its workers are left."""
        self.process.join(JOIN_SECONDS)
        ended = self.process.exitcode is not None
        self.process.kill()
        left = len(_left(self.workers))
        return dict(ended=ended, workers=len(self.workers), left=left)


def _raw_fork_ends():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        inherited = len(pool.running())
        os.write(writer, json.dumps([inherited, *fit()]).encode() + b"\n")
        sys.exit(0)
    with os.fdopen(reader) as file:
        inherited, _, workers = json.loads(file.readline())
    ended = _reaped(child)
    left = len(_left(workers))
    return dict(ended=ended, workers=len(workers), left=left, inherited=inherited)


def _reaped(pid):
    """Whether a child of ours ends in time; it is killed if not."""
    deadline = time.monotonic() + JOIN_SECONDS
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.02)
    return True


def _left(workers):
    """Workers that do not leave in time, and are killed."""
    left = wait_until_gone(workers, JOIN_SECONDS)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def exits():
    """Ways in which a child that fitted can end; then this process ends."""
    own = fit()[1]
    found = {"os.fork": _raw_fork_ends()}
    children = {
        "spawn": _Child("return", "spawn"),
        "forkserver": _Child("exception", "forkserver"),
        "fork": _Child("return"),
    }
    for way, child in children.items():
        child.fitted()
        found[way] = child.end()
    found["parent"] = dict(kept=fit()[1] == own)
    print(json.dumps(found), flush=True)


def pools():
    """Pools of processes whose tasks fit; then this process ends."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
        futures = executor.submit(fit).result()
    parallel = joblib.Parallel(n_jobs=2, backend="multiprocessing")
    daemons = parallel(joblib.delayed(fit)() for _ in range(2))
    search = GridSearchCV(estimator(), {"alpha": [0.0, 1e-4]}, n_jobs=2, cv=2)
    search.fit(*data())
    in_loky = joblib.Parallel(n_jobs=2)(joblib.delayed(fit)() for _ in range(2))
    shares = joblib.Parallel(n_jobs=2)(joblib.delayed(used)(-1) for _ in range(2))
    found = dict(
        futures=len(futures[1]),
        futures_left=len(wait_until_gone(futures[1], JOIN_SECONDS)),
        daemons=[len(workers) for _, workers in daemons],
        score=search.best_score_,
        loky=[len(workers) for _, workers in in_loky],
        shares=[n * 2 <= joblib.cpu_count() or n == 1 for n in shares],
    )
    print(json.dumps(found), flush=True)


def interrupts():
    """Forks of this process that fitted are interrupted twice as they end."""
    children = []
    for _ in range(3):
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(2)  # nobody reads the tracebacks
            os.write(writer, json.dumps(fit()[1]).encode() + b"\n")
            sys.exit(0)
        os.close(writer)
        children.append((pid, reader))
    found = []
    for k, (pid, reader) in enumerate(children):
        with os.fdopen(reader) as file:
            workers = json.loads(file.readline())
        for pause in (0.001 * k, 0.02):
            time.sleep(pause)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        found.append(dict(ended=_reaped(pid), left=len(_left(workers))))
    print(json.dumps(found), flush=True)


def _train_for_ever(connection):
    connection.send(None)
    estimator(max_iter=10**6).fit(*data())


def orphans():
    """Start all kinds of children with workers, tell them, and wait to be killed."""
    own = fit()[1]
    sleeper = os.fork()  # it inherits the ends of this process's connections
    if sleeper == 0:
        time.sleep(60)
        os._exit(0)
    in_loky, idle = get_reusable_executor(1).submit(fit).result()
    workers, children = own + idle, [sleeper, in_loky]
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=_train_for_ever, args=(theirs,))
    process.start()
    ours.recv()
    children.append(process.pid)
    while len(busy := children_of(process.pid)) < 2:
        time.sleep(0.05)
    workers += busy
    print(json.dumps(dict(workers=workers, children=children)), flush=True)
    time.sleep(60)


def children_of(pid):
    import psutil

    return [
        p.pid
        for p in psutil.Process(pid).children()
        if not any("resource_tracker" in word for word in p.cmdline())
    ]


def detached(path):
    """A program that detaches itself, then fits, and writes how many epochs it had."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    model = estimator(max_iter=1500).fit(*data())
    with open(path + ".part", "w") as file:
        file.write(str(model.n_iter_))
    os.rename(path + ".part", path)
    os._exit(0)


def without_streams(path):
    """Fit with n_jobs=2 where standard streams are None, closed, or no files at all."""
    results = []
    for take_away in (_none, _closed):
        pool.close()
        take_away()
        model = estimator().fit(*data())
        low = [os.path.realpath(f"/proc/self/fd/{k}") for k in range(3)]
        results.append([model.n_iter_, len(pool.running()), low])
    with open(path, "w") as file:
        json.dump(results, file)


def _none():
    sys.stdout = sys.stderr = sys.stdin = None


def _closed():
    sys.stdout, sys.stderr = open(os.devnull, "w"), open(os.devnull, "w")
    sys.stdout.close()
    sys.stderr.close()
    for descriptor in range(3):
        os.close(descriptor)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
