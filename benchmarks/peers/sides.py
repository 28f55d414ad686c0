"""What the sides of a comparison share: how one is run, timed and told what to do.

One process runs one side, so that its threads and its memory are its own. Its module
hands its sides to `command_line`; a driver calls `run_peer`. Each run prints a line of
JSON, with the reason if the side is not available.

Times cover the shuffle and the steps, gathering minibatches included, not reading the
data, a warm-up epoch (with any compilation) or the evaluation. Memory is the peak of
the measured epochs, from Linux's /proc.
"""

import argparse
import json
import subprocess
import time
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.problems import cosine
from benchmarks.processes import command, environment

LR, SEED = [0.02], [0]
# Of --epochs, `throughput` trains so many per repeat; of --budget, `train` in all.
# An epoch is the first --samples of the training set.
COUNTS = {"batch": 64, "epochs": 3, "repeats": 3, "budget": 8, "samples": 60_000}
WARM_UP_RATE = 0.01


class Peer:
    """A peer defines `reset` (to these weights), `train` (an epoch) and `weights`.

    It drops an epoch's incomplete batch.
    """

    def __init__(self, problem, x, y, batch):
        self.problem = problem
        self.x, self.y, self.batch = x, y, batch
        self.steps = len(x) // batch
        self.samples = self.steps * batch

    def start(self, seed, rates):
        """Begin a run of learning rates (epochs, steps): new weights, no momentum."""
        self.rng = np.random.default_rng(seed)
        self.rates = iter(rates)
        self.reset(self.problem.initial_weights(seed))

    def epoch(self):
        """Shuffle and train one epoch."""
        order = self.rng.permutation(len(self.x))[: self.samples]
        self.train(order.reshape(self.steps, self.batch), next(self.rates))

    def close(self):
        """Stop what the peer started; return the memory (MB) of its processes."""
        return 0.0


def memory_mb(field, process="self"):
    """Read a field of a process's memory, in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) / 1024


def forget_peak_memory():
    """Restart the peak (VmHWM) of this process's memory."""
    Path("/proc/self/clear_refs").write_text("5")


def training_set(problem, options):
    """Read the samples that the options ask for."""
    x, y = problem.load("train")
    return x[: options.samples], y[: options.samples]


def warm_up(make, problem, options):
    """Build a peer and run one epoch, compiling whatever it compiles."""
    peer = make(problem, *training_set(problem, options), options.batch)
    peer.start(0, np.full((1, peer.steps), WARM_UP_RATE, np.float32))
    peer.epoch()
    forget_peak_memory()
    return peer


def timed(peer, epochs):
    """Train `epochs` epochs; return the seconds."""
    start = time.perf_counter()
    for _ in range(epochs):
        peer.epoch()
    return time.perf_counter() - start


def throughput(peer, options):
    """Measure samples per second, `repeats` times over `epochs` epochs."""
    shape = options.repeats * options.epochs, peer.steps
    peer.start(options.seed[0], np.full(shape, options.lr[0], np.float32))
    seconds = [timed(peer, options.epochs) for _ in range(options.repeats)]
    speeds = [options.epochs * peer.samples / s for s in seconds]
    peak = memory_mb("VmHWM") + peer.close()
    yield {"batch": peer.batch, "samples_per_s": speeds, "peak_mb": peak}


def train(peer, options):
    """Train once per learning rate and seed; time and test every epoch."""
    test = peer.problem.load("t10k")
    for lr, seed in product(options.lr, options.seed):
        peer.start(seed, cosine(lr, options.budget, peer.steps))
        seconds, scores = [], []
        for _ in range(options.budget):
            seconds.append(timed(peer, 1))
            scores.append(peer.problem.accuracy(peer.weights(), *test))
        run = {"batch": peer.batch, "lr": lr, "seed": seed, "accuracy": scores}
        yield run | {"seconds": np.cumsum(seconds).tolist()}
    peer.close()


ACTIONS = {"throughput": throughput, "train": train}


def run_peer(name, action, module, **options):
    """Run a peer in a process of its own.

    Parameters
    ----------
    name, action, module : str
        Peer, what to measure, and the module that knows the peer.
    **options
        Of the command line; a list or tuple stands for several values.

    Returns
    -------
    list of dict
        The lines that it prints.
    """
    told = []
    for option, value in options.items():
        values = value if isinstance(value, list | tuple) else [value]
        told += [f"--{option}", ",".join(map(str, values))]
    done = subprocess.run(
        command(module, name, action, *told), env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]
    if done.returncode:
        why = f"exit status {done.returncode}: {done.stderr[-500:]}"
        lines.append({"peer": name, "available": False, "why": why})
    return lines


def command_line(peers, problems, prepare=warm_up, actions=ACTIONS):
    """Run the peer that the command line names, and print its lines.

    Parameters
    ----------
    peers : dict of str to anything
        By name, what `prepare` needs to build a peer.
    problems : dict of str to problem
        By the network's name; the first is the default.
    prepare : callable
        ``prepare(peers[name], problem, options)`` builds and warms up a peer.
    actions : dict of str to callable
        ``action(peer, options)`` yields what it measured.
    """
    parser = argparse.ArgumentParser(description="Measure one peer.")
    parser.add_argument("peer", choices=peers)
    parser.add_argument("action", choices=actions)
    parser.add_argument("--network", choices=problems, default=next(iter(problems)))
    for option, default in COUNTS.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    many = {"type": lambda text: json.loads(f"[{text}]"), "help": "or several: 1,2"}
    parser.add_argument("--lr", default=LR, **many)
    parser.add_argument("--seed", default=SEED, **many)
    options = parser.parse_args()
    peer = {"peer": options.peer}
    try:
        ready = prepare(peers[options.peer], problems[options.network], options)
        for line in actions[options.action](ready, options):
            print(json.dumps(peer | {"available": True} | line), flush=True)
    # A package, a compiler or shared memory may be missing, or a run may diverge.
    except Exception as error:
        why = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(peer | {"available": False, "why": why}))
