"""Fixtures of the tests of the benchmarks."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scripts(monkeypatch):
    """``scripts(name)`` imports a module of the benchmarks, such as "gpu.report"."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield lambda name: importlib.import_module(f"benchmarks.{name}")
    for name in list(sys.modules):
        if name.partition(".")[0] == "benchmarks":
            del sys.modules[name]
