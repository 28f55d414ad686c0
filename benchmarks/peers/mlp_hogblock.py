"""hogblock's side of the Fashion-MNIST benchmark, see hogblock_side.py.

Same data, network, initial weights and momentum as the peers, and the same command line
(see mlp_peers.py)::

    python -m benchmarks.peers.mlp_hogblock passm+-2 throughput --batch 64
    python -m benchmarks.peers.mlp_hogblock sgd-1 train --lr 0.02,0.05 --seed 0,1
"""

from benchmarks.peers.hogblock_side import RUNS, hogblock_command_line
from benchmarks.problems import MLP
from hogblock.models import Dense, Network


def perceptron(problem):
    """hogblock's form of a `problems.Perceptron`."""
    inputs, *hidden, outputs = problem.widths
    layers = [Dense(units, "relu") for units in hidden] + [Dense(outputs)]
    return Network(layers, (inputs,))


if __name__ == "__main__":
    hogblock_command_line(RUNS, {MLP.name: MLP}, {MLP.name: perceptron})
