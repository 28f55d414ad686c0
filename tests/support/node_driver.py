"""A driver on a local cluster of its own: one fit to the end, and one without end."""

import os
import signal

import numpy as np
from sklearn.datasets import load_digits

from hogblock import MLPClassifier
from hogblock.distributed import Ray
from support.nodes import command_of, descendants_of, until

X, Y = load_digits(return_X_y=True)


def model(**changes):
    device = Ray(nodes=2, address="local")
    return MLPClassifier((64,), device=device, random_state=0, **changes)


def leftover():
    """What the first fit has left running."""
    return [pid for pid in descendants_of(os.getpid()) if command_of(pid)]


def main():
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    model(max_iter=5, learning_rate="cosine").fit(X, Y)
    same = handlers == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    gone = until(lambda: not leftover(), 20)
    said = "no handler changed" if same else "handlers changed"
    print(f"over: {said}, {'nothing' if gone else leftover()} left", flush=True)
    model(max_iter=10**7, tol=0, n_iter_no_change=np.inf, n_jobs=2).fit(X, Y)


if __name__ == "__main__":
    main()
