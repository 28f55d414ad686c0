"""hogblock's sides of the GPU benchmark: a method, G workers, teams of S blocks.

Same data, networks, initial weights and momentum as PyTorch's. The training set lies on
the card before the clock starts; times of training are the engine's own, from the first
step to the last, evaluation excluded. With ``device`` "cpu" the engine runs in Numba's
simulator.

    python -m benchmarks.gpu.hogblock_side JOB     # see child.py
"""

import sys
import time
from statistics import mean

import numpy as np

from benchmarks.gpu.child import serve, throughput, to_target
from benchmarks.gpu.model import predict
from benchmarks.gpu.phases import phase_rates
from benchmarks.gpu.problems import NETWORKS, TINY, network_of, samples, use_data
from benchmarks.problems import MOMENTUM
from hogblock import methods
from hogblock.training.settings import Settings, TrainingData

LR = 0.01
SEED = 0
SIMULATED_THREADS = 4
SWITCH_SECONDS = 1e-5
METHODS = {
    "sgd": methods.SGD,
    "hogwild": methods.Hogwild,
    "passm": methods.PASSM,
    "passm+": methods.PASSMPlus,
}


def cuda_device(blocks, simulated):
    """Build hogblock's description of the card."""
    from hogblock.engines.devices import Cuda

    own = {"threads": SIMULATED_THREADS} if simulated else {}
    return Cuda(blocks_per_worker=blocks, **own)


class CudaEngine:
    """hogblock's engine for cards, as `Side` uses an engine.

    Parameters
    ----------
    blocks : int
        Of a team.
    simulated : bool
    """

    def __init__(self, blocks, simulated):
        from hogblock.engines.cuda import engine, training
        from hogblock.engines.cuda.arrays import Arrays

        self.engine, self.training = engine, training
        self.device = cuda_device(blocks, simulated)
        self.to_device = Arrays(self.device).to_device

    def usable_workers(self, network, method, workers, batches):
        """Workers that a run can use."""
        return self.engine.usable_workers(network, method, workers, batches)

    def train(self, *arguments):
        """Train; returns a ``Result``."""
        return self.training.train(*arguments, device=self.device)


class Side:
    """One setting on one network.

    Parameters
    ----------
    case : dict
        ``network``, ``batch``, ``method``, ``workers``.
    engine : object
        ``train``, ``usable_workers`` and ``to_device``, see `CudaEngine`.
    tiny : bool
    """

    def __init__(self, case, engine, tiny=False):
        self.problem = (TINY if tiny else NETWORKS)[case["network"]]
        self.network, self.engine, self.tiny = network_of(self.problem), engine, tiny
        x, y = samples(self.problem, "train", tiny)
        none = np.zeros(0, np.float32)
        x = engine.to_device(np.ascontiguousarray(x))
        self.data = TrainingData(x, y.astype(np.int32), none, none, none)
        self.test = None
        self.batch, self.samples = case["batch"], len(y)
        self.steps = -(-len(y) // self.batch)
        self.method = METHODS[case["method"]]()
        self.workers = engine.usable_workers(
            self.network, self.method, case["workers"], self.steps
        )

    def fit(self, seed, rates, gate="open", on_epoch=lambda epoch: False):
        """Train with the learning rates (epochs, steps); returns a ``Result``."""
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
        params = np.zeros(self.network.size, np.float32)
        weights = self.problem.initial_weights(seed)
        for tensor, w in zip(self.network.tensors, weights, strict=True):
            tensor.view(params)[:] = w.reshape(tensor.rows, tensor.columns)
        return self.engine.train(self.network, self.data, settings, params, on_epoch)

    def run(self, epochs):
        """Train some epochs at one learning rate, see `child.throughput`."""
        rates = np.full((epochs, self.steps), LR, np.float32)
        start = time.perf_counter()
        result = self.fit(SEED, rates)
        wall = time.perf_counter() - start
        own = {"seconds": result.seconds, "wall": wall}
        return own | {"device": result.device_seconds}

    def train(self, seed, rates):
        """Train with the rates (epochs, steps), see `child.to_target`."""
        epochs = []
        self.fit(seed, rates, "held", lambda epoch: epochs.append(epoch) and False)
        accuracy = [self.accuracy(epoch.params) for epoch in epochs]
        return [epoch.seconds for epoch in epochs], accuracy

    def accuracy(self, params):
        """Return the share of test samples that the network labels rightly."""
        if self.test is None:
            x, y = samples(self.problem, "t10k", self.tiny)
            self.test = self.engine.to_device(x), self.engine.to_device(y)
        weights = [t.view(params).reshape(t.shape) for t in self.network.tensors]
        weights = [self.engine.to_device(np.ascontiguousarray(w)) for w in weights]
        return self.problem.accuracy(weights, *self.test)  # NumPy's API, on the card

    def sweep(self, case):
        """Measure speed and the loss of the last of some epochs, seed by seed.

        Returns
        -------
        dict
            ``samples_per_s`` and ``losses`` (of the last epoch), one a seed, and
            ``mean_staleness``.
        """
        self.run(1)
        rates = np.full((case["epochs"], self.steps), case["lr"], np.float32)
        results = [self.fit(seed, rates) for seed in case["seeds"]]
        n = case["epochs"] * self.samples
        return {
            "workers_used": self.workers,
            "samples_per_s": [n / r.seconds for r in results],
            "losses": [float(r.losses[-1]) for r in results],
            "mean_staleness": mean(map(mean_staleness, results)),
        }


def mean_staleness(result):
    """Mean age of a run's writes."""
    counts = np.asarray(result.staleness, float).sum(0)
    return float(counts @ np.arange(len(counts)) / max(1, counts.sum()))


def side_of(case, job):
    """Build the side that a case names."""
    use_data(job.get("data"))
    simulated = job["device"] == "cpu"
    if simulated:  # its threads wait for each other all the time
        sys.setswitchinterval(SWITCH_SECONDS)
    engine = CudaEngine(case["blocks"], simulated)
    return Side(case, engine, job["tiny"])


def phases_of(case, job):
    """Time the phases that a case names, beside what given rates predict."""
    network = network_of((TINY if job["tiny"] else NETWORKS)[case["network"]])
    device = cuda_device(case["blocks"], job["device"] == "cpu")
    run = predict(network, case["batch"], 1, case["blocks"])
    seconds = phase_rates(network, case["batch"], device)
    return {"seconds": seconds, "predicted": run["phases"]}


if __name__ == "__main__":
    serve(
        {
            "throughput": lambda case, job, clock: throughput(
                side_of(case, job), clock, job["tiny"]
            ),
            "target": lambda case, job, clock: to_target(
                side_of(case, job), case, clock
            ),
            "sweep": lambda case, job, clock: side_of(case, job).sweep(case),
            "phases": lambda case, job, clock: phases_of(case, job),
        }
    )
