"""The methods that are compared, and one run of one of them."""

from dataclasses import dataclass

from hogblock import methods

WORKERS = 2
MOMENTUM = 0.9


@dataclass(frozen=True)
class Side:
    """A method with its workers.

    Attributes
    ----------
    method : Method
    workers : int
    """

    method: methods.Method
    workers: int = WORKERS


SIDES = {
    "sync": Side(methods.Sync()),
    "hogwild": Side(methods.Hogwild()),
    "passm+": Side(methods.PASSMPlus()),
    "passm+ suffix": Side(methods.PASSMPlus(scope="suffix")),
    "thinned": Side(methods.Thinned()),
    "sgd": Side(methods.SGD(), 1),
    "sync, thinned": Side(methods.Sync(thinning=1.0)),
    "passm+ suffix, thinned": Side(methods.PASSMPlus(scope="suffix", thinning=1.0)),
    "thinned, 1 worker": Side(methods.Thinned(), 1),
}
DEFAULT_SIDES = ("sync", "hogwild", "passm+", "passm+ suffix", "thinned")
SEQUENTIAL = "sgd"  # whose quality at the longest budget is to be reached


def fit(task, side, batch, rate, epochs, seed, workers=None, device="cpu"):
    """Fit a side's model.

    Parameters
    ----------
    task : Task
    side : Side
    batch, rate : int, float
        Minibatch, and learning rate at a minibatch of 64.
    epochs, seed : int
    workers : int, default=None
        Instead of the side's.
    device : str, default="cpu"

    Returns
    -------
    dict
        Quality on the test rows, training seconds, steps of all workers, mean age of
        what a step read, share of the samples that went below the output layer.
        Of a run that diverged, the quality is that of knowing nothing.
    """
    x, x_test, y, y_test = task.data()
    model = task.estimator(
        method=side.method,
        n_jobs=workers or side.workers,
        device=device,
        batch_size=batch,
        learning_rate="cosine",
        learning_rate_init=rate * (batch / 64) ** 0.5,
        max_iter=epochs,
        momentum=MOMENTUM,
        tol=0.0,
        random_state=seed,
    )
    try:
        model.fit(x, y)
    except ValueError as error:
        if "diverged" not in str(error):
            raise
        return {"quality": 0.0, "seconds": 1.0, "steps": 0, "age": 0.0} | {
            "backpropagated": 1.0
        }
    ages = model.staleness_
    return {
        "quality": float(model.score(x_test, y_test)),
        "seconds": float(model.training_seconds_),
        "steps": int(model.steps_per_worker_.max()),
        "age": float((ages * range(ages.shape[1])).sum() / max(1, ages.sum())),
        "backpropagated": model.n_backpropagated_ / model.t_,
    }
