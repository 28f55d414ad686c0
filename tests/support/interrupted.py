"""A program that somebody at its terminal interrupts, and ends."""

import signal
import sys

import numpy as np

from hogblock import MLPClassifier

X = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def train(n_jobs, **changes):
    """Train until somebody ends it; shows progress."""
    for_ever = dict(max_iter=10**6, tol=0.0, n_iter_no_change=np.inf)
    values = for_ever | dict(batch_size=16, hidden_layer_sizes=(8,), random_state=0)
    return MLPClassifier(n_jobs=n_jobs, verbose=True, **(values | changes)).fit(X, Y)


def at_terminal():
    """Fits that Ctrl-C ends, once and twice, and one in which the program leaves."""
    for n_jobs in (1, 2):
        model = train(n_jobs)
        trained = 0 < model.n_iter_ < 10**6 and model.score(X, Y) > 0.9
        print(f"{model.n_workers_} trained {trained}", flush=True)
    try:
        train(2)
    except KeyboardInterrupt:
        print("it ends", flush=True)
    leave_when_told_twice()
    train(2)


def leave_when_told_twice():
    """What a program may do that is told to end: go on for a while."""
    told = []

    def tell(*_):
        told.append(True)
        print("told", len(told), flush=True)
        if len(told) == 2:
            sys.exit(3)

    signal.signal(signal.SIGTERM, tell)


if __name__ == "__main__":
    at_terminal()
