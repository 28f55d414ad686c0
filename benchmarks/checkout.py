"""Makes hogblock importable from the checkout that this file lies in.

An installed hogblock is left as it is. Otherwise the folders ``kernels`` and ``models``
are found as the subpackages that an installation makes of them. Nothing of hogblock is
imported: a peer's process is to hold only the peer.
"""

import sys
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = {f"hogblock.{name}": ROOT / name for name in ("kernels", "models")}


class Subpackages:
    """Finds those that lie beside ``hogblock`` in a checkout."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Return the spec of one of `PARTS`, else None."""
        if name not in PARTS:
            return None
        folder = str(PARTS[name])
        return spec_from_file_location(
            name, f"{folder}/__init__.py", submodule_search_locations=[folder]
        )


def use_checkout():
    """Make ``hogblock`` and its subpackages importable."""
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]
    installed = find_spec("hogblock")
    if installed is None:
        sys.meta_path.append(Subpackages)
    else:  # workers get the path, and are to find the same
        sys.path.append(str(Path(installed.origin).parents[1]))
    sys.path.append(str(ROOT))  # for the benchmarks of processes started from here
