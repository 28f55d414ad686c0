"""What does not depend on the size of the data: start-up, small data, bookkeeping.

- import time of hogblock beyond that of scikit-learn's MLP;
- first fit with 2 workers in a new process (kernels cached), and later fits, less the
  training itself;
- digits, ``hidden_layer_sizes=(100,)``, equal epochs and minibatches: hogblock with one
  worker beside scikit-learn's MLP (``solver="sgd"``), BLAS on one thread and on all;
- cost of recording staleness: the atomic operations of a step on two blocks.

    python start_and_digits.py
"""

import json
import subprocess
import sys
import timeit
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from numba import njit
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier as SklearnMLP
from threadpoolctl import threadpool_limits

from hogblock import MLPClassifier
from hogblock.kernels.cpu.memory import atomic_add, atomic_load

REPEATS = 7
EPOCHS = 20
BATCHES = (64, 200)  # the default minibatches of hogblock and of scikit-learn
OUT = Path("results/start_and_digits.json")

IMPORT = """
import time
from sklearn.neural_network import MLPClassifier
start = time.perf_counter()
from hogblock import MLPClassifier
print(time.perf_counter() - start)
"""
FIT = """
import time
import numpy as np
from hogblock import MLPClassifier
rng = np.random.default_rng(0)
x, y = rng.normal(size=(20000, 100)).astype(np.float32), rng.integers(0, 5, 20000)
for _ in range(4):
    model = MLPClassifier(n_jobs=2, max_iter=1, learning_rate="cosine")
    start = time.perf_counter()
    model.fit(x, y)
    print(time.perf_counter() - start - model.training_seconds_)
"""


def of_a_new_process(source):
    """Numbers that a script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    return [float(line) for line in done.stdout.split()]


def fit_seconds(make):
    """Median seconds of one fit of `EPOCHS` epochs on digits."""
    x, y = load_digits(return_X_y=True)
    make().fit(x, y)
    return median(timeit.repeat(lambda: make().fit(x, y), number=1, repeat=REPEATS))


@njit(nogil=True)
def record(counters, staleness, seen, steps):
    """The bookkeeping of `steps` steps on two blocks."""
    for _ in range(steps):
        for block in range(2):
            seen[block] = atomic_load(counters + 64 * block)
        for block in range(2):
            age = atomic_add(counters + 64 * block, 1) - seen[block]
            staleness[0, block, min(age, 63)] += 1  # read
            staleness[1, block, min(age, 63)] += 1  # written


def record_nanoseconds():
    """Nanoseconds a step that the bookkeeping takes."""
    counters = np.zeros(16, np.int64)
    own = np.zeros((2, 2, 64), np.int64), np.zeros(2, np.int64)
    record(counters.ctypes.data, *own, 1)
    steps = 100_000
    runs = timeit.repeat(
        lambda: record(counters.ctypes.data, *own, steps), number=1, repeat=REPEATS
    )
    return 1e9 * median(runs) / steps


def digits_ratio(batch):
    """scikit-learn's best time over hogblock's."""
    shared = dict(hidden_layer_sizes=(100,), batch_size=batch, max_iter=EPOCHS)
    shared |= dict(learning_rate_init=0.01, random_state=0, tol=0.0)

    def ours():
        return MLPClassifier(n_jobs=1, **shared)

    def theirs():
        return SklearnMLP(solver="sgd", **shared)

    hogblock = fit_seconds(ours)
    all_threads = fit_seconds(theirs)
    with threadpool_limits(1, user_api="blas"):
        one_thread = fit_seconds(theirs)
    return min(one_thread, all_threads) / hogblock


def main():
    """Measure, print, write."""
    warnings.simplefilter("ignore")  # neither side is meant to converge here
    first, *later = of_a_new_process(FIT)
    result = {
        "import, s beyond scikit-learn's MLP": median(
            of_a_new_process(IMPORT)[0] for _ in range(REPEATS)
        ),
        "first fit with 2 workers, s before training": first,
        "later fits, s beside training": median(later),
        "recording staleness, ns a step": record_nanoseconds(),
    }
    for batch in BATCHES:
        result[f"digits, batch {batch}, times faster than scikit-learn"] = digits_ratio(
            batch
        )
    for name, value in result.items():
        print(f"{name:<70}{value:10.3f}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
