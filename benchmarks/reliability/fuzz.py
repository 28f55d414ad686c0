"""Hostile files: each loader is given many, and what comes of them is counted.

An input is a good file that was damaged at random, in ways that know its format. The
loader may read it or refuse it: by a ValueError that names the file. Everything else is
a fault: another exception, a crash, a hang, memory, descriptors that stay open, a
warning of somebody else's, code that was run. Inputs with a fault are kept under
``results/fuzz``, and the exit code is 1. As many loaders are tried at a time as there
are cores.

``python -m benchmarks.reliability.fuzz``, or with ``--again FILE --loader NAME`` for an
input that was kept.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks import record
from benchmarks.checkout import ROOT
from benchmarks.reliability.fuzzing import worker
from benchmarks.reliability.fuzzing.judge import Outcome, judge
from benchmarks.reliability.fuzzing.targets import TARGETS

INPUTS = 100_000
HANG = 120.0
"""Seconds after which an input is given up, and its process killed."""
COMMAND = (sys.executable, "-m", worker.__name__)
PACKAGES = (*record.PACKAGES, "pandas", "pyarrow")


def main():
    """Fuzz the loaders, print a table, write a record."""
    options = parsed()
    if options.again:
        print(again(options.loader[0], options.again))
        return
    figures = {}
    print(f"{'loader':<10}{'inputs':>9}{'read':>9}{'refused':>9}{'places':>8}", end="")
    print(f"{'faults':>8}{'s':>8}{'slowest, s':>12}{'most, MiB':>11}")
    names = options.loader or TARGETS
    how = options.inputs, options.seed, options.keep
    several = ProcessPoolExecutor(record.cores())
    try:
        done = [several.submit(fuzz, name, *how) for name in names]
        for name, future in zip(names, done, strict=True):
            figures[name] = future.result()
            show(name, figures[name])
    finally:
        several.shutdown(cancel_futures=True)
    settings = {"seed": options.seed, "inputs": options.inputs} | limits()
    if not options.loader:
        print(record.write(options.out, "fuzz", settings, figures, PACKAGES))
    sys.exit(any(found["faults"] for found in figures.values()))


def parsed():
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of each loader")
    parser.add_argument("--loader", action="append", choices=TARGETS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", type=Path, help="an input that was kept")
    parser.add_argument("--keep", type=Path, default=ROOT / "results" / "fuzz")
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    if options.again and len(options.loader or ()) != 1:
        parser.error("--again needs one --loader")
    return options


def show(name, found):
    """Print the row of a loader."""
    print(
        f"{name:<10}{found['inputs']:>9,}{found['read']:>9,}{found['refused']:>9,}"
        f"{found['places']:>8}{sum(found['faults'].values()):>8}"
        f"{found['seconds']:>8.0f}{found['slowest input, s']:>12.2f}"
        f"{found['most memory of an input, MiB']:>11.1f}",
        flush=True,
    )
    for fault, times in found["faults"].items():
        print(f"    {times} x {fault}")


def limits():
    """What an input may take, for the record."""
    return {
        "memory of an input, MiB": {name: t.memory for name, t in TARGETS.items()},
        "address space of an input, MiB": worker.ROOM >> 20,
        "slow, s of a core": worker.SLOW,
        "hang, s": HANG,
    }


def fuzz(name, inputs, seed, keep):
    """Counts of one loader; its inputs are loaded by a process of their own."""
    began, deaths = time.monotonic(), Counter()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        folder = Path(folder)
        (folder / "input").mkdir()
        numbers = worker.numbers_of(folder)
        first = 0
        while first < inputs:
            numbers[:2] = first - 1, 0
            what = run_worker(name, seed, first, inputs, folder, keep)
            if what is None:
                break
            k = int(numbers[0])
            if k < first:
                raise RuntimeError(f"the worker of {name} did not start: {what}")
            raw = (folder / "input" / TARGETS[name].file).read_bytes()
            worker.keep_input(keep, name, seed, k, raw, Outcome(what, "", ""))
            deaths[what] += 1
            first = k + 1
        found = dict(zip(worker.FIELDS, map(int, numbers), strict=True))
        faults, places = (lines_of(folder / which) for which in ("faults", "places"))
    return {
        "inputs": inputs,
        "read": found["read"],
        "refused": found["refused"],
        "places": len(places),
        "faults": dict(Counter(faults) + deaths),
        "seconds": round(time.monotonic() - began, 1),
        "slowest input, s": round(found["slowest"] / 1e9, 3),
        "most memory of an input, MiB": round(found["most"] / 1024, 1),
    }


def run_worker(name, seed, first, end, folder, keep):
    """How the worker died; None if it has loaded all."""
    arguments = map(str, (name, seed, first, end, folder, keep.absolute()))
    command = [*COMMAND, *arguments]
    numbers = worker.numbers_of(folder)
    with open(folder / "words", "wb") as words:
        process = subprocess.Popen(command, cwd=ROOT, stdout=words, stderr=words)
        while True:
            try:
                code = process.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                stuck = time.monotonic_ns() - numbers[1] > HANG * 1e9
                if numbers[1] and stuck:
                    process.kill()
                    process.wait()
                    return "hang"
    if code == 0:
        return None
    last = (folder / "words").read_text(errors="replace").strip().splitlines()[-1:]
    return f"crash (exit code {code}) {''.join(last)}"


def lines_of(path):
    """Lines of a file that need not exist."""
    return path.read_text().splitlines() if path.exists() else []


def again(name, file):
    """Outcome of an input that was kept, all warnings and traces told."""
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder, target.file)
        shutil.copyfile(file, path)
        os.chdir(folder)
        return "\n".join(judge(target, path))


if __name__ == "__main__":
    main()
