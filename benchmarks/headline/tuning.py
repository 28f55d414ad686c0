"""Learning rate and minibatch of each side, and what its steps cost alone."""

from math import log2
from statistics import mean

from benchmarks.headline.sides import SIDES, fit

TUNING_SEED = 1000  # none of those that count
ALONE_SECONDS = 0.4  # of a measurement, at least
ALONE_EPOCHS = 1
ALONE_REPEATS = 2


def alone(journal, task, name, batch):
    """Seconds that an epoch of a side takes beside nobody, for one worker's share.

    Asynchronous workers share an epoch's steps; a synchronous one takes its share of
    every minibatch.
    """
    side = SIDES[name]
    together = side.method.together

    def measure():
        mine = max(1, batch // side.workers) if together else batch
        first = fit(task, side, mine, task.rates[1], ALONE_EPOCHS, TUNING_SEED, 1)
        more = max(1, round(ALONE_SECONDS / first["seconds"]))
        epochs = ALONE_EPOCHS * more
        each = [
            fit(task, side, mine, task.rates[1], epochs, TUNING_SEED, 1)["seconds"]
            for _ in range(ALONE_REPEATS)
        ]
        return {"epoch_s": min(each) / epochs / side.workers}

    return journal.get(("alone", task.name, name, batch), measure)["epoch_s"]


def tuned(journal, task, name, batches, worth):
    """Minibatch and learning rate of a side.

    First the minibatch at the middle rate, then the rate at that minibatch: those of
    the best quality at the middle budget, where `worth` says what time would buy.

    Parameters
    ----------
    journal : Journal
    task : Task
    name : str
        Of the side.
    batches : sequence of int
    worth : callable
        Of seconds an epoch and quality; the larger the better.

    Returns
    -------
    batch, rate : int, float
    """
    epochs = task.budgets[len(task.budgets) // 2]

    def score(batch, rate):
        found = [
            journal.get(
                ("tuning", task.name, name, batch, rate, seed),
                lambda s=seed: fit(task, SIDES[name], batch, rate, epochs, s),
            )
            for seed in range(TUNING_SEED, TUNING_SEED + task.tuning_seeds)
        ]
        quality = mean(run["quality"] for run in found)
        return worth(alone(journal, task, name, batch), quality)

    middle = task.rates[1]
    batch = max(batches, key=lambda b: score(b, middle))
    rate = max(task.rates, key=lambda r: score(batch, r))
    return batch, rate


def value_of_time(journal, task, name, batch):
    """Quality that a doubling of a side's time buys, from its extreme budgets."""
    short, long = task.budgets[0], task.budgets[-1]

    def quality(epochs):
        rate = task.rates[1]
        return mean(
            journal.get(
                ("value of time", task.name, name, batch, epochs, seed),
                lambda s=seed: fit(task, SIDES[name], batch, rate, epochs, s),
            )["quality"]
            for seed in range(TUNING_SEED, TUNING_SEED + task.tuning_seeds)
        )

    return max(0.0, quality(long) - quality(short)) / log2(long / short)
