"""Runs on a simulated CUDA device, and their replay by the CPU's kernels.

The simulator runs thread blocks one after another. With a fixed number of minibatches a
launch, the order of the steps is known: the same steps can be taken on the host.
"""

from dataclasses import replace

import numpy as np

from hogblock import schedules
from hogblock.engines.cpu import training
from hogblock.engines.cpu.memory import private_arrays
from hogblock.engines.cpu.pack import (
    arguments_of,
    begin,
    shared_specification,
    tasks_of,
)
from hogblock.engines.cuda import servers as cuda_servers
from hogblock.engines.cuda import training as cuda_training
from hogblock.engines.cuda.timing import Pace
from hogblock.engines.devices import Cuda
from hogblock.kernels import counters as c
from hogblock.kernels.cpu.run import run_steps
from hogblock.methods import SGD
from hogblock.models import Dense, Dropout, Network
from hogblock.training.run_plan import make_run_plan
from hogblock.training.settings import Settings, TrainingData

N, FEATURES, CLASSES, BATCH = 22, 5, 3, 5
BATCHES = 5  # the last has two samples
NONE = np.zeros(0, np.float32)
NETWORK = Network(
    [Dense(6, "relu"), Dropout(0.3), Dense(4, "tanh"), Dense(CLASSES)], (FEATURES,)
)
CARD = Cuda(threads=2)
RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(N, FEATURES)).astype(np.float32)
LABELS = X[:, :CLASSES].argmax(1).astype(np.int32)
DATA = TrainingData(X, LABELS, NONE, NONE, NONE)


def rates(epochs, batches=BATCHES, samples=N, *, schedule="constant", rate=0.1):
    """``rate`` and ``rate_points`` of settings."""
    table, points = schedules.rate_table(
        schedules.resolve(schedule),
        rate,
        0.5,
        epochs=epochs,
        batches=batches,
        samples=samples,
    )
    return {"rate": table, "rate_points": points}


def settings(method=None, workers=1, epochs=2, **changes):
    """Settings of a run on `DATA`."""
    values = dict(
        method=method or SGD(),
        workers=workers,
        batch=BATCH,
        epochs=epochs,
        loss="softmax",
        momentum=0.9,
        nesterov=False,
        shuffle=True,
        alpha=1e-2,
        seed=7,
    )
    return Settings(**(rates(epochs) | values | changes))


def start(network=NETWORK):
    """Parameters that a run begins with."""
    return network.initialise(np.random.RandomState(0))


class Watch:
    """An ``on_epoch`` that remembers, and answers what it is told to.

    stop : epoch after which to stop.
    answers : callables by epoch, which get the `Epoch`.
    """

    def __init__(self, stop=None, **answers):
        self.epochs, self.stop, self.answers = [], stop, answers

    def __call__(self, epoch):
        self.epochs.append(epoch)
        self.answers.get(f"at_{epoch.index}", lambda _: None)(epoch)
        return epoch.index == self.stop

    @property
    def params(self):
        """Snapshots of the parameters."""
        return [epoch.params for epoch in self.epochs]


def fit(chosen, watch=None, *, network=NETWORK, data=DATA, device=CARD, **options):
    """Run on a device, or on several."""
    several = isinstance(device, tuple)
    train = cuda_servers.train if several else cuda_training.train
    where = {"devices": device} if several else {"device": device}
    watch = watch or Watch()
    return train(network, data, chosen, start(network), watch, **where, **options)


def on_host(chosen, watch=None, *, network=NETWORK, data=DATA):
    """The same run on the host."""
    return training.train(network, data, chosen, start(network), watch or Watch())


def pace(monkeypatch, steps):
    """Give every launch so many minibatches, however long they take."""

    def begin(self):
        self.steps = steps

    monkeypatch.setattr(Pace, "__init__", begin)
    monkeypatch.setattr(Pace, "learn", lambda self, steps, seconds: None)


def launches(total, batches, steps):
    """Ranges of tickets of a run's launches."""
    low = 0
    while low < total:
        high = min(low + steps, (low // batches + 1) * batches)
        yield low, high
        low = high


class Replay:
    """Steps of a run one by one by the CPU's kernels, in the order that is asked for.

    servers : devices, each with the workers of the settings and a part of the model.
    """

    def __init__(self, chosen, *, network=NETWORK, data=DATA, servers=1):
        self.workers = chosen.workers
        everybody = replace(chosen, workers=servers * chosen.workers)
        keys = make_run_plan(network, data, everybody).worker_keys
        parts = chosen.workers if servers == 1 else servers
        plan = make_run_plan(network, data, replace(chosen, workers=parts))
        tasks, specification = tasks_of(plan), shared_specification(plan)
        self.total = plan.steps
        self.arrays, self._arguments = [], []
        for worker, key in enumerate(keys):
            server, rank = divmod(worker, chosen.workers)
            task = replace(tasks[rank if servers == 1 else server], key=int(key))
            own = private_arrays(specification)
            begin(own)
            if rank:  # a server's workers share these
                shared = self.arrays[server * chosen.workers]
                own |= {k: shared[k] for k in ("params", "counters", "rate_factor")}
            own["params"][:], own["rate_factor"][:] = start(network), 1
            for counter in (c.LIMIT, c.END):
                own["counters"][counter * c.STRIDE] = self.total
            self.arrays.append(own)
            own = own | dict(x=data.x, targets=data.targets, weights=data.weights)
            self._arguments.append((arguments_of(task, own), task.rank))

    def step(self, worker, ticket):
        """Let a worker do a minibatch."""
        self.arrays[worker]["counters"][c.TICKET * c.STRIDE] = ticket
        assert run_steps(*self._arguments[worker][0], 1) == 1

    def steps(self):
        """Of each worker."""
        return self.rows("record").view(np.int64)[:, :, c.STEPS].sum(1)

    def params(self, server=0):
        """Of a server."""
        return self.arrays[server * self.workers]["params"]

    def in_turn(self, low, high):
        """Launches layer by layer: a step of each worker, as long as it has any."""
        workers = self.workers

        def turn(ticket):
            return (ticket - low) // workers, ticket % workers

        for ticket in sorted(range(low, high), key=turn):
            self.step(ticket % workers, ticket)

    def team_by_team(self, low, high, server=0, servers=1):
        """A persistent launch: each team does all of its tickets, then the next."""
        for rank in range(self.workers):
            for ticket in range(low, high):
                if ticket % (servers * self.workers) == rank * servers + server:
                    self.step(server * self.workers + rank, ticket)

    def rows(self, name):
        """A row of an array of each worker."""
        pairs = zip(self.arrays, self._arguments, strict=True)
        return np.stack([arrays[name][rank] for arrays, (_, rank) in pairs])

    def updates(self, server=0):
        """Writes to each block."""
        counters = self.arrays[server * self.workers]["counters"]
        return counters[:: c.STRIDE][c.BLOCKS :]


def assert_close(found, expected):
    """Equal but for the order of sums."""
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-6)
