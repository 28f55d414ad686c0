"""Convolutional networks on Fashion-MNIST: hogblock beside PyTorch and JAX.

Measures, in one run on one machine:

- training throughput (samples/s) at minibatches of 64 of "conv16-32", "lenet5" and, on
  random images of 32 x 32 x 3, "resnet8" (see problems.py), warm-up and compilation
  excluded: all sides take turns, `ROUNDS` times; median and spread of all repeats;
- time to a test accuracy of `TARGET` with "conv16-32", evaluation excluded, and the
  accuracy after `BUDGET` epochs: the learning rate (of a cosine schedule) is tuned for
  each side on `TUNING_SEEDS`, then the best is run with several seeds; a run that never
  gets there counts as infinite. PyTorch takes part with Hogwild and with the mode that
  was fastest in the throughput measurement;
- peak memory of the measured epochs.

Every side runs alone in processes of its own. A peer that is not installed is skipped
and named. Needs Debian's package ``dataset-fashion-mnist``; the peers are
``pip install torch==2.13.0 jax``.

    python -m benchmarks.peers.cnn_fashion_mnist       # all
    python -m benchmarks.peers.cnn_fashion_mnist --networks lenet5,resnet8
    python -m benchmarks.peers.cnn_fashion_mnist --add --sides passm+-2

The machine should have nothing else to do: PyTorch's modes with 2 threads meet at a
barrier after every operation, and lose most of their speed when a core is busy.

Without a throughput measurement, in this run or (with ``--add``) in the last record,
every PyTorch mode of ``--sides`` trains to the target. Prints tables (Markdown), writes
a record (see record.py) and a picture beside it.
"""

from benchmarks.peers import cnn_hogblock, cnn_peers
from benchmarks.peers.comparison import Comparison, main, options_parser
from benchmarks.peers.comparison_report import fastest

BATCH = 64
ROUNDS, REPEATS = 3, 2  # of a throughput measurement, each of one short epoch:
SAMPLES = {"conv16-32": 12_800, "lenet5": 25_600, "resnet8": 1_920}
TARGET = 0.91
TARGET_NETWORK = "conv16-32"
LEARNING_RATES = (0.02, 0.04, 0.08)
BUDGET = 10
TUNING_SEEDS = (100,)
SEEDS = 5

SIDES = {name: cnn_hogblock.__name__ for name in cnn_hogblock.RUNS}
SIDES |= {name: cnn_peers.__name__ for name in cnn_peers.PEERS}


def with_fastest_torch(sides, throughput):
    """Drop PyTorch's modes but the fastest of the throughput measurement."""
    modes = [side for side in sides if side in cnn_peers.MODES]
    row = throughput.get(TARGET_NETWORK, {})
    measured = {side: row[side] for side in modes if side in row}
    if not measured:
        return sides
    return [side for side in sides if side not in modes or side == fastest(measured)]


def describe(options):
    """Comparison that the command line asks for."""
    cases = {
        network: {
            "network": network,
            "samples": SAMPLES[network],
            "batch": BATCH,
            "epochs": 1,
            "repeats": options.repeats,
        }
        for network in options.networks.split(",")
    }
    return Comparison(
        name="cnn_fashion_mnist",
        modules=SIDES,
        ours=cnn_hogblock.RUNS,
        cases=cases,
        rounds=options.rounds,
        training={"network": TARGET_NETWORK, "batch": BATCH},
        target=TARGET,
        learning_rates=LEARNING_RATES,
        budgets=(BUDGET,),
        tuning_seeds=TUNING_SEEDS,
        seeds=tuple(range(options.seeds)),
        baseline="torch",
        lowest_accuracy=0.84,
        highest_accuracy=0.93,
    )


if __name__ == "__main__":
    parser = options_parser(__doc__.splitlines()[0], SIDES)
    parser.add_argument("--networks", default=",".join(SAMPLES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    main(describe(options), options, with_fastest_torch)
