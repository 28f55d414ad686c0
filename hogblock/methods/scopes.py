"""Scopes: which part of the parameters a step updates.

Named scopes are "full", everything; "own", a block of the worker's own (one of several
is drawn at random); "suffix", everything from the start of such a block to the output.
`From` cuts at a layer, whoever the worker is. A scope's step runs the whole forward
pass and as much of the backward pass as its gradient needs: its gradient is the full
one restricted to it.

"own" is the paper's (arXiv 1905.11845), and full and own steps in turn are what its
authors' code does; "suffix" and `From` are this package's.
"""

from dataclasses import dataclass
from numbers import Integral

FULL, OWN, SUFFIX = "full", "own", "suffix"
NAMED = (FULL, OWN, SUFFIX)


@dataclass(frozen=True)
class From:
    """Everything from a layer to the output.

    Parameters
    ----------
    layer : int
        Position among the layers that have parameters, counted from 0 at the input, or
        from -1 at the output: ``From(1)`` leaves out the first layer.

    Raises
    ------
    ValueError
        If it is no integer; if the network has no such layer, when a run is planned.
    """

    layer: int

    def __post_init__(self):
        if isinstance(self.layer, bool) or not isinstance(self.layer, Integral):
            raise ValueError(f"layer={self.layer!r} of From must be an integer")


Scope = str | From


def check_scope(scope: Scope, what: str, named: tuple[str, ...] = NAMED) -> None:
    """Raise ValueError, saying `what` it is, unless `scope` is one.

    Parameters
    ----------
    scope : str or From
    what : str
        Such as ``"scope of method 'passm+'"``.
    named : tuple of str
        Names that are allowed.
    """
    if not isinstance(scope, From) and scope not in named:
        raise ValueError(
            f"{scope!r} is no {what}; allowed are {named} and From(layer) of "
            "hogblock.methods"
        )
