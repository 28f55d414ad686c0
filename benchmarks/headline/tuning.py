"""Learning rate and minibatch of each side, and what its steps cost alone."""

from math import log2
from statistics import mean

from benchmarks.headline import alone as engine
from benchmarks.headline.sides import SIDES, fit

TUNING_SEED = 1000  # none of those that count
ALONE_SECONDS = 0.4  # of a measurement, at least
ALONE_REPEATS = 3


def alone(journal, task, name, batch, rate):
    """Seconds an epoch if every worker's steps cost what they cost beside nobody.

    Asynchronous workers share an epoch's steps, the faster ones doing more; a
    synchronous one takes its share of every minibatch. The epoch is one in the middle
    of the shortest budget, but at least two.
    """
    side = SIDES[name]
    owners = range(side.workers if side.method.owns_blocks else 1)

    def once(rank, epochs):
        if side.workers == 1:
            how = {}
        elif side.method.together:
            how = {"workers": 1}
        else:
            how = {"device": f"{engine.PREFIX}:{rank}"}
        mine = max(1, batch // side.workers) if side.method.together else batch
        run = fit(task, side, mine, rate, epochs, TUNING_SEED, **how)
        return run["seconds"] / epochs

    def measure():
        epochs = max(2, task.budgets[0])
        epochs *= max(1, round(ALONE_SECONDS / (epochs * once(0, epochs))))
        each = [min(once(r, epochs) for _ in range(ALONE_REPEATS)) for r in owners]
        if len(each) < side.workers:  # all are alike
            each *= side.workers
        return {"epoch_s": 1 / sum(1 / seconds for seconds in each)}

    return journal.get(("alone", task.name, name, batch, rate), measure)["epoch_s"]


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
        Of training seconds and quality; the larger the better.

    Returns
    -------
    batch, rate : int, float
    """
    epochs = task.budgets[len(task.budgets) // 2]

    def tried(batch, rate):
        found = [
            journal.get(
                ("tuning", task.name, name, batch, rate, seed),
                lambda s=seed: fit(task, SIDES[name], batch, rate, epochs, s),
            )
            for seed in range(TUNING_SEED, TUNING_SEED + task.tuning_seeds)
        ]
        quality = mean(run["quality"] for run in found)
        return min(run["seconds"] for run in found), quality

    middle = task.rates[1]
    batch = max(batches, key=lambda b: worth(*tried(b, middle)))
    # Of one minibatch all rates take the same time.
    return batch, max(task.rates, key=lambda r: tried(batch, r)[1])


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
