"""Facts of a fit: what has to be the same where another one goes on with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hogblock import schedules
from hogblock.saving.fingerprint import fingerprint_of
from hogblock.saving.known import Known
from hogblock.saving.values import Packer

FREE = frozenset(
    ("checkpoint", "checkpoint_every", "checkpoint_keep", "resume")
    + ("device", "max_worker_restarts", "memmap_dir", "callbacks", "n_jobs", "verbose")
    + ("max_iter", "n_iter_no_change", "on_divergence", "tol")
)
"""Parameters that may change: where it trains, how long, and what is shown."""

STANDING = ("warm", "incremental", "epochs", "samples", "planned")
"""What is compared of where the training of the model stood."""

MOST_SHOWN = 300
"""Letters of a value, in errors."""

Facts = dict[str, dict[str, Any]]


def facts_of(estimator, network, targets, standing, seed: int) -> Facts:
    """Facts of a fit that begins, by name.

    Parameters
    ----------
    estimator : NetworkEstimator
    network : Network
    targets : ClassTargets or RealTargets
    standing : Standing
    seed : int
        Of the run.

    Raises
    ------
    ValueError
        If a parameter cannot be stored; names it.
    """
    values = _compared(estimator)
    values["shape of a sample"] = network.input_shape
    if hasattr(targets, "classes"):
        values |= {"kind of targets": targets.kind, "classes": targets.classes}
    values |= {"outputs": targets.n_outputs, "the network": network}
    for name in STANDING:
        values[f"{name} of the model before the fit"] = getattr(standing, name)
    values["seed of the run"] = seed
    return {name: _fact(name, value) for name, value in values.items()}


def _compared(estimator) -> dict[str, Any]:
    """The parameters that have to stay as they are."""
    values = estimator.get_params(deep=False)
    free = set(FREE)
    if schedules.resolve(values["learning_rate"]).planned:
        free.discard("max_iter")
    if isinstance(values["random_state"], np.random.RandomState):
        _fact("random_state", values["random_state"])  # or it is refused
        values["random_state"] = "a RandomState"  # its state is kept by itself
    if callable(values.get("network")):  # what it has made is compared
        free.add("network")
    return {name: value for name, value in values.items() if name not in free}


def _fact(name: str, value) -> dict[str, Any]:
    """A value as JSON that is equal for equal values, and as people read it."""
    packer = Packer(Known())
    packed = packer.pack(value, name)
    content = [fingerprint_of(each).content for each in packer.arrays.values()]
    return {"value": packed, "content": content, "shown": repr(value)[:MOST_SHOWN]}


def check_facts(before: Mapping[str, Any], now: Facts) -> None:
    """Raise ValueError for the first fact that is another one now; names it.

    Parameters
    ----------
    before, now : dict
        Of the fit that was stopped, and of the one that goes on.
    """
    for name in [*now, *before]:
        old, new = before.get(name), now.get(name)
        if new is None or not isinstance(old, dict):
            raise ValueError(f"{name} is known to one of the two versions only")
        if any(old.get(part) != new[part] for part in ("value", "content")):
            raise ValueError(
                f"{name} was {old.get('shown')}, and is {new['shown']} now"
            )
