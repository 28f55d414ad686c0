"""Checkpoints: all that a fit needs to go on as if it had never been stopped."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from hogblock.saving.facts import Facts, check_facts
from hogblock.saving.file import Contents, reading
from hogblock.saving.fingerprint import Fingerprint, check_same
from hogblock.saving.known import Known
from hogblock.saving.values import Packer, Unpacker
from hogblock.training.run_state import RunState
from hogblock.training.stopping import Monitor

KIND = "checkpoint"
"""Of the files of this module, among those of the format."""

FOLLOWED = (
    ("losses", "scores", "best_loss", "best_score", "best_params")
    + ("stalled", "rate_factor", "converged")
)  # fmt: skip
"""Attributes of a `Monitor` that change while it follows a run."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where a fit is at the end of an epoch.

    Attributes
    ----------
    facts : dict
        See ``facts.facts_of``.
    data : dict of str to Fingerprint or None
        See ``fingerprint.fingerprints_of``.
    random : RandomState or None
        As it was when the fit began; None if `random_state` is a number.
    state : RunState
    followed : dict
        Values of `FOLLOWED`.
    reductions : int, default=0
        How often divergence has reduced the learning rates.
    """

    facts: Facts
    data: dict[str, Fingerprint | None]
    random: np.random.RandomState | None
    state: RunState
    followed: dict[str, Any]
    reductions: int = 0

    def packed(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Description and arrays of the file.

        Returns
        -------
        about : dict
        arrays : dict of str to ndarray
        """
        packer = Packer(Known())
        parts = {
            "random": self.random,
            "monitor": self.followed,
            "reductions": self.reductions,
            **vars(self.state),
        }
        about = {name: packer.pack(value, name) for name, value in parts.items()}
        data = {
            name: None if each is None else each._asdict()
            for name, each in self.data.items()
        }
        return {
            "kind": KIND,
            "facts": self.facts,
            "data": data,
            **about,
            "randoms": packer.randoms(),
        }, packer.arrays

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Checkpoint":
        """That of a file.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        DamagedError
            If it is not whole.
        ValueError
            If it is no checkpoint, or of a later format; names file and field.
        """
        with reading(path) as contents:
            found = cls._in(contents)
            contents.check_all_read()
            return found

    @classmethod
    def _in(cls, contents: Contents) -> "Checkpoint":
        about = contents.about
        if about.get("kind") != KIND:
            raise ValueError(f"kind is {about.get('kind')!r}, and must be {KIND!r}")
        unpacker = Unpacker(Known(), contents, about.get("randoms"))
        parts = {}
        for name, right in _RIGHT.items():
            if name not in about:
                raise ValueError(f"{name} is missing")
            parts[name] = unpacker.unpack(about[name], name)
            if not right(parts[name]):
                raise ValueError(f"{name} is impossible: {repr(parts[name])[:200]}")
        state = {name: parts[name] for name in RunState.__dataclass_fields__}
        if len(state["losses"]) != state["epochs"]:
            raise ValueError(
                f"losses are of {len(state['losses'])} epochs, and epochs are "
                f"{state['epochs']}"
            )
        _check_lengths(state["epochs"], state["params"], parts["monitor"])
        return cls(
            _facts_in(about),
            _data_in(about),
            parts["random"],
            RunState(**state),
            parts["monitor"],
            parts["reductions"],
        )

    def check(self, facts: Facts, data: dict[str, Fingerprint | None]) -> None:
        """Raise ValueError, naming what differs, unless a fit goes on with this one.

        Parameters
        ----------
        facts : dict
            Of the fit that begins.
        data : dict
            Fingerprints of its data.
        """
        check_facts(self.facts, facts)
        check_same(self.data, data)

    def restore(self, monitor: Monitor) -> None:
        """Let a monitor go on from here."""
        for name, value in _copied(self.followed).items():
            setattr(monitor, name, value)
        monitor.finite_params = self.state.params


def followed_by(monitor: Monitor) -> dict[str, Any]:
    """What a monitor has come to, which it may change later."""
    return _copied({name: getattr(monitor, name) for name in FOLLOWED})


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    """With lists of their own; nobody changes arrays."""
    return {n: list(v) if isinstance(v, list) else v for n, v in values.items()}


def _is_real(value) -> bool:
    return isinstance(value, (float, np.floating))


def _is_whole(value) -> bool:
    return isinstance(value, (int, np.integer)) and bool(value >= 0)


def _are_reals(value) -> bool:
    return isinstance(value, list) and all(map(_is_real, value))


def _are_parameters(value) -> bool:
    right = isinstance(value, np.ndarray) and value.dtype == np.float32
    return right and value.ndim == 1


def _are_arrays(value) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(each, np.ndarray)
        for name, each in value.items()
    )


def _is_followed(value) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == set(FOLLOWED)
        and _are_reals(value["losses"])
        and _are_reals(value["scores"])
        and _is_real(value["best_loss"])
        and (value["best_score"] is None or _is_real(value["best_score"]))
        and (value["best_params"] is None or _are_parameters(value["best_params"]))
        and _is_whole(value["stalled"])
        and _is_real(value["rate_factor"])
        and isinstance(value["converged"], bool)
    )


_RIGHT = {
    "random": lambda value: value is None or isinstance(value, np.random.RandomState),
    "monitor": _is_followed,
    "reductions": _is_whole,
    "epochs": _is_whole,
    "params": _are_parameters,
    "losses": _are_reals,
    "seconds": _is_real,
    "arrays": _are_arrays,
}
"""Whether a value can be that of a field."""


def _check_lengths(epochs: int, params: np.ndarray, followed: dict[str, Any]) -> None:
    """Raise ValueError if a monitor has followed another run."""
    for name in ("losses", "scores"):
        found = len(followed[name])
        if found != epochs and (name == "losses" or found):
            raise ValueError(f"{name} of the monitor are {found}, of {epochs} epochs")
    best = followed["best_params"]
    if best is not None and best.shape != params.shape:
        raise ValueError(
            f"best_params of the monitor are {best.size}, and params {params.size}"
        )


def _facts_in(about: dict) -> Facts:
    if not isinstance(about.get("facts"), dict):
        raise ValueError("facts are missing")
    return about["facts"]


def _data_in(about: dict) -> dict[str, Fingerprint | None]:
    data = about.get("data")
    if not isinstance(data, dict):
        raise ValueError("data are missing")
    return {name: _fingerprint_in(name, each) for name, each in data.items()}


def _fingerprint_in(name: str, packed) -> Fingerprint | None:
    if packed is None:
        return None
    if not isinstance(packed, dict) or packed.keys() != set(Fingerprint._fields):
        raise ValueError(f"{name} of the data is no fingerprint")
    shape = packed["shape"]
    if not isinstance(shape, list):
        raise ValueError(f"shape of {name} of the data is missing")
    return Fingerprint(tuple(shape), packed["dtype"], packed["content"])
