"""Loss of a ReLU network against the number of workers, up to 64 of them simulated.

A small network is trained for the same number of epochs by 1 to 64 workers whose steps
take exponential times, with and without momentum, by all of them on everything
(`hogwild`) and by each on its own block (`passm`). Every point has its best rate of a
grid, and is the median of several seeds::

    python examples/asynchrony/simulated_workers.py
"""

import warnings

import numpy as np
from _shared import COLORS, MARKERS, new_figure, options, print_table, save
from sklearn.datasets import load_digits

from hogblock import MLPClassifier
from hogblock.asynchrony import EventDriven

WORKERS = (1, 2, 4, 8, 16, 32, 64)
METHODS = ("hogwild", "passm")
MOMENTA = (0.0, 0.9)
STEPS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # rate / (1 - momentum): how far a gradient goes
SEEDS = 3
HIDDEN = (48, 24)
EPOCHS, BATCH = 6, 16
CLAIM = """\
Claim: at equal epochs more workers cost quality: little up to two on everything, and
from the second on where each has a block, which learns from its own steps only.
Momentum wins with one worker, and loses with more, the more there are."""
WORST = 10.0  # stands for a loss that is not finite


def loss_of(X, y, workers, method, momentum, rate, seed) -> float:
    """Training loss after the last epoch."""
    model = MLPClassifier(
        HIDDEN, method=method, momentum=momentum, nesterovs_momentum=False,
        schedule=EventDriven(workers), learning_rate="cosine", batch_size=BATCH,
        learning_rate_init=rate, max_iter=EPOCHS, random_state=seed,
    )  # fmt: skip
    try:
        return min(WORST, model.fit(X, y).loss_)
    except ValueError as error:
        if "diverged" not in str(error):
            raise
        return WORST


def best_loss(X, y, workers, method, momentum, steps, seeds) -> tuple[float, float]:
    """Least median loss over the steps, and its step."""
    found = [
        np.median(
            [
                loss_of(X, y, workers, method, momentum, step * (1 - momentum), s)
                for s in range(seeds)
            ]
        )
        for step in steps
    ]
    return float(np.min(found)), steps[int(np.argmin(found))]


def main() -> None:
    """Train, tune, draw."""
    given = options(__doc__)
    X, y = load_digits(return_X_y=True)
    workers, steps, seeds = WORKERS, STEPS, SEEDS
    if given.quick:
        X, y, workers, steps, seeds = X[:500], y[:500], (1, 8), (0.4, 0.8), 1
    figure, (axes,) = new_figure()
    columns = {}
    cases = [(method, momentum) for method in METHODS for momentum in MOMENTA]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of fits that diverge
        for k, (method, momentum) in enumerate(cases):
            found = [
                best_loss(X, y, w, method, momentum, steps, seeds) for w in workers
            ]
            name = f"{method}, momentum {momentum}"
            columns[name] = [f"{loss:.4f} at {step:g}" for loss, step in found]
            losses = [loss for loss, _ in found]
            axes.plot(workers, losses, MARKERS[k] + "-", color=COLORS[k], label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(workers, [str(w) for w in workers])
    axes.set_xlabel("simulated workers")
    axes.set_ylabel(f"training loss after {EPOCHS} epochs (log scale)")
    axes.set_title(
        f"Digits, ReLU network {'-'.join(map(str, HIDDEN))}, each at its best rate"
    )
    axes.legend(frameon=False)
    print(CLAIM)
    print(f"\nTraining loss after {EPOCHS} epochs, and the best rate / (1 - momentum):")
    rows = [
        [f"{w:7}", *(column[i] for column in columns.values())]
        for i, w in enumerate(workers)
    ]
    print_table(["workers", *columns], rows)
    save(figure, given.out, "simulated_workers")


if __name__ == "__main__":
    main()
