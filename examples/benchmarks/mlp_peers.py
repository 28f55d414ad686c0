"""Peers of the Fashion-MNIST benchmark: PyTorch, JAX and scikit-learn on a CPU.

Every peer trains the same network (784-256-128-10, ReLU, softmax cross-entropy,
float32, SGD with momentum 0.9) from the same weights, at the fastest settings found.
One process runs one peer, so that its threads and its memory are its own::

    python mlp_peers.py torch-2t throughput --batch 64 --epochs 3 --repeats 3
    python mlp_peers.py jax-scan train --batch 64 --lr 0.02,0.05 --budget 8 --seed 0,1

Each prints a line of JSON per run (``train``: per combination of learning rate and
seed), with the reason if the peer is not available. From Python, use `run_peer`.

Times cover the shuffle and the steps, not reading the data, a warm-up epoch (with
any compilation) or the evaluation. Peers drop an epoch's incomplete batch, except
scikit-learn. Memory is the peak of the measured epochs, from Linux's /proc.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np

DATA = Path("/usr/share/datasets/fashion-mnist")
MEAN, STD = 0.286, 0.353
LAYERS = (784, 256, 128, 10)
MOMENTUM = 0.9
LR, SEED = [0.02], [0]
# Of --epochs, `throughput` trains so many per repeat; of --budget, `train` in all.
COUNTS = {"batch": 64, "epochs": 3, "repeats": 3, "budget": 8}
HOGWILD_PROCESSES = 2
# A caller's thread settings must not reach the peers, which choose their own.
THREAD_VARIABLES = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "XLA_")


def load(split):
    """Read a split, "train" or "t10k": x float32 (n, 784), y int64 (n,)."""
    pixels = gzip.decompress((DATA / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((DATA / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(pixels, np.uint8, offset=16).astype(np.float32).reshape(-1, 784)
    x /= 255
    x -= MEAN
    x /= STD
    return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def initial_weights(seed):
    """Draw [W (in, out), b (out,), ...] from uniform(-1/sqrt(in), 1/sqrt(in))."""
    rng = np.random.default_rng(seed)
    return [
        rng.uniform(-(i**-0.5), i**-0.5, shape).astype(np.float32)
        for i, o in pairwise(LAYERS)
        for shape in ((i, o), (o,))
    ]


def cosine(lr, epochs, steps):
    """Return the learning rate of every step, float32 (epochs, steps)."""
    t = np.arange(epochs * steps, dtype=np.float32).reshape(epochs, steps)
    return lr * 0.5 * (1 + np.cos(np.pi * t / t.size))


def accuracy(weights, x, y):
    """Return the share of samples that the network labels rightly."""
    *hidden, last_w, last_b = weights
    for w, b in zip(hidden[::2], hidden[1::2], strict=True):
        x = np.maximum(x @ w + b, 0)
    return float(np.mean((x @ last_w + last_b).argmax(1) == y))


class Peer:
    """A peer defines `reset` (to these weights), `train` (an epoch) and `weights`."""

    def __init__(self, x, y, batch):
        self.x, self.y, self.batch = x, y, batch
        self.steps = len(x) // batch
        self.samples = self.steps * batch

    def start(self, seed, rates):
        """Begin a run of learning rates (epochs, steps): new weights, no momentum."""
        self.rng = np.random.default_rng(seed)
        self.rates = iter(rates)
        self.reset(initial_weights(seed))

    def epoch(self):
        """Shuffle and train one epoch."""
        order = self.rng.permutation(len(self.x))[: self.samples]
        self.train(order.reshape(self.steps, self.batch), next(self.rates))

    def close(self):
        """Stop what the peer started; return the memory (MB) of its processes."""
        return 0.0


class TorchPeer(Peer):
    """What the PyTorch peers share. Denormals are flushed, as XLA does by default."""

    def __init__(self, x, y, batch, threads):
        import torch

        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.set_flush_denormal(True)
        super().__init__(torch.as_tensor(x), torch.as_tensor(y), batch)
        self.torch = torch

    def weights(self):
        return [param.detach().numpy().T for param in self.params]


class TorchEager(TorchPeer):
    """PyTorch as commonly written: modules, autograd, the fused SGD."""

    share = slice(None)  # of the batches of an epoch

    def __init__(self, x, y, batch, threads):
        super().__init__(x, y, batch, threads)
        nn = self.torch.nn
        layers = [f for s in pairwise(LAYERS) for f in (nn.Linear(*s), nn.ReLU())]
        self.use(nn.Sequential(*layers[:-1]))

    def use(self, model):
        self.model, self.params = model, list(model.parameters())

    def reset(self, weights):
        with self.torch.no_grad():
            for param, w in zip(self.params, weights, strict=True):
                param.copy_(self.torch.from_numpy(w.T))
        options = {"lr": 0.0, "momentum": MOMENTUM, "fused": True}
        self.optimizer = self.torch.optim.SGD(self.params, **options)

    def train(self, batches, rates):
        group = self.optimizer.param_groups[0]
        indices = self.torch.from_numpy(batches[self.share])
        rates = rates[self.share].tolist()
        for index, group["lr"] in zip(indices, rates, strict=True):
            # As fast as x[order] once an epoch, or faster, without a second x.
            x, y = self.x.index_select(0, index), self.y.index_select(0, index)
            self.torch.nn.functional.cross_entropy(self.model(x), y).backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)


class TorchCompiled(TorchPeer):
    """PyTorch with the whole step, gather to update, compiled as one graph."""

    def __init__(self, x, y, batch, threads):
        super().__init__(x, y, batch, threads)
        options = {"fullgraph": True, "options": {"cpp_wrapper": True}}
        self.step = self.torch.compile(self.plain_step, dynamic=False, **options)

    def loss(self, params, x, y):
        linear, relu = self.torch.nn.functional.linear, self.torch.relu
        x = relu(linear(relu(linear(x, *params[:2])), *params[2:4]))
        return self.torch.nn.functional.cross_entropy(linear(x, *params[4:]), y)

    def plain_step(self, params, momenta, x, y, index, rate):
        x, y = x.index_select(0, index), y.index_select(0, index)
        # loss.backward() would break the graph, and be no faster than the eager mode.
        grads = self.torch.func.grad(self.loss)(params, x, y)
        for param, u, grad in zip(params, momenta, grads, strict=True):
            u.mul_(MOMENTUM).add_(grad)
            param.sub_(rate * u)

    def reset(self, weights):
        self.params = [self.torch.from_numpy(w.T.copy()) for w in weights]
        self.momenta = [self.torch.zeros_like(param) for param in self.params]

    def train(self, batches, rates):
        batches, rates = (self.torch.from_numpy(a).unbind() for a in (batches, rates))
        with self.torch.no_grad():
            for index, rate in zip(batches, rates, strict=True):
                self.step(self.params, self.momenta, self.x, self.y, index, rate)


def hogwild_process(pipe, rank, model, *args):
    """Train a share of each epoch's batches: serve the messages of `TorchHogwild`."""
    worker = TorchEager(*args, threads=1)
    worker.use(model)
    worker.share = slice(rank, None, HOGWILD_PROCESSES)
    for method, *arguments in iter(pipe.recv, None):
        getattr(worker, method)(*arguments)
        pipe.send("done")
    # Shared pages (data, weights, libraries) are counted in the parent.
    pipe.send(memory_mb("RssAnon"))


class TorchHogwild(TorchEager):
    """PyTorch's Hogwild example: processes update one model in shared memory."""

    def __init__(self, x, y, batch):
        super().__init__(x, y, batch, threads=1)
        shared = [tensor.share_memory_() for tensor in (self.x, self.y)]
        context = self.torch.multiprocessing.get_context("spawn")
        self.pipes = []
        for rank in range(HOGWILD_PROCESSES):
            pipe, other = context.Pipe()
            args = other, rank, self.model.share_memory(), *shared, batch
            context.Process(target=hogwild_process, args=args, daemon=True).start()
            other.close()
            self.pipes.append(pipe)

    def ask(self, message):
        """Send `message` to every process; return their answers."""
        for pipe in self.pipes:
            pipe.send(message)
        return [pipe.recv() for pipe in self.pipes]

    def start(self, seed, rates):
        self.ask(("start", seed, rates))

    def epoch(self):
        self.ask(("epoch",))

    def close(self):
        return sum(self.ask(None))


class JaxScan(Peer):
    """JAX with an epoch as one jitted scan over donated weights and momentum."""

    def __init__(self, x, y, batch):
        import jax
        import jax.numpy as jnp

        super().__init__(jnp.asarray(x), jnp.asarray(y, jnp.int32), batch)
        self.jax = jax

        def loss(params, x, y):
            w1, b1, w2, b2, w3, b3 = params
            x = jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2)
            log_p = jax.nn.log_softmax(x @ w3 + b3)
            return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], 1))

        def epoch(state, x, y, batches, rates):
            def step(state, batch):
                params, momenta = state
                index, rate = batch
                # Gathering here beats permuting x before the scan, jitted or not.
                grads = jax.grad(loss)(params, x[index], y[index])
                momenta = jax.tree.map(lambda u, g: MOMENTUM * u + g, momenta, grads)
                params = jax.tree.map(lambda p, u: p - rate * u, params, momenta)
                return (params, momenta), None

            return jax.lax.scan(step, state, (batches, rates))[0]

        self.run = jax.jit(epoch, donate_argnums=0)

    def reset(self, weights):
        params = [self.jax.numpy.array(w) for w in weights]
        self.state = params, [0 * param for param in params]

    def train(self, batches, rates):
        batches = batches.astype(np.int32)
        state = self.run(self.state, self.x, self.y, batches, rates)
        self.state = self.jax.block_until_ready(state)

    def weights(self):
        return [np.asarray(param) for param in self.state[0]]


class Sklearn(Peer):
    """scikit-learn's MLPClassifier, a `partial_fit` and a learning rate an epoch."""

    def __init__(self, x, y, batch):
        from sklearn.neural_network import MLPClassifier

        super().__init__(x, y, batch)
        self.samples = len(x)
        options = dict(solver="sgd", momentum=MOMENTUM, nesterovs_momentum=False)
        options |= dict(alpha=0, batch_size=batch, hidden_layer_sizes=LAYERS[1:-1])
        self.make = partial(MLPClassifier, **options)

    def reset(self, weights):
        # An int as random_state would repeat one shuffle at every partial_fit.
        state = np.random.RandomState(self.rng.integers(2**32))
        self.estimator = self.make(random_state=state)
        # The weights exist only after a first call: let it see one batch, undo it.
        x, y = self.x[: self.batch], self.y[: self.batch]
        self.estimator.partial_fit(x, y, classes=np.arange(LAYERS[-1]))
        for param, w in zip(self.weights(), weights, strict=True):
            param[...] = w
        for velocity in self.estimator._optimizer.velocities:
            velocity[...] = 0

    def epoch(self):
        # Its velocity holds the rate (v = m*v - lr*g): PyTorch's but when lr changes.
        self.estimator._optimizer.learning_rate = float(next(self.rates).mean())
        self.estimator.partial_fit(self.x, self.y)

    def weights(self):
        pairs = zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True)
        return [array for pair in pairs for array in pair]


PEERS = {
    "torch-1t": partial(TorchEager, threads=1),
    "torch-2t": partial(TorchEager, threads=2),
    "torch-compile-1t": partial(TorchCompiled, threads=1),
    "torch-compile-2t": partial(TorchCompiled, threads=2),
    "torch-hogwild-2p": TorchHogwild,
    "jax-scan": JaxScan,
    "sklearn": Sklearn,
}


def memory_mb(field, process="self"):
    """Read a field of a process's memory, in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) / 1024


def warm_up(name, batch):
    """Build a peer and run one epoch, compiling whatever it compiles."""
    peer = PEERS[name](*load("train"), batch)
    peer.start(0, np.full((1, peer.steps), 0.01, np.float32))
    peer.epoch()
    Path("/proc/self/clear_refs").write_text("5")  # restarts the peak of memory
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
    test = load("t10k")
    for lr, seed in product(options.lr, options.seed):
        peer.start(seed, cosine(lr, options.budget, peer.steps))
        seconds, scores = [], []
        for _ in range(options.budget):
            seconds.append(timed(peer, 1))
            scores.append(accuracy(peer.weights(), *test))
        run = {"batch": peer.batch, "lr": lr, "seed": seed, "accuracy": scores}
        yield run | {"seconds": np.cumsum(seconds).tolist()}
    peer.close()


def run_peer(name, action, script=__file__, **options):
    """Run a peer (with the command line's options) in a process; return its lines."""
    command = [sys.executable, script, name, action]
    for option, value in options.items():
        values = value if isinstance(value, list | tuple) else [value]
        command += [f"--{option}", ",".join(map(str, values))]
    env = {k: v for k, v in os.environ.items() if not k.startswith(THREAD_VARIABLES)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]
    if done.returncode:
        why = f"exit status {done.returncode}: {done.stderr[-500:]}"
        lines.append({"peer": name, "available": False, "why": why})
    return lines


def command_line(names, prepare, actions):
    """Run the peer that the command line names, and print its lines.

    Parameters
    ----------
    names : iterable of str
    prepare : callable
        ``prepare(name, batch)`` builds and warms up a peer.
    actions : dict of str to callable
        ``action(peer, options)`` yields what it measured.
    """
    parser = argparse.ArgumentParser(description="Measure one peer.")
    parser.add_argument("peer", choices=names)
    parser.add_argument("action", choices=actions)
    for option, default in COUNTS.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    many = {"type": lambda text: json.loads(f"[{text}]"), "help": "or several: 1,2"}
    parser.add_argument("--lr", default=LR, **many)
    parser.add_argument("--seed", default=SEED, **many)
    options = parser.parse_args()
    peer = {"peer": options.peer}
    try:
        ready = prepare(options.peer, options.batch)
        for line in actions[options.action](ready, options):
            print(json.dumps(peer | {"available": True} | line), flush=True)
    # A package, a compiler or shared memory may be missing, or a run may diverge.
    except Exception as error:
        why = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(peer | {"available": False, "why": why}))


if __name__ == "__main__":
    command_line(PEERS, warm_up, {"throughput": throughput, "train": train})
