"""hogblock's side of the Fashion-MNIST benchmark: its methods with 1 and 2 workers.

Same data, network, initial weights and momentum as the peers, and the same command line
(see mlp_peers.py)::

    python mlp_hogblock.py passm+-2 throughput --batch 64 --epochs 3 --repeats 3
    python mlp_hogblock.py sgd-1 train --lr 0.02,0.05 --budget 8 --seed 0,1

Times run from the first step to the last. Workers are started and kernels loaded by a
warm-up epoch; data are put into shared memory before the clock starts.
"""

from itertools import product
from pathlib import Path

import numpy as np
from mlp_peers import (
    LAYERS,
    MOMENTUM,
    accuracy,
    command_line,
    cosine,
    initial_weights,
    load,
    memory_mb,
)

from hogblock import engine, methods, pool
from hogblock.models import Dense, Network

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
    """One method on Fashion-MNIST."""

    def __init__(self, name, batch):
        self.method, self.workers = RUNS[name]
        self.batch = batch
        x, y = load("train")
        none = np.zeros(0, np.float32)
        self.data = engine.TrainingData(x, y.astype(np.int32), none, none, none)
        *hidden, outputs = LAYERS[1:]
        layers = [Dense(units, "relu") for units in hidden] + [Dense(outputs)]
        self.network = Network(layers, LAYERS[:1])
        self.steps = -(-len(x) // batch)

    def train(self, seed, rates, gated=False, on_epoch=lambda epoch: False):
        """Train with the learning rates (epochs, steps)."""
        settings = engine.Settings(
            method=self.method,
            workers=self.workers,
            batch=self.batch,
            epochs=len(rates),
            loss="softmax",
            rate=np.ascontiguousarray(rates, np.float32).ravel(),
            rate_points=rates.shape[1],
            momentum=MOMENTUM,
            nesterov=False,
            shuffle=True,
            alpha=0.0,
            seed=seed,
            gated=gated,
        )
        params = np.zeros(self.network.size, np.float32)
        for tensor, w in zip(self.network.tensors, initial_weights(seed), strict=True):
            tensor.view(params)[:] = w
        return engine.train(self.network, self.data, settings, params, on_epoch)

    def weights(self, params):
        """W (in, out) and b (out,) of every layer in turn."""
        return [np.squeeze(t.view(params)) for t in self.network.tensors]


def warm_up(name, batch):
    """Start workers and load kernels."""
    run = Run(name, batch)
    run.train(0, np.full((1, run.steps), 0.01, np.float32))
    Path("/proc/self/clear_refs").write_text("5")  # restarts the peak of memory
    return run


def throughput(run, options):
    """Measure samples per second, `repeats` times over `epochs` epochs."""
    rates = np.full((options.epochs, run.steps), options.lr[0], np.float32)
    results = [run.train(options.seed[0], rates) for _ in range(options.repeats)]
    own = [memory_mb("RssAnon", worker.process.pid) for worker in pool.running()]
    yield {
        "batch": run.batch,
        "samples_per_s": [
            options.epochs * len(run.data.x) / r.seconds for r in results
        ],
        "peak_mb": memory_mb("VmHWM") + sum(own),
        "worker_mb": own,
        "mean_staleness": float(
            np.mean(results[-1].staleness @ np.arange(64) / results[-1].steps)
        ),
    }


def train(run, options):
    """Train once per learning rate and seed; time every epoch, test its snapshot."""
    test = load("t10k")
    for lr, seed in product(options.lr, options.seed):
        epochs = []
        rates = cosine(lr, options.budget, run.steps)
        run.train(seed, rates, True, lambda epoch, seen=epochs: seen.append(epoch))
        yield {
            "batch": run.batch,
            "lr": lr,
            "seed": seed,
            "seconds": [e.seconds for e in epochs],
            "accuracy": [accuracy(run.weights(e.params), *test) for e in epochs],
        }


if __name__ == "__main__":
    command_line(RUNS, warm_up, {"throughput": throughput, "train": train})
