"""Peers of the Fashion-MNIST benchmark: PyTorch, JAX and scikit-learn on a CPU.

Every peer trains the same network (784-256-128-10, ReLU, softmax cross-entropy,
float32, SGD with momentum 0.9) from the same weights, at the fastest settings found.
See sides.py for what is measured::

    python -m benchmarks.peers.mlp_peers torch-2t throughput --batch 64
    python -m benchmarks.peers.mlp_peers jax-scan train --lr 0.02,0.05 --seed 0,1

Each prints a line of JSON per run (``train``: per combination of learning rate and
seed), with the reason if the peer is not available. From Python, use `sides.run_peer`.
Peers drop an epoch's incomplete batch, except scikit-learn.
"""

from functools import partial

import numpy as np

from benchmarks.peers.sides import Peer, command_line
from benchmarks.problems import MLP, MOMENTUM


def torch_peer(problem, *data, kind, **options):
    """Build a side of torch_sides.py; only its process imports PyTorch."""
    from benchmarks import torch_networks
    from benchmarks.peers import torch_sides

    model = torch_networks.Perceptron(problem)
    return getattr(torch_sides, kind)(model, *data, **options)


def jax_scan(problem, *data):
    """Build JAX's side; only its process imports JAX."""
    import jax

    from benchmarks.peers.jax_side import JaxScan

    def outputs(params, x):
        w1, b1, w2, b2, w3, b3 = params
        return jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3

    return JaxScan(outputs, problem, *data)


class Sklearn(Peer):
    """scikit-learn's MLPClassifier, a `partial_fit` and a learning rate an epoch."""

    def __init__(self, problem, x, y, batch):
        from sklearn.neural_network import MLPClassifier

        super().__init__(problem, x, y, batch)
        self.samples = len(x)
        options = dict(solver="sgd", momentum=MOMENTUM, alpha=0, batch_size=batch)
        options |= dict(nesterovs_momentum=problem.nesterov)
        options |= dict(hidden_layer_sizes=problem.widths[1:-1])
        self.make = partial(MLPClassifier, **options)

    def reset(self, weights):
        # An int as random_state would repeat one shuffle at every partial_fit.
        state = np.random.RandomState(self.rng.integers(2**32))
        self.estimator = self.make(random_state=state)
        # The weights exist only after a first call: let it see one batch, undo it.
        x, y = self.x[: self.batch], self.y[: self.batch]
        classes = np.arange(self.problem.widths[-1])
        self.estimator.partial_fit(x, y, classes=classes)
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
    "torch-1t": partial(torch_peer, kind="TorchEager", threads=1),
    "torch-2t": partial(torch_peer, kind="TorchEager", threads=2),
    "torch-compile-1t": partial(torch_peer, kind="TorchCompiled", threads=1),
    "torch-compile-2t": partial(torch_peer, kind="TorchCompiled", threads=2),
    "torch-hogwild-2p": partial(torch_peer, kind="TorchHogwild"),
    "jax-scan": jax_scan,
    "sklearn": Sklearn,
}


if __name__ == "__main__":
    command_line(PEERS, {MLP.name: MLP})
