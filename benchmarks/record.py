"""The record of a benchmark: what was measured, on which machine, when and with what.

A record is ``<folder>/<machine>/<date>-<benchmark>.json``; results/README.md says what
it holds.
"""

import json
import os
import platform
import re
import subprocess
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from benchmarks.checkout import ROOT

RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("numpy", "numba", "scikit-learn")
LOAD = os.getloadavg()[0]  # before anything is measured
MARKS = re.compile(r"\((r|tm)\)|\bprocessor\b|\bcpu\b|@.*", re.IGNORECASE)


def processor():
    """Name of the processor, as Linux has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0].strip()


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def machine():
    """Name of a folder: the processor and the number of cores."""
    words = re.findall(r"[a-z0-9.]+", MARKS.sub("", processor()).lower())
    return "-".join([*words, str(cores()), "cores"])


def versions(packages=PACKAGES):
    """Versions of Python and of packages; None stands for what is not installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def revision():
    """Commit of the checkout, with a + where files were changed; None without git."""
    command = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def spread(values):
    """Median, lowest and highest of some measurements, and how many they are."""
    low, high = min(values), max(values)
    middle = median(values)
    return {"median": middle, "lowest": low, "highest": high, "repeats": len(values)}


def show(figures):
    """Print figures that are each a `spread`: median, lowest and highest."""
    for name, found in figures.items():
        low, high = found["lowest"], found["highest"]
        print(f"{name:<60}{found['median']:10.3f} ({low:.3f}-{high:.3f})")


def path_of(folder, benchmark):
    """File of today's record."""
    return Path(folder) / machine() / f"{date.today().isoformat()}-{benchmark}.json"


def latest(folder, benchmark):
    """Newest record of this machine, or None."""
    files = sorted((Path(folder) / machine()).glob(f"????-??-??-{benchmark}.json"))
    return json.loads(files[-1].read_text()) if files else None


def write(folder, benchmark, settings, figures, packages=PACKAGES, **more):
    """Write a record.

    Parameters
    ----------
    folder : path
        Such as `RESULTS`.
    benchmark : str
        Its name, such as ``"first_fit"``.
    settings : dict
        Hyper-parameters, sizes, repeats: what another run needs to measure the same.
    figures : dict
        What was found, units in the names; several values as a `spread`.
    packages : iterable of str
        Those whose versions matter.
    **more
        What else the record holds, such as all measurements.

    Returns
    -------
    Path
        The file; a picture may lie beside it, as .png.
    """
    path = path_of(folder, benchmark)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "benchmark": benchmark,
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": cores(),
        "load": round(LOAD, 2),
        "revision": revision(),
        "versions": versions(packages),
        "settings": settings,
        "figures": figures,
    }
    path.write_text(json.dumps(head | more, indent=1) + "\n")
    return path
