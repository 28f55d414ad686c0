"""What start-up costs: importing hogblock, and a first fit with workers.

- import time of hogblock beyond that of scikit-learn's MLP;
- first fit with 2 workers in a new process (kernels cached), and later fits, less the
  training itself.

    python -m benchmarks.start_up.first_fit

Prints the figures and writes a record (see record.py).
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import record

REPEATS = 7
ROWS, FEATURES, CLASSES = 20_000, 100, 5

IMPORT = """
import time
from sklearn.neural_network import MLPClassifier
start = time.perf_counter()
from hogblock import MLPClassifier
print(time.perf_counter() - start)
"""
FIT = f"""
import time
import numpy as np
from hogblock import MLPClassifier
rng = np.random.default_rng(0)
x = rng.normal(size=({ROWS}, {FEATURES})).astype(np.float32)
y = rng.integers(0, {CLASSES}, {ROWS})
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


def measure(repeats):
    """Seconds by what takes them, of all repeats."""
    runs = [of_a_new_process(FIT) for _ in range(repeats)]
    return {
        "import, s beyond scikit-learn's MLP": [
            of_a_new_process(IMPORT)[0] for _ in range(repeats)
        ],
        "first fit with 2 workers, s before training": [run[0] for run in runs],
        "later fits, s beside training": [s for run in runs for s in run[1:]],
    }


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    sizes = {"rows": ROWS, "features": FEATURES, "classes": CLASSES}
    found = measure(options.repeats)
    figures = {name: record.spread(values) for name, values in found.items()}
    record.show(figures)
    record.write(options.out, "first_fit", sizes, figures)


if __name__ == "__main__":
    main()
