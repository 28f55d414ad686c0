"""hogblock's side of the convolutional benchmark, see hogblock_side.py.

Same data, networks, initial weights and momentum as the peers, and the same command
line (see cnn_peers.py)::

    python -m benchmarks.peers.cnn_hogblock passm+-2 throughput --network lenet5
    python -m benchmarks.peers.cnn_hogblock sgd-1 train --lr 0.02,0.05 --seed 0,1
"""

from benchmarks.peers.hogblock_side import hogblock_command_line
from benchmarks.problems import CLASSES, CONVNETS
from hogblock.models import lenet5, resnet8, small_convnet

RUNS = (
    "sgd-1",
    "sync-2",
    "hogwild-2",
    "assm-2",
    "passm-2",
    "passm+-2",
    "passm+-partial-2",
)
NETWORKS = {
    "conv16-32": lambda problem: small_convnet(problem.shape, CLASSES),
    "lenet5": lambda problem: lenet5(problem.shape, CLASSES),
    "resnet8": lambda problem: resnet8(problem.shape, CLASSES),
}


if __name__ == "__main__":
    hogblock_command_line(RUNS, CONVNETS, NETWORKS)
