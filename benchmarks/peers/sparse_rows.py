"""Sparse X beside scikit-learn's MLP: samples a second, and memory.

20,000 rows of 50,000 features, of which 100 are not zero, and 100 hidden units.
Each visit of a side is a process of its own; visits take turns.

    python -m benchmarks.peers.sparse_rows

Samples a second are of whole epochs, start and validation of X left out: the slope
between fits of a few and of more epochs. Memory is the largest sum of the proportional
set sizes of all processes, less what it was before the fit (X among it), as a multiple
of X. The model of 100 units is larger than X, that of a single one is not.
"""

import argparse
import json
import subprocess
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
import scipy.sparse as sp

from benchmarks import record
from benchmarks.checkout import ROOT
from benchmarks.processes import command

ROWS, FEATURES, VALUES = 20_000, 50_000, 100
REPEATS = 3
COMMON = {"hidden_layer_sizes": (100,), "random_state": 0, "tol": 0.0}
SIDES = {  # options, and the epochs of the two fits
    "hogblock, 1 worker, batch 64": ({"batch_size": 64}, (2, 12)),
    "hogblock, 2 workers, batch 64": ({"batch_size": 64, "n_jobs": 2}, (2, 12)),
    "hogblock, 1 worker, batch 200": ({"batch_size": 200}, (2, 12)),
    "hogblock, 2 workers, batch 200": ({"batch_size": 200, "n_jobs": 2}, (2, 12)),
    "scikit-learn, sgd, batch 64": ({"batch_size": 64, "solver": "sgd"}, (1, 2)),
    "scikit-learn, sgd, batch 200": ({"batch_size": 200, "solver": "sgd"}, (1, 3)),
    "scikit-learn, adam, batch 200": ({"batch_size": 200, "solver": "adam"}, (1, 2)),
}


def problem():
    """X in float32 and two classes."""
    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(ROWS), VALUES)
    columns = random.integers(0, FEATURES, len(rows))
    values = random.random(len(rows), np.float32)
    X = sp.csr_matrix((values, (rows, columns)), (ROWS, FEATURES))
    return X, (np.asarray(X[:, :2000].sum(axis=1)).ravel() > 2).astype(int)


def size_of_all():
    """Proportional set size of this process and its children, in bytes."""
    me = psutil.Process()
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


class Watch:
    """Looks at the memory of all processes while a block runs."""

    def __enter__(self):
        self.before = self.largest = size_of_all()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self):
        while not self._over.wait(0.02):
            self.largest = max(self.largest, size_of_all())

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()


def estimator_of(side, epochs, **changes):
    """The estimator of a side."""
    options = COMMON | SIDES[side][0] | changes
    if side.startswith("hogblock"):
        from hogblock import MLPClassifier
    else:
        from sklearn.neural_network import MLPClassifier
    return MLPClassifier(max_iter=epochs, **options)


def memory_of(side, X, y, **changes):
    """What a fit takes, as a multiple of X."""
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    with Watch() as watch:
        estimator_of(side, 1, **changes).fit(X, y)
    return (watch.largest - watch.before) / size


def visit(side):
    """What a side does in this process."""
    warnings.simplefilter("ignore")  # nothing is meant to converge here
    X, y = problem()
    estimator_of(side, 1).fit(X[:500], y[:500])  # imports, kernels, worker processes
    seconds = []
    for epochs in SIDES[side][1]:
        start = time.perf_counter()
        estimator_of(side, epochs).fit(X, y)
        seconds.append(time.perf_counter() - start)
    few, more = SIDES[side][1]
    return {
        "samples/s": ROWS * (more - few) / (seconds[1] - seconds[0]),
        "memory over X": memory_of(side, X, y),
        "memory over X, 1 hidden unit": memory_of(side, X, y, hidden_layer_sizes=(1,)),
    }


def measure(repeats):
    """All visits, by side."""
    visits = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side, found in visits.items():
            line = command("benchmarks.peers.sparse_rows", "--side", side)
            done = subprocess.run(
                line, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
            )
            found.append(json.loads(done.stdout))
            print(side, {k: round(v, 2) for k, v in found[-1].items()}, flush=True)
    return visits


def draw(figures, path):
    """Samples a second of each side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained", dpi=120)
    ax = figure.subplots()
    found = {s: figures[f"{s}, samples/s"] for s in SIDES}
    ax.barh(list(found), [f["median"] for f in found.values()])
    ax.invert_yaxis()
    ax.set_xlabel("samples a second")
    figure.savefig(path)


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(visit(options.side)))
        return
    visits = measure(options.repeats)
    figures = {
        f"{side}, {name}": record.spread([each[name] for each in found])
        for side, found in visits.items()
        for name in found[0]
    }
    record.show(figures)
    settings = {"rows": ROWS, "features": FEATURES, "values a row": VALUES, **COMMON}
    path = record.write(options.out, "sparse_rows", settings, figures, visits=visits)
    draw(figures, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
