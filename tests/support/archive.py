"""The package in an archive, with the compiled kernels of the checkout."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
from numba.core.caching import _CacheLocator

from hogblock.kernels.cpu.warmup import cache_state, warm_up
from hogblock.training.statistics import Statistics

ROOT = Path(__file__).parents[2]
PLACES = {
    "hogblock": "hogblock",
    "kernels": "hogblock/kernels",
    "models": "hogblock/models",
}
"""Folders of the checkout, and where they are in the package."""


def make_archive(path):
    """Write the package's sources into a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        for folder, place in PLACES.items():
            for file in sorted((ROOT / folder).rglob("*.py")):
                archive.write(file, place / file.relative_to(ROOT / folder))


def copy_kernels(archive, cache):
    """Put the host's kernels where a process that has the archive looks for them.

    Parameters
    ----------
    archive : Path
        Of the package.
    cache : Path
        Value of XDG_CACHE_HOME.
    """
    warm_up()
    none = np.zeros((1, 1), np.float32)
    Statistics.of(none, none[0, :0])  # by a kernel that is not an entry point
    module = str(archive / "hogblock" / "kernels" / "cpu" / "run.py")
    place = cache / "numba" / _CacheLocator.get_suitable_cache_subpath(module)
    shutil.copytree(cache_state().path, place, ignore=shutil.ignore_patterns("*.pyc"))
