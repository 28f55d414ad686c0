"""Everything public, by the rule of ``hogblock.__init__``."""

import importlib
import inspect

import hogblock

MODULES = [n for n in hogblock.__all__ if inspect.ismodule(getattr(hogblock, n))]
NAMES = [("hogblock", n) for n in hogblock.__all__ if n not in MODULES]
NAMES += [
    (f"hogblock.{module}", name)
    for module in MODULES
    for name in getattr(hogblock, module).__all__
]


def public(module, name):
    return getattr(importlib.import_module(module), name)
