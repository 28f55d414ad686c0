"""How well does its schedule predict the loss of a real asynchronous fit?

Three tasks are trained by several workers on this machine, and their events are logged.
Each fit is then made again in one process: on its logged schedule (`Replay`), on one
drawn from the histogram of its logged delays (`Law`), and without any delay. What real
fits differ from each other, by their timing alone, is the yardstick::

    python examples/asynchrony/predicted_loss.py
"""

import numpy as np
from _shared import COLORS, new_figure, options, print_table, save
from sklearn.base import clone
from sklearn.datasets import load_digits, make_friedman1

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor
from hogblock.asynchrony import EventLog, Law, Recording, Replay
from hogblock.methods import PASSM, Hogwild

WORKERS = 2
REPEATS = 4  # real fits of each task
METHODS = {
    "passm": PASSM(),  # one writer a block: nothing is lost
    "hogwild": Hogwild(reads="copy", atomic=True),  # nor here; the model's reads
}
CLAIM = """\
Claim: its logged schedule predicts the loss of a real fit closer than another of the
same seed does, most of all that of passm.
"""
WIDTH = 24  # of the first column
COMMON = {
    "max_iter": 12,
    "batch_size": 16,
    "learning_rate": "cosine",
    "random_state": 0,
    "n_jobs": WORKERS,
}


def tasks(quick: bool):
    """Name, estimator and data of each task."""
    X, y = load_digits(return_X_y=True)
    X, y = (X[:400], y[:400]) if quick else (X, y)
    friedman = make_friedman1(400 if quick else 4000, noise=0.5, random_state=0)
    conv = {"conv_layers": [(8, 3), (16, 3)], "learning_rate_init": 0.01}
    common = COMMON | {"max_iter": 2} if quick else COMMON
    return {
        "digits, MLP": (
            MLPClassifier((64, 32), learning_rate_init=0.02, **common),
            X,
            y,
        ),
        "digits, CNN": (CNNClassifier(**conv, **common), X.reshape(-1, 8, 8), y),
        "Friedman's, MLP": (
            MLPRegressor((64, 32), learning_rate_init=0.01, **common),
            *friedman,
        ),
    }


def law_of(log: EventLog) -> Law:
    """Workers and delays by their shares in a log, drawn independently.

    A worker's own block is never late where nobody else writes it, and does not count.
    """
    delays = log.delays()
    others = ~log.writes
    counts = np.bincount(delays[others] if others.any() else delays.ravel())
    shares = np.bincount(log.worker, minlength=log.workers) / len(log)
    return Law(log.workers, ages=counts / counts.sum(), probabilities=shares)


def curves_of(model, X, y, repeats: int) -> dict[str, np.ndarray]:
    """Loss curves [repeats, epochs] of real fits, and of what predicts each."""
    real = [
        clone(model).set_params(schedule=Recording()).fit(X, y) for _ in range(repeats)
    ]
    makers = {
        "replay": lambda fit: Replay(fit.events_),
        "law of delays": lambda fit: law_of(fit.events_),
        "no delay": lambda fit: Law(WORKERS),
    }
    curves = {"real fits": np.array([fit.loss_curve_ for fit in real])}
    for name, make in makers.items():
        again = [clone(model).set_params(schedule=make(fit)).fit(X, y) for fit in real]
        curves[name] = np.array([fit.loss_curve_ for fit in again])
    return curves


def error(predicted: np.ndarray, real: np.ndarray) -> float:
    """Mean over epochs and fits of |predicted - real| / real."""
    return float(np.mean(np.abs(predicted - real) / real))


def errors(curves: dict[str, np.ndarray]) -> dict[str, float]:
    """Of each prediction; of real fits, if each is predicted by another one."""
    real = curves["real fits"]
    others = {"real fits": np.roll(real, 1, axis=0)}
    return {name: error(c, real) for name, c in (curves | others).items()}


def draw(curves: dict[str, dict[str, np.ndarray]]):
    """A panel a task: each real fit as a line, its replay as marks of its colour."""
    figure, panels = new_figure(len(curves))
    for axes, (task, found) in zip(panels, curves.items(), strict=True):
        epochs = np.arange(1, found["real fits"].shape[1] + 1)
        pairs = zip(COLORS, found["real fits"], found["replay"], strict=False)
        for k, (color, real, replay) in enumerate(pairs):
            line, marks = ("a real fit", "its replay") if k == 0 else (None, None)
            axes.plot(epochs, real, color=color, lw=1.2, label=line)
            axes.plot(epochs, replay, "o", mfc="none", color=color, label=marks)
        alone = found["no delay"][0]
        axes.plot(epochs, alone, "--", color="#7a7a7a", lw=1.2, label="without delay")
        axes.set_yscale("log")
        axes.set_title(task)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("training loss (log scale)")
    panels[0].legend(frameon=False)
    figure.suptitle(
        f"passm, {WORKERS} workers: equal fits end differently, and their logs tell how"
    )
    return figure


def main() -> None:
    """Train, predict, compare, draw."""
    given = options(__doc__)
    repeats = 2 if given.quick else REPEATS
    rows, drawn = [], {}
    for task, (model, X, y) in tasks(given.quick).items():
        for name, method in METHODS.items():
            curves = curves_of(model.set_params(method=method), X, y, repeats)
            found = errors(curves)
            label = f"{task}, {name}"
            rows.append([f"{label:<{WIDTH}}", *(f"{e:.1%}" for e in found.values())])
            if name == "passm":
                drawn[task] = curves
    print(CLAIM)
    print("Mean difference from the loss of a real fit, over epochs, in shares of it:")
    print_table([f"{'task, method':<{WIDTH}}", *found], rows)
    save(draw(drawn), given.out, "predicted_loss")


if __name__ == "__main__":
    main()
