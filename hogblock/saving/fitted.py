"""Fitted attributes: which of them are stored, and what they have to be."""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from hogblock.estimators.continued import Carried, values_of
from hogblock.estimators.fitted import derived_attributes
from hogblock.estimators.targets import ClassTargets, RealTargets
from hogblock.models import Network
from hogblock.saving.values import Unpacker
from hogblock.scheduling.log import EventLog
from hogblock.training.nodes import NodeReport, Rounds
from hogblock.training.scaling import Scaling, Standardiser
from hogblock.training.statistics import Statistics

STATE = (Carried, ClassTargets, RealTargets, Scaling, Standardiser, Statistics)
"""Classes of private attributes."""

DERIVED = ("coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_")
"""What is made of the others again, see `derived`."""

OPTIONAL = ("feature_names_in_",)
"""What a fitted estimator need not have."""

TARGET_KINDS = ("binary", "multiclass", "multilabel")
SCALES = ("", "bytes", "fractions")


class Fitted(NamedTuple):
    """What checks of an attribute go by.

    Attributes
    ----------
    model : NetworkEstimator
        With its parameters, and nothing else.
    attributes : dict
    """

    model: Any
    attributes: dict[str, Any]

    @property
    def network(self) -> Network:
        return self.attributes["_network"]

    @property
    def features(self) -> int:
        return self.attributes["n_features_in_"]


Check = Callable[[Any, Fitted], bool]


def _is_whole(value, least: int = 0) -> bool:
    return isinstance(value, (int, np.integer)) and bool(value >= least)


def _whole(value, fitted: Fitted) -> bool:
    return _is_whole(value)


def _real(value, fitted: Fitted) -> bool:
    return isinstance(value, (float, np.floating))


def _text(value, fitted: Fitted) -> bool:
    return isinstance(value, str)


def _reals(value, fitted: Fitted) -> bool:
    return isinstance(value, list) and all(_real(each, fitted) for each in value)


def _or_none(check: Check) -> Check:
    return lambda value, fitted: value is None or check(value, fitted)


def _is_array(value, dtype, *shape: int | None) -> bool:
    """None as a length allows all."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype == dtype
        and value.ndim == len(shape)
        and all(n in (None, m) for n, m in zip(shape, value.shape, strict=True))
    )


def _counts(*shape: int | None) -> Check:
    return lambda value, fitted: _is_array(value, np.int64, *shape)


def _events(value, fitted: Fitted) -> bool:
    types = {"worker": np.int32, "ticket": np.int64, "writes": np.bool_}
    types |= {"read": np.int64, "written": np.int64}
    return (
        isinstance(value, EventLog)
        and all(getattr(value, name).dtype == dtype for name, dtype in types.items())
        and _is_whole(value.workers, 1)
        and all(_is_whole(end) for block in value.blocks for end in block)
    )


def _nodes(value, fitted: Fitted) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, NodeReport) for v in value)


def _rounds(value, fitted: Fitted) -> bool:
    reals, counts = ("seconds", "apart", "epoch_seconds"), ("nodes", "bytes")
    types = dict.fromkeys(reals, "f8") | dict.fromkeys((*counts, "epoch_bytes"), "i8")
    return isinstance(value, Rounds) and all(
        _is_array(getattr(value, name), np.dtype(dtype), None)
        for name, dtype in types.items()
    )


def _feature_names(value, fitted: Fitted) -> bool:
    named = _is_array(value, object, fitted.features)
    return named and all(isinstance(each, str) for each in value)


def _network(value, fitted: Fitted) -> bool:
    return isinstance(value, Network) and value.n_inputs == fitted.features


def _params(value, fitted: Fitted) -> bool:
    return _is_array(value, np.float32, fitted.network.size)


def _targets(value, fitted: Fitted) -> bool:
    if hasattr(fitted.model, "predict_proba"):
        right = isinstance(value, ClassTargets) and _classes(value)
    else:
        right = isinstance(value, RealTargets) and _real_targets(value)
    return right and fitted.network.output_shape == (value.n_outputs,)


def _classes(targets: ClassTargets) -> bool:
    found = targets.classes
    if not (isinstance(found, np.ndarray) and targets.kind in TARGET_KINDS):
        return False
    if targets.kind == "multilabel":
        return np.array_equal(found, np.arange(len(found)))
    if (
        found.ndim != 1
        or len(found) < 2
        or (targets.kind == "binary") != (len(found) == 2)
    ):
        return False
    return np.array_equal(np.unique(found), found)


def _real_targets(targets: RealTargets) -> bool:
    n = targets.n_outputs
    return (
        _is_whole(n, 1)
        and isinstance(targets.flat, bool)
        and (n == 1 or not targets.flat)
        and targets.link in ("identity", "exp")
        and (targets.standard is None or _is_standardiser(targets.standard, n))
    )


def _is_scaling(value, *columns: int) -> bool:
    """Of so many columns; 0: of nothing."""
    return isinstance(value, Scaling) and any(
        all(_is_array(each, np.float64, n) for each in value) for n in columns
    )


def _is_standardiser(value, columns: int) -> bool:
    if not (isinstance(value, Standardiser) and _is_scaling(value.scaling, columns)):
        return False
    total, *rest = value.statistics
    channels = value.channels
    return (
        isinstance(value.statistics, Statistics)
        and isinstance(total, (float, np.floating))
        and all(_is_array(each, np.float64, columns) for each in rest)
        and _is_array(value.rows, np.int64, columns)
        and isinstance(value.types, frozenset)
        and (channels is None or (_is_whole(channels, 1) and columns % channels == 0))
        and isinstance(value.name, str)
        and isinstance(value.centred, bool)
    )


def _standard(value, fitted: Fitted) -> bool:
    return _is_standardiser(value, fitted.features)


def _inputs(value, fitted: Fitted) -> bool:
    return _is_scaling(value, 0, fitted.features)


def _shape(value, fitted: Fitted) -> bool:
    whole = isinstance(value, tuple) and all(_is_whole(n, 1) for n in value)
    return whole and len(value) in (1, 3) and prod(value) == fitted.features


def _scale(value, fitted: Fitted) -> bool:
    return value in SCALES


def _values(value, fitted: Fitted) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == values_of(fitted.model).keys()
        and all(isinstance(each, str) for each in value.values())
    )


def _random_state(value, fitted: Fitted) -> bool:
    return isinstance(value, np.random.RandomState)


def _seed(value, fitted: Fitted) -> bool:
    return value is None or _random_state(value, fitted) or _is_whole(value)


def _carried(value, fitted: Fitted) -> bool:
    return (
        isinstance(value, Carried)
        and _is_array(value.velocity, np.float32, None, fitted.network.size)
        and len(value.velocity) > 0
        and _real(value.rate, fitted)
        and _real(value.rate_factor, fitted)
        and _is_whole(value.stalled)
    )


STORED: dict[str, Check] = {
    "n_features_in_": lambda value, fitted: _is_whole(value, 1),
    "feature_names_in_": _feature_names,
    "n_workers_": lambda value, fitted: _is_whole(value, 1),
    "method_": _text,
    "device_": _text,
    "n_worker_restarts_": _whole,
    "events_": _or_none(_events),
    "nodes_": _or_none(_nodes),
    "rounds_": _or_none(_rounds),
    "loss_curve_": _reals,
    "loss_": _real,
    "best_loss_": _or_none(_real),
    "validation_scores_": _or_none(_reals),
    "best_validation_score_": _or_none(_real),
    "n_iter_": _whole,
    "t_": _whole,
    "staleness_": _counts(None, None),
    "overlap_": _counts(None, None),
    "updates_per_block_": _counts(None),
    "steps_per_worker_": _counts(None),
    "training_seconds_": _real,
    "n_backpropagated_": _or_none(_whole),
    "_network": _network,
    "_params": _params,
    "_targets": _targets,
    "_standard": _or_none(_standard),
    "_inputs": _inputs,
    "_shape": _shape,
    "_scale": _scale,
    "_values": _values,
    "_random_state": _random_state,
    "_seed": _seed,
    "_carried": _carried,
}
"""Every attribute that a file holds, and whether a value can be it. To store another
one is to add a row. A check may ask for the attributes of the rows above it."""


def unpacked_attributes(
    model, packed: dict[str, Any], unpacker: Unpacker
) -> dict[str, Any]:
    """The fitted attributes of a file.

    Parameters
    ----------
    model : NetworkEstimator
        With its parameters, and not fitted.
    packed : dict
        Attributes by name.
    unpacker : Unpacker

    Raises
    ------
    ValueError
        If one is missing, unknown, or impossible; names it.
    """
    for name in packed:
        if name not in STORED:
            raise ValueError(f"{name} is no fitted attribute of this version")
    fitted = Fitted(model, {})
    for name, check in STORED.items():
        if name in packed:
            fitted.attributes[name] = unpacker.unpack(packed[name], name)
            if not _fits(check, fitted.attributes[name], fitted):
                raise ValueError(_impossible(name, fitted))
        elif name not in OPTIONAL:
            raise ValueError(f"{name} is missing")
    return fitted.attributes


def _fits(check: Check, value, fitted: Fitted) -> bool:
    try:
        return check(value, fitted)
    except Exception:  # whatever parts of wrong types lead to
        return False


def _impossible(name: str, fitted: Fitted) -> str:
    """What an attribute is, beside what it should fit."""
    value = fitted.attributes[name]
    if isinstance(value, np.ndarray):
        shown = f"{value.dtype} of shape {value.shape}"
    else:
        shown = repr(value)
    network = fitted.attributes.get("_network")
    beside = f"{fitted.attributes['n_features_in_']!r} features"
    if isinstance(network, Network) and name != "_network":
        beside += (
            f" and a network of {network.size} parameters and outputs of shape "
            f"{network.output_shape}"
        )
    return f"{name} does not fit {beside}: it is {shown[:200]}"


def derived(model, attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes that follow from those of `STORED`.

    Parameters
    ----------
    model : NetworkEstimator
    attributes : dict
        Checked.
    """
    names = ("_network", "_params", "_inputs", "_targets")
    try:
        return derived_attributes(model, *(attributes[name] for name in names))
    except Exception as error:  # such as a network of convolutions in an MLP
        raise ValueError(f"_network does not fit a {type(model).__name__}") from error
