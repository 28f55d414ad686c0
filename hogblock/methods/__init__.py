"""Methods: what a worker updates at which step, and how it writes.

Each is defined in docs/method.md, section 4, after Kungurtsev, Egan, Chatterjee and
Alistarh, "Asynchronous Optimization Methods for Efficient Training of Deep Neural
Networks with Guarantees" (arXiv 1905.11845). To add a method, write its class in one of
the files of this folder and name it in `METHODS`.
"""

from hogblock.methods.base import Method, Stretch
from hogblock.methods.blocks import PASSM, Mixed, PASSMPlus
from hogblock.methods.scopes import From
from hogblock.methods.whole import ASSM, SGD, Hogwild, Sync, Thinned

__all__ = [
    "ASSM",
    "METHODS",
    "PASSM",
    "SGD",
    "From",
    "Hogwild",
    "Method",
    "Mixed",
    "PASSMPlus",
    "Stretch",
    "Sync",
    "Thinned",
    "resolve",
]

for _name in __all__:
    if isinstance(_class := globals().get(_name), type):
        _class.__module__ = __name__  # the public one, for pickles and documents

METHODS = {
    m.name: m for m in (SGD, Sync, Hogwild, ASSM, PASSM, PASSMPlus, Mixed, Thinned)
}


def resolve(method) -> Method:
    """A method from its name, or as it is.

    Parameters
    ----------
    method : str or Method

    Returns
    -------
    Method

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(method, Method):
        return method
    if method in METHODS:
        return METHODS[method]()
    raise ValueError(
        f"method={method!r} is unknown; allowed are {sorted(METHODS)} or an instance "
        "of hogblock.methods.Method"
    )
