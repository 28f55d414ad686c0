"""Makes hogblock importable from the checkout that this file lies in.

An installed hogblock is left as it is. Otherwise the folders ``kernels`` and ``models``
become the subpackages that an installation makes of them. Call `use_checkout` before
the first ``from hogblock import``.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def use_checkout():
    """Make ``hogblock``, ``hogblock.kernels`` and ``hogblock.models`` importable."""
    if find_spec("hogblock") is None:
        sys.path.insert(0, str(ROOT))
    import hogblock

    if find_spec("hogblock.kernels") is None:
        hogblock.__path__.append(str(ROOT))
