"""hogblock's side of a comparison: its methods with 1 and 2 workers.

Same data, network, initial weights and momentum as the peers, and the same command line
(see sides.py). Times run from the first step to the last. Workers are started and
kernels loaded by a warm-up epoch; data are put into shared memory before the clock
starts.
"""

from functools import partial
from itertools import product

import numpy as np

from benchmarks.peers.sides import (
    WARM_UP_RATE,
    command_line,
    forget_peak_memory,
    memory_mb,
    training_set,
)
from benchmarks.problems import MOMENTUM, cosine
from hogblock import methods
from hogblock.engines.cpu import pool, training
from hogblock.training.settings import Settings, TrainingData

RUNS = {
    "sgd-1": (methods.SGD(), 1),
    "sync-2": (methods.Sync(), 2),
    "hogwild-2": (methods.Hogwild(), 2),
    "hogwild-atomic-2": (methods.Hogwild(atomic=True), 2),
    "assm-2": (methods.ASSM(), 2),
    "passm-2": (methods.PASSM(), 2),
    "passm+-2": (methods.PASSMPlus(), 2),
    "passm+-partial-2": (methods.PASSMPlus(alternate=False), 2),
}


class Run:
    """One method on one network.

    Parameters
    ----------
    method, workers : Method, int
    network : Network
    problem : problem of problems.py
    x, y : ndarray
    batch : int
    """

    def __init__(self, method, workers, network, problem, x, y, batch):
        self.method, self.workers = method, workers
        self.network, self.problem, self.batch = network, problem, batch
        none = np.zeros(0, np.float32)
        self.data = TrainingData(x, y.astype(np.int32), none, none, none)
        self.steps = -(-len(x) // batch)

    def train(self, seed, rates, gate="open", on_epoch=lambda epoch: False):
        """Train with the learning rates (epochs, steps)."""
        settings = Settings(
            method=self.method,
            workers=self.workers,
            batch=self.batch,
            epochs=len(rates),
            loss="softmax",
            rate=np.ascontiguousarray(rates, np.float32).ravel(),
            rate_points=rates.shape[1],
            momentum=MOMENTUM,
            nesterov=self.problem.nesterov,
            shuffle=True,
            alpha=0.0,
            seed=seed,
            gate=gate,
        )
        params = self.initial_params(seed)
        return training.train(self.network, self.data, settings, params, on_epoch)

    def initial_params(self, seed):
        """Flat vector of the problem's initial weights, or of the network's own."""
        weights = self.problem.initial_weights(seed)
        if weights is None:
            return self.network.initialise(np.random.RandomState(seed))
        params = np.zeros(self.network.size, np.float32)
        for tensor, w in zip(self.network.tensors, weights, strict=True):
            tensor.view(params)[:] = w.reshape(tensor.rows, tensor.columns)
        return params

    def weights(self, params):
        """[W, b, ...] in the problem's shapes."""
        return [t.view(params).reshape(t.shape) for t in self.network.tensors]


def warm_up(networks, run, problem, options):
    """Start workers and load kernels; `networks` make the network of a problem."""
    network = networks[options.network](problem)
    run = Run(*run, network, problem, *training_set(problem, options), options.batch)
    run.train(0, np.full((1, run.steps), WARM_UP_RATE, np.float32))
    forget_peak_memory()
    return run


def throughput(run, options):
    """Measure samples per second, `repeats` times over `epochs` epochs."""
    rates = np.full((options.epochs, run.steps), options.lr[0], np.float32)
    results = [run.train(options.seed[0], rates) for _ in range(options.repeats)]
    own = [memory_mb("RssAnon", worker.process.pid) for worker in pool.running()]
    samples = options.epochs * len(run.data.x)
    last = results[-1]
    ages = np.arange(last.staleness.shape[1])
    yield {
        "batch": run.batch,
        "samples_per_s": [samples / r.seconds for r in results],
        "peak_mb": memory_mb("VmHWM") + sum(own),
        "worker_mb": own,
        "mean_staleness": float(np.mean(last.staleness @ ages / last.steps)),
    }


def train(run, options):
    """Train once per learning rate and seed; time every epoch, test its snapshot."""
    test = run.problem.load("t10k")
    for lr, seed in product(options.lr, options.seed):
        epochs = []
        rates = cosine(lr, options.budget, run.steps)
        run.train(seed, rates, "held", lambda epoch, seen=epochs: seen.append(epoch))
        weights = [run.weights(epoch.params) for epoch in epochs]
        yield {
            "batch": run.batch,
            "lr": lr,
            "seed": seed,
            "seconds": [e.seconds for e in epochs],
            "accuracy": [run.problem.accuracy(w, *test) for w in weights],
        }


def hogblock_command_line(names, problems, networks):
    """Run one of hogblock's sides.

    Parameters
    ----------
    names : iterable of str
        Keys of `RUNS`.
    problems : dict of str to problem
    networks : dict of str to callable
        Of each problem's name, ``make(problem)`` returns the `Network`.
    """
    runs = {name: RUNS[name] for name in names}
    actions = {"throughput": throughput, "train": train}
    command_line(runs, problems, partial(warm_up, networks), actions)
