"""The process that loads hostile files: one target, inputs from a number on.

``python -m benchmarks.reliability.fuzzing.worker TARGET SEED FIRST END FOLDER KEEP``.
What it does is in a file of numbers, so that it is known also if the process dies.
"""

import gc
import os
import resource
import sys
import time
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.reliability.fuzzing.judge import READ, REFUSED, Outcome, judge
from benchmarks.reliability.fuzzing.targets import TARGETS, mutated

FIELDS = ("number", "began", "read", "refused", "faults", "slowest", "most")
"""Input in work and when it began (ns), counts, ns and KiB at most of one input."""
ROOM = 1 << 30
"""Address space that an input may take, bytes: more is a MemoryError."""
SLOW = 10.0
"""Seconds of a core that an input may take."""
COUNTED = 100
"""Inputs after which open descriptors are counted."""
KEPT = 5
"""Files that are kept of a fault at the same place."""


def numbers_of(folder: Path) -> np.memmap:
    """The numbers of a worker, by the order of `FIELDS`."""
    path, mode = folder / "numbers", "r+" if (folder / "numbers").exists() else "w+"
    return np.memmap(path, np.int64, mode, shape=len(FIELDS))


def work(name: str, seed: int, first: int, end: int, folder: Path, keep: Path) -> None:
    """Load the inputs from `first` to before `end`."""
    target, numbers = TARGETS[name], numbers_of(folder)
    path = folder / "input" / target.file
    os.chdir(path.parent)
    seeds = target.seeds()
    places = set(_lines(folder / "places"))
    for raw in seeds:  # imports what is wanted
        path.write_bytes(raw)
        outcome = judge(target, path)
        assert not outcome.is_fault or first, f"a seed of {name}: {outcome}"
    opened, kept = _descriptors(), {}
    _bound_memory()
    for k in range(first, end):
        raw = mutated(seeds, target.mutators, Random(f"{name} {seed} {k}"))
        path.unlink()  # a new file costs less than one that is cut off
        path.write_bytes(raw)
        numbers[:2] = k, time.monotonic_ns()
        outcome, seconds, most = _watched(target, path)
        if (
            not k % COUNTED
            and (now := _descriptors()) > opened
            and not outcome.is_fault
        ):
            outcome = Outcome("descriptors", "", f"{opened} were open, {now} are")
            opened = now
        numbers[2] += outcome.kind == READ
        numbers[3] += outcome.kind == REFUSED
        numbers[4] += outcome.is_fault
        numbers[5] = max(numbers[5], int(seconds * 1e9))
        numbers[6] = max(numbers[6], most)
        if outcome.place not in places and not outcome.is_fault:
            places.add(outcome.place)
            _append(folder / "places", outcome.place)
        if outcome.is_fault:
            kind = f"{outcome.kind} {outcome.place}"
            kept[kind] = kept.get(kind, 0) + 1
            _append(folder / "faults", kind)
            if kept[kind] <= KEPT:
                keep_input(keep, name, seed, k, raw, outcome)
    numbers[0] = end


def _watched(target, path: Path) -> tuple[Outcome, float, int]:
    """Outcome, seconds of a core, and KiB that became resident."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    before, began = _peak(), time.process_time()
    outcome = judge(target, path)
    seconds, most = time.process_time() - began, _peak() - before
    if not outcome.is_fault and most > target.memory << 10:
        outcome = Outcome("takes memory", outcome.place, f"{most} KiB")
    if not outcome.is_fault and seconds > SLOW:
        outcome = Outcome("slow", outcome.place, f"{seconds:.1f} s")
    return outcome, seconds, most


def keep_input(
    keep: Path, name: str, seed: int, k: int, raw: bytes, outcome: Outcome
) -> None:
    """Write an input and what is wrong with it where they can be found."""
    keep.mkdir(parents=True, exist_ok=True)
    file = keep / f"{name}-{seed}-{k}"
    file.write_bytes(raw)
    words = f"{outcome.kind}\n{outcome.place}\n{outcome.words}\n"
    file.with_suffix(".txt").write_text(words, errors="backslashreplace")


def _peak() -> int:
    """Greatest resident memory since it was reset, KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")


def _bound_memory() -> None:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _append(path: Path, line: str) -> None:
    with open(path, "a") as file:
        file.write(line + "\n")


def main() -> None:
    """Do as the command line says."""
    name, seed, first, end, folder, keep = sys.argv[1:]
    work(name, int(seed), int(first), int(end), Path(folder), Path(keep))


if __name__ == "__main__":
    main()
