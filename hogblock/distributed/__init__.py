"""Training on several machines: local asynchronous workers, and models averaged beside
them (arXiv 2203.06638). The engine is Ray, the extra ``hogblock[ray]``.

docs/distributed.md describes it, and says when not to use it.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what `__getattr__` brings; "as" says that it is public
    from hogblock.distributed.averaging import Averaging as Averaging
    from hogblock.distributed.options import Ray as Ray
    from hogblock.distributed.parts import Parts as Parts
    from hogblock.training.nodes import NodeReport as NodeReport
    from hogblock.training.nodes import Rounds as Rounds

_HOME = {
    "Averaging": "hogblock.distributed.averaging",
    "NodeReport": "hogblock.training.nodes",
    "Parts": "hogblock.distributed.parts",
    "Ray": "hogblock.distributed.options",
    "Rounds": "hogblock.training.nodes",
}

__all__ = [*_HOME]


def __getattr__(name):
    # On demand: a worker process has no use for it.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
