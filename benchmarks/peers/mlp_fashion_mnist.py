"""Fashion-MNIST, 784-256-128-10: hogblock beside PyTorch, JAX and scikit-learn.

Measures, in one run on one machine:

- training throughput (samples/s) at several minibatch sizes: median of the repeats and
  their spread, warm-up and compilation excluded;
- time to a test accuracy of `TARGET`, evaluation excluded: learning rate and number of
  epochs (of a cosine schedule) are tuned for each side on `TUNING_SEEDS`, then the best
  setting is run with `SEEDS`; a run that never gets there counts as infinite;
- peak memory of the measured epochs.

Every side runs alone in processes of its own. A peer that is not installed is skipped
and named. Needs Debian's package ``dataset-fashion-mnist``; the peers are
``pip install torch==2.13.0 jax``.

    python -m benchmarks.peers.mlp_fashion_mnist       # all, about 25 minutes
    python -m benchmarks.peers.mlp_fashion_mnist --only throughput
    python -m benchmarks.peers.mlp_fashion_mnist --sides passm+-2,jax-scan

Prints tables (Markdown), writes a record (see record.py) and a picture beside it.
"""

from benchmarks.peers import hogblock_side, mlp_hogblock, mlp_peers
from benchmarks.peers.comparison import Comparison, main, options_parser

BATCHES = (32, 64, 256)
EPOCHS, REPEATS = 1, 5  # of a throughput measurement
TARGET = 0.89
ACCURACY_BATCH = 64
LEARNING_RATES = (0.02, 0.04, 0.08)
BUDGETS = (7, 10)
TUNING_SEEDS = (100, 101)
SEEDS = (0, 1, 2, 3, 4)

SIDES = {name: mlp_hogblock.__name__ for name in hogblock_side.RUNS}
SIDES |= {name: mlp_peers.__name__ for name in mlp_peers.PEERS}


if __name__ == "__main__":
    once = {"epochs": EPOCHS, "repeats": REPEATS}
    comparison = Comparison(
        name="mlp_fashion_mnist",
        modules=SIDES,
        ours=tuple(hogblock_side.RUNS),
        cases={f"batch {batch}": {"batch": batch} | once for batch in BATCHES},
        rounds=1,
        training={"batch": ACCURACY_BATCH},
        target=TARGET,
        learning_rates=LEARNING_RATES,
        budgets=BUDGETS,
        tuning_seeds=TUNING_SEEDS,
        seeds=SEEDS,
        baseline="torch",
        lowest_accuracy=0.84,
        highest_accuracy=0.9,
    )
    main(comparison, options_parser(__doc__.splitlines()[0], SIDES).parse_args())
