"""The fuzzing itself: every kind of fault is seen, and its input is kept."""

import sys
import warnings
from pathlib import Path

import pytest

from hogblock.kernels.warn import warn
from support.behind import behind
from support.fuzzing import TARGETS, judge


def sprung():
    Path("sprung").touch()


def refused(path, cause=None):
    raise ValueError(f"{path} is no good") from cause


def raised(error):
    raise error


BEHAVIOURS = {
    "read": lambda path: None,
    "refused": refused,
    "TypeError": lambda path: raised(TypeError("x")),
    "does not name the file": lambda path: raised(ValueError("somewhere")),
    "asks for memory": lambda path: refused(path, MemoryError()),
    "not valid": lambda path: raised(AssertionError()),
    "code was run": lambda path: sprung(),
    "warning": lambda path: warnings.warn(f"{path} is odd", RuntimeWarning, 2),
}


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_kinds_of_outcomes(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "input"
    target = TARGETS["idx"]._replace(read=BEHAVIOURS[kind])
    outcome = judge(target, path)
    assert outcome.kind == kind
    assert outcome.is_fault == (kind not in ("read", "refused"))
    assert not (tmp_path / "sprung").exists()


def test_warnings_of_hogblock_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "input"
    target = TARGETS["idx"]._replace(read=lambda path: warn(f"{path}: a column is odd"))
    assert judge(target, path).kind == "read"


@behind
def test_faults_that_end_the_worker(folder):
    """It is started again after the input that ended it."""
    from benchmarks.reliability import fuzz
    from support import toy_fuzzing

    fuzz.TARGETS["toy"] = toy_fuzzing.TOY
    fuzz.COMMAND = (sys.executable, toy_fuzzing.__file__)
    fuzz.HANG = 3.0
    found = fuzz.fuzz("toy", len(toy_fuzzing.KINDS), 5, folder / "kept")
    faults = {kind.split()[0]: times for kind, times in found["faults"].items()}
    assert faults == {
        "crash": 1, "hang": 1, "takes": 1, "descriptors": 1, "TypeError": 1,
        "MemoryError": 1,
    }  # fmt: skip
    assert (found["read"], found["refused"]) == (2, 0)
    assert found["most memory of an input, MiB"] > 60
    kept = {file.name: file.read_text() for file in (folder / "kept").iterdir()}
    assert kept["toy-5-3"] == "hang" and kept["toy-5-3.txt"].startswith("hang")
    assert kept["toy-5-1"] == "crash" and "exit code -6" in kept["toy-5-1.txt"]
    assert "an odd thing" in kept["toy-5-5.txt"]
    assert len(kept) == 2 * len(faults)
