"""Small data, where a fit's own costs count: digits, beside scikit-learn's MLP.

``hidden_layer_sizes=(100,)``, equal epochs and minibatches: hogblock with one worker,
scikit-learn with ``solver="sgd"``, BLAS on one thread and on all.

    python -m benchmarks.start_up.small_data

Prints the figures and writes a record (see record.py).
"""

import argparse
import timeit
import warnings
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier as SklearnMLP
from threadpoolctl import threadpool_limits

from benchmarks import record
from hogblock import MLPClassifier

REPEATS = 7
BATCHES = (64, 200)  # the default minibatches of hogblock and of scikit-learn
OPTIONS = {
    "hidden_layer_sizes": (100,),
    "max_iter": 20,
    "learning_rate_init": 0.01,
    "random_state": 0,
    "tol": 0.0,
}


def fit_seconds(make, repeats):
    """Seconds of fits on digits, and their spread."""
    x, y = load_digits(return_X_y=True)
    make().fit(x, y)
    seconds = timeit.repeat(lambda: make().fit(x, y), number=1, repeat=repeats)
    return record.spread(seconds)


def compare(batch, repeats):
    """Seconds of a fit of each side."""

    def ours():
        return MLPClassifier(n_jobs=1, batch_size=batch, **OPTIONS)

    def theirs():
        return SklearnMLP(solver="sgd", batch_size=batch, **OPTIONS)

    found = {
        "hogblock, s": fit_seconds(ours, repeats),
        "scikit-learn, all threads, s": fit_seconds(theirs, repeats),
    }
    with threadpool_limits(1, user_api="blas"):
        found["scikit-learn, one thread, s"] = fit_seconds(theirs, repeats)
    return found


def ratio(found):
    """scikit-learn's best time over hogblock's."""
    ours, *theirs = (seconds["median"] for seconds in found.values())
    return min(theirs) / ours


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # neither side is meant to converge here
    figures = {}
    for batch in BATCHES:
        found = compare(batch, options.repeats)
        print(f"batch {batch}: {ratio(found):.2f} times faster than scikit-learn")
        figures |= {f"batch {batch}, {name}": s for name, s in found.items()}
    record.show(figures)
    record.write(options.out, "small_data", OPTIONS, figures)


if __name__ == "__main__":
    main()
