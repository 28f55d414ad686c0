"""The assumptions of convergence, checked on a run."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.utils.validation import check_is_fitted

from hogblock.asynchrony.evidence import evidence_of_simulation
from hogblock.asynchrony.fitted_evidence import evidence_of_fit
from hogblock.asynchrony.predicates import PREDICATES
from hogblock.asynchrony.result import Simulation
from hogblock.estimators.base import NetworkEstimator

WIDTH = 88
INDENT = 14
MOST_ENTRIES = 8
"""Of a list in the text; longer ones are summed up, and whole in `numbers`."""
VERDICTS = {True: "holds", False: "BROKEN", None: "unknown"}


@dataclass(frozen=True)
class Assumption:
    """One assumption, as a run meets it.

    Parameters
    ----------
    name : str
        "A1" to "A7".
    statement : str
        What is assumed.
    holds : bool or None
        True: by construction. False: the configuration breaks it, or the run did. None:
        a finite run does not say; `numbers` are evidence.
    numbers : dict of str to int, float, str, bool, list or None
        What was found, in units that `words` say; ready for JSON.
    words : str
        What holds or breaks, and which option would mend it.
    """

    __module__ = "hogblock.asynchrony"

    name: str
    statement: str
    holds: bool | None
    numbers: dict
    words: str

    def __str__(self):
        head = f"{self.name}  {VERDICTS[self.holds]:<8}  {self.statement}"
        numbers = "; ".join(f"{n} {_shown(v)}" for n, v in self.numbers.items())
        return "\n".join([head, _wrapped(self.words), _wrapped(f"[{numbers}]")])

    def to_dict(self) -> dict:
        """All of it, ready for JSON; numbers that are not finite become None.

        Returns
        -------
        dict
        """
        return {
            "name": self.name,
            "statement": self.statement,
            "holds": self.holds,
            "numbers": {name: _plain(value) for name, value in self.numbers.items()},
            "words": self.words,
        }


@dataclass(frozen=True, repr=False)
class Assumptions(Sequence):
    """The assumptions A1 to A7 of a run: a sequence, also by name; print it to read it.

    Parameters
    ----------
    subject : str
        What ran.
    memory : str
        How it read, in a sentence: which vector, if there is one.
    items : tuple of Assumption
        In their order.
    """

    __module__ = "hogblock.asynchrony"

    subject: str
    memory: str
    items: tuple[Assumption, ...]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        if isinstance(index, str):
            named = {each.name: each for each in self.items}
            if index not in named:
                raise KeyError(f"{index!r} is no assumption; there are {[*named]}")
            return named[index]
        return self.items[index]

    @property
    def broken(self) -> list[Assumption]:
        """Those that do not hold.

        Returns
        -------
        list of Assumption
        """
        return [each for each in self.items if each.holds is False]

    @property
    def unknown(self) -> list[Assumption]:
        """Those of which a finite run does not say.

        Returns
        -------
        list of Assumption
        """
        return [each for each in self.items if each.holds is None]

    def __repr__(self):
        verdicts = ", ".join(f"{a.name} {VERDICTS[a.holds]}" for a in self.items)
        return f"<Assumptions: {verdicts}>"

    def __str__(self):
        head = textwrap.fill(f"Assumptions of {self.subject}", WIDTH)
        memory = textwrap.fill(self.memory, WIDTH)
        return "\n".join([head, memory, *map(str, self.items)])

    def to_dict(self) -> dict:
        """All of it, ready for JSON.

        Returns
        -------
        dict
        """
        return {
            "subject": self.subject,
            "memory": self.memory,
            "assumptions": [each.to_dict() for each in self.items],
        }


def check_assumptions(run, X=None, y=None) -> Assumptions:
    """Judge a run by the assumptions under which convergence is proven.

    A1 bounded ages, A2 blocks updated with positive probability, A3 own blocks fresh,
    A4 unbiased subgradients of bounded variance, A5 steps as of Robbins and Monro, A6
    bounded times between updates, A7 bounded iterates: docs/guarantees.md says who
    assumes them. What holds does so by construction; a run of finite length proves no
    bound, and its numbers are then evidence only.

    Parameters
    ----------
    run : Simulation or fitted estimator
        Of this package. An estimator is judged by its present options, which should be
        those of its fit; its last run counts, or all calls of ``partial_fit``.
    X : array-like, default=None
        Samples to measure the variance of minibatches on, at the fitted parameters; for
        estimators only, with `y`.
    y : array-like, default=None
        Their targets.

    Returns
    -------
    Assumptions
        A sequence of seven `Assumption`, with `broken`, `unknown` and a text.

    Raises
    ------
    TypeError
        If `run` is neither.
    NotFittedError
        If an estimator is not fitted.
    ValueError
        If only one of `X` and `y` is given, or they are given for a simulation.

    Examples
    --------
    >>> from hogblock.asynchrony import Law, Quadratic, check_assumptions, simulate
    >>> run = simulate(Quadratic([1.0, 2.0]), Law(workers=2, ages=3), 500)
    >>> found = check_assumptions(run)
    >>> [each.name for each in found.broken]
    ['A3', 'A5']
    >>> found["A1"].numbers["bound"]
    3
    """
    if (X is None) != (y is None):
        missing = "X" if X is None else "y"
        raise ValueError(f"{missing}=None: X and y are given together, or neither is")
    if isinstance(run, Simulation):
        if X is not None:
            raise ValueError("X and y are for estimators, and run is a Simulation")
        seen = evidence_of_simulation(run)
    elif isinstance(run, NetworkEstimator):
        check_is_fitted(run)
        seen = evidence_of_fit(run, X, y)
    else:
        raise TypeError(
            f"run={run!r} is a {type(run).__name__}; allowed are a Simulation and "
            "fitted estimators of hogblock"
        )
    found = (
        Assumption(name, each.statement, *each.judge(seen))
        for name, each in PREDICATES.items()
    )
    return Assumptions(seen.subject, seen.memory, tuple(found))


def _plain(value):
    """What JSON has, of a number or a list of them."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _shown(value) -> str:
    if isinstance(value, list):
        if len(value) > MOST_ENTRIES:
            low, high = _shown(min(value)), _shown(max(value))
            return f"{low} to {high} in {len(value)}"
        return ", ".join(map(_shown, value))
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _wrapped(text: str) -> str:
    margin = " " * INDENT
    return textwrap.fill(text, WIDTH, initial_indent=margin, subsequent_indent=margin)
