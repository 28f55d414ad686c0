"""What training on takes up from the runs before: ``partial_fit``, warm starts."""

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from hogblock.models import Dropout, Network, SpatialDropout2D
from hogblock.training.run_state import spread_velocity
from hogblock.training.settings import Settings


class Carried(NamedTuple):
    """What a run leaves for the next call of ``partial_fit``.

    Attributes
    ----------
    velocity : ndarray of shape (workers, n_parameters)
    rate : float
        Learning rate at its end.
    rate_factor : float
        What "adaptive" has made of the initial rate.
    stalled : int
        Epochs without an improvement.
    """

    velocity: np.ndarray
    rate: float
    rate_factor: float
    stalled: int


@dataclass(frozen=True)
class Standing:
    """Where the training of a model is when a run begins: fresh, warm, or going on.

    Attributes
    ----------
    warm : bool
        The estimator is fitted, and the run starts from its parameters.
    incremental : bool
        The run is a call of ``partial_fit``.
    epochs, samples : int
        Trained and seen since the model began.
    planned : int
        Epochs of the schedule's plan that are over: it begins with ``fit``.
    best_loss : float
    carried : Carried or None
    """

    warm: bool
    incremental: bool
    epochs: int = 0
    samples: int = 0
    planned: int = 0
    best_loss: float = np.inf
    carried: Carried | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the run continues in everything, not in its parameters alone."""
        return self.warm and self.incremental

    @property
    def rate_factor(self) -> float:
        return self.carried.rate_factor if self.carried else 1.0

    @property
    def stalled(self) -> int:
        return self.carried.stalled if self.carried else 0

    def velocity(self, settings: Settings, workers: int) -> np.ndarray | None:
        """Momentum for a run of so many workers, whose rates are in its `settings`."""
        if self.carried is None:
            return None
        velocity = spread_velocity(self.carried.velocity, workers)
        first = float(settings.rate[0])
        if settings.keeps_velocity and first > 0:
            velocity = velocity * np.float32(self.carried.rate / first)
        return velocity


def standing_of(estimator, incremental: bool) -> Standing:
    """Where the training of an estimator stands.

    Parameters
    ----------
    estimator : NetworkEstimator
    incremental : bool
        A call of ``partial_fit`` begins, not one of ``fit``.
    """
    fitted = estimator.__sklearn_is_fitted__()
    if not fitted or not (incremental or estimator.warm_start):
        return Standing(False, incremental)
    so_far = dict(epochs=len(estimator.loss_curve_), samples=estimator.t_)
    if not incremental:
        return Standing(True, incremental, **so_far)
    return Standing(
        True,
        incremental,
        **so_far,
        planned=estimator.n_iter_,
        best_loss=min(estimator.loss_curve_, default=np.inf),
        carried=estimator._carried,
    )


def random_of(estimator, standing: Standing, random_state) -> np.random.RandomState:
    """What a run draws from: ``partial_fit`` draws on, unless `random_state` is new.

    Parameters
    ----------
    estimator : NetworkEstimator
    standing : Standing
    random_state : int, RandomState or None
        Of another run that draws the same; that of the estimator if there is none.
    """
    now = estimator.random_state
    if standing.goes_on:
        before = estimator._seed
        both = isinstance(now, Integral) and isinstance(before, Integral)
        if now is before or (both and now == before):
            return estimator._random_state
    return check_random_state(random_state)


def values_of(estimator) -> dict[str, str]:
    """Options of a fitted estimator that stay as they are while it trains on."""
    values = {name: repr(getattr(estimator, name)) for name in estimator._shaping}
    return values | {"standardize": repr(bool(estimator.standardize))}


def check_unchanged(estimator, network: Network) -> None:
    """Refuse to train on another network than the fitted one, or on another scale.

    Rates of dropout may change: no parameter belongs to them.

    Parameters
    ----------
    estimator : NetworkEstimator
        Fitted.
    network : Network
        By its present options.
    """
    link = estimator._loss_of(estimator._targets).link
    if link != estimator._targets.link:
        raise ValueError(
            f"loss={estimator.loss!r} is for models with out_activation_={link!r}, and "
            f"the one that trains on has {estimator._targets.link!r}. Set it back, or "
            "fit anew with warm_start=False"
        )
    fitted, before, now = estimator._network, estimator._values, values_of(estimator)
    changed = [name for name in now if now[name] != before[name]]
    same = network.input_shape == fitted.input_shape and (
        _lasting(network) == _lasting(fitted)
    )
    if not same:
        names = [name for name in changed if name != "standardize"]
        names = names or list(estimator._shaping)
    elif "standardize" in changed:
        names = ["standardize"]
    else:
        return
    raise ValueError(
        f"{', '.join(f'{name}={now[name]}' for name in names)} cannot change while a "
        "model trains on (warm_start=True, partial_fit); it was "
        f"{', '.join(before[name] for name in names)}. Set it back, or fit anew with "
        "warm_start=False"
    )


def _lasting(network: Network) -> list:
    kinds = (Dropout, SpatialDropout2D)
    return [layer for layer in network.layers if not isinstance(layer, kinds)]
