"""``hogblock bench``: the training speed of every method on this machine."""

import argparse
import timeit
from collections.abc import Callable
from functools import partial

import numpy as np

from hogblock.cli.output import at_work, put

HIDDEN = (256, 128)
RATE = 0.01
ROUNDS = 2
"""Each is measured so often, in turns: other load on the machine comes in bursts."""
SKLEARN_SAMPLES = 20_000
FASHION_SHAPE = (60_000, 784)


def bench(options: argparse.Namespace) -> None:
    """Print the training speed of every method, and of scikit-learn."""
    import joblib

    from hogblock.methods import METHODS

    cores = sorted({1, joblib.effective_n_jobs(options.jobs)})
    runs: list[tuple[str, int, Callable[..., tuple[int, float]]]] = [
        (method.name, workers, _hogblock_speed)
        for method in METHODS.values()
        for workers in ((1,) if method.one_worker else cores)
    ]
    runs += [("scikit-learn", threads, _sklearn_speed) for threads in cores]
    X, y = _bench_data(options.samples)
    best = [(0, 0.0)] * len(runs)
    for round_ in range(ROUNDS):
        for k, (name, workers, speed) in enumerate(runs):
            at_work(f"round {round_ + 1}: {name}")
            best[k] = max(best[k], speed(name, workers, X, y, options))
    at_work("")
    put(
        f"784-256-128-10, batch {options.batch}, {options.epochs} epochs, best of "
        f"{ROUNDS} rounds\n"
    )
    put(f"{'method':<16}{'workers':>8}{'samples/s':>14}{'to sgd':>10}")
    base = best[0][1]  # METHODS starts with sgd
    for (name, *_), (workers, rate) in zip(runs, best, strict=True):
        put(f"{name:<16}{workers:>8}{rate:>14,.0f}{rate / base:>9.2f}x")
    put(
        "scikit-learn: MLPClassifier(solver='sgd'), partial_fit for one epoch of up to "
        f"{SKLEARN_SAMPLES:,} samples; workers are BLAS threads"
    )


def _bench_data(samples: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Fashion-MNIST, or random pixels of its shape."""
    from hogblock.datasets import load_fashion_mnist

    try:
        X, y = load_fashion_mnist(return_X_y=True)
        name = "Fashion-MNIST"
    except FileNotFoundError:
        random = np.random.default_rng(0)
        X = random.integers(0, 256, FASHION_SHAPE, np.uint8)
        y = random.integers(0, 10, len(X))
        name = "random pixels in the shape of Fashion-MNIST, which is not installed"
    X, y = X[:samples], y[:samples]
    put(f"{len(X):,} samples of {name}")
    return X, y


def _hogblock_speed(method, workers, X, y, options) -> tuple[int, float]:
    """Workers used and samples per second."""
    from hogblock import MLPClassifier

    model = MLPClassifier(
        HIDDEN,
        method=method,
        n_jobs=workers,
        batch_size=min(options.batch, len(X)),
        learning_rate="cosine",  # planned: never stops early
        learning_rate_init=RATE,
        max_iter=options.epochs,
        random_state=0,
    ).fit(X, y)
    if model.n_iter_ < options.epochs:  # fit answers Ctrl-C with the model that it has
        raise KeyboardInterrupt
    return model.n_workers_, model.t_ / model.training_seconds_


def _sklearn_speed(name, threads, X, y, options) -> tuple[int, float]:
    """BLAS threads and samples per second."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    X, y = X[:SKLEARN_SAMPLES].astype(np.float32) / 255, y[:SKLEARN_SAMPLES]
    model = MLPClassifier(
        HIDDEN,
        solver="sgd",
        batch_size=min(options.batch, len(X)),
        learning_rate_init=RATE,
        random_state=0,
    )
    train = partial(model.partial_fit, X, y, classes=np.unique(y))
    with threadpool_limits(threads, user_api="blas"):
        return threads, len(X) / timeit.timeit(train, number=1)
