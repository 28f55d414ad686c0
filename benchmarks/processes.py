"""Processes that run a module of the benchmarks, each for one side."""

import os
import sys

from benchmarks.checkout import ROOT

# A caller's thread settings must not reach the sides, which choose their own.
THREAD_VARIABLES = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "XLA_")


def command(module, *arguments):
    """Command that runs a module, wherever the process starts."""
    return [sys.executable, "-m", module, *arguments]


def environment():
    """Variables of such a process."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(THREAD_VARIABLES)}
    paths = [str(ROOT), *filter(None, [own.get("PYTHONPATH")])]
    return own | {"PYTHONPATH": os.pathsep.join(paths)}
