"""Objects that a file may hold, by name: their fields, and how to make them again.

Nothing is imported because a file names it. Classes from outside the package have to be
given by whoever reads a file.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np

from hogblock import methods, schedules
from hogblock.augmentation import Augmentation
from hogblock.distributed.averaging import Averaging
from hogblock.distributed.options import Ray
from hogblock.engines.devices import Cuda
from hogblock.models import Network, layers
from hogblock.models.activations import ACTIVATIONS, Activation
from hogblock.models.losses import LOSSES
from hogblock.scheduling.log import EventLog, Recording
from hogblock.training.nodes import NodeReport, Rounds


class Kind(NamedTuple):
    """How objects of a class become fields, and fields an object.

    Attributes
    ----------
    fields : callable
        The fields of an object, by name.
    make : callable
        The object of the fields, which are keyword arguments.
    names : tuple of str
        Of all fields.
    """

    fields: Callable[[Any], dict[str, Any]]
    make: Callable[..., Any]
    names: tuple[str, ...]


def kind_of(cls: type) -> Kind | None:
    """That of a dataclass or named tuple, whose constructor takes its fields.

    Private fields are what a network does to layers, of which it keeps those it got.
    """
    if is_dataclass(cls):
        named = (each.name for each in fields(cls) if each.init)
        names = tuple(name for name in named if not name.startswith("_"))
    elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
        names = cls._fields
    else:
        return None
    return Kind(lambda value: {n: getattr(value, n) for n in names}, cls, names)


def _activation_fields(activation: Activation) -> dict[str, Any]:
    """By the name of one of its code: codes are not the same in all versions."""
    named = {each.code: name for name, each in reversed(ACTIVATIONS.items())}
    _, slope, gain, rises = activation
    like = named[activation.code]
    return {"like": like, "slope": slope, "gain": gain, "rises": rises}


def _make_activation(like: str, slope: float, gain: float, rises: bool) -> Activation:
    if like not in ACTIVATIONS:
        raise ValueError(f"like={like!r} is unknown; allowed are {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[like]._replace(slope=slope, gain=gain, rises=rises)


_PLAIN = (
    methods.From,
    *methods.METHODS.values(),
    *schedules.SCHEDULES.values(),
    *(getattr(layers, name) for name in layers.__all__),
    *map(type, LOSSES.values()),
    Augmentation,
    Averaging,
    Cuda,
    EventLog,
    NodeReport,
    Ray,
    Recording,
    Rounds,
)
_SPECIAL = {
    Network: Kind(
        lambda network: {
            "layers": network.layers,
            "input_shape": network.input_shape,
        },
        Network,
        ("layers", "input_shape"),
    ),
    Activation: Kind(
        _activation_fields, _make_activation, ("like", "slope", "gain", "rises")
    ),
}


class Known:
    """The classes that are known: the package's, and those that are given.

    The names of ours begin with "hogblock."; those of others are theirs alone, since
    the module of a script is not that of the next one.

    Parameters
    ----------
    own : iterable of type, default=()
        More dataclasses or named tuples of the package.
    others : iterable of type, default=()
        Dataclasses from outside it.

    Raises
    ------
    ValueError
        If one of the others is no such class, or two have one name.
    """

    def __init__(self, own: Iterable[type] = (), others: Iterable[type] = ()):
        kinds: dict[type, Kind | None] = {c: kind_of(c) for c in (*_PLAIN, *own)}
        kinds |= _SPECIAL
        self._kinds: dict[str, Kind] = {}
        self._names: dict[type, str] = {}
        for cls, kind in kinds.items():
            self._add(f"hogblock.{cls.__name__}", cls, kind)
        for cls in others:
            kind = kind_of(cls) if isinstance(cls, type) else None
            self._add(getattr(cls, "__name__", str(cls)), cls, kind)

    def _add(self, name: str, cls: type, kind: Kind | None) -> None:
        if kind is None:
            raise ValueError(f"classes: {cls!r} is no dataclass")
        if name in self._kinds:
            raise ValueError(f"classes: two have the name {name!r}")
        self._kinds[name] = kind
        self._names[cls] = name

    def taken_apart(self, value) -> tuple[str, dict[str, Any]] | None:
        """Name and fields of an object, or None if it has none."""
        cls = type(value)
        if cls in self._names:
            name = self._names[cls]
            return name, self._kinds[name].fields(value)
        kind = kind_of(cls) if is_dataclass(cls) else None
        return (cls.__name__, kind.fields(value)) if kind else None

    def made(self, name: str, values: Mapping[str, Any]):
        """The object of a name and fields.

        Raises
        ------
        ValueError
            If the class is unknown, or refuses the fields.
        """
        kind = self._kinds.get(name)
        if kind is None:
            ours = str(name).startswith("hogblock.")
            raise ValueError(
                f"class {name} is unknown to this version"
                if ours
                else f"class {name} is unknown: pass it in classes"
            )
        unknown = sorted(set(values) - set(kind.names))
        if unknown:
            raise ValueError(f"{name} has no field {unknown[0]!r}")
        try:
            return kind.make(**{n: _plain(each) for n, each in values.items()})
        except Exception as error:  # whatever values of wrong types lead to
            raise ValueError(f"{name}: {error}") from error


def _plain(value):
    """Whole numbers without bounds: sums and products of the others may pass theirs."""
    return int(value) if isinstance(value, np.integer) else value
