"""How the GPU benchmark runs a side: a process of its own, a list of cases, a limit.

A side's module hands `serve` what it can do. The job comes as JSON on the command line:
``part``, ``cases`` (dicts), ``seconds``, ``tiny``, ``device`` and ``data`` (and, if it
is to be another, ``grace``, see `GRACE_SECONDS`). Each case
prints one line of JSON, with the reason under "why" if it gave no result. Cases are
begun while time is left; `run` ends a process that does not keep to its time, and keeps
the lines that it had printed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from statistics import median

import numpy as np

from benchmarks import processes
from benchmarks.problems import cosine

MEASURE_SECONDS = 0.25  # of one repeat
REPEATS = 5
MOST_EPOCHS = 50
GRACE_SECONDS = 15  # for start and end of a process, beyond its cases' time


class Clock:
    """Time that is left of a job."""

    def __init__(self, seconds):
        self.end = time.perf_counter() + seconds

    def left(self):
        """Seconds, negative if it is over."""
        return self.end - time.perf_counter()


def run(module, job, environment=()):
    """Run a side's module in a process of its own.

    Parameters
    ----------
    module : str
    job : dict
    environment : mapping or pairs
        Variables of its own.

    Returns
    -------
    list of dict
        What it printed; for a case without a line, the reason.
    """
    env = processes.environment() | dict(environment)
    command = processes.command(module, json.dumps(job))
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        # Not pipes: a compiler's helpers may outlive the process and hold them open.
        process = subprocess.Popen(
            command, env=env, stdout=out, stderr=errors, start_new_session=True
        )
        why = None
        try:
            grace = job.get("grace", GRACE_SECONDS)
            if process.wait(max(1, job["seconds"]) + grace):
                why = f"exit status {process.returncode}: "
        except subprocess.TimeoutExpired:
            why = "its time was over"
        finally:
            _end(process)
        out.seek(0)
        errors.seek(0)
        found = [json.loads(line) for line in out if line.startswith("{")]
        if why and why.startswith("exit"):
            why += errors.read()[-500:].strip()
    for case in job["cases"][len(found) :]:
        found.append({"case": case, "why": why or "it printed nothing"})
    return found


def _end(process):
    """End a process and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def serve(parts):
    """Answer the job of the command line.

    Parameters
    ----------
    parts : dict of str to callable
        ``part(case, job, clock)`` returns a dict of what it measured.
    """
    job = json.loads(sys.argv[1])
    clock = Clock(job["seconds"])
    for case in job["cases"]:
        line = {"case": case}
        if clock.left() <= 0:
            line["why"] = "no time was left"
        else:
            try:
                line |= parts[job["part"]](case, job, clock)
            # A package may be missing, a network unsupported, a run may diverge.
            except Exception as error:
                line["why"] = f"{type(error).__name__}: {error}"[:300]
        print(json.dumps(line), flush=True)


def throughput(side, clock, quick=False):
    """Measure a side's speed, compilation and a warm-up excluded.

    Parameters
    ----------
    side : object
        ``samples`` of an epoch, and ``run(epochs)``, which returns a dict with
        ``seconds`` (training), ``wall`` (all of it) and ``device`` (that the card was
        busy; None if unknown); what else it holds goes into the record.
    clock : Clock
    quick : bool

    Returns
    -------
    dict
        ``samples_per_s`` of each repeat, ``epoch_s``, ``host_share`` (of the wall
        clock, in which the card was idle), the ``runs`` themselves.
    """
    first = side.run(1)
    once = (first if quick else side.run(1))["seconds"]
    epochs = 1 if quick else int(np.clip(MEASURE_SECONDS / once, 1, MOST_EPOCHS))
    runs = []
    for _ in range(1 if quick else REPEATS):
        if runs and clock.left() < epochs * once:
            break
        runs.append(side.run(epochs))
    speeds = [epochs * side.samples / r["seconds"] for r in runs]
    shares = [1 - r["device"] / r["wall"] for r in runs if r.get("device")]
    return {
        "samples_per_s": speeds,
        "epoch_s": side.samples / median(speeds),
        "epochs": epochs,
        "first_s": first["wall"],
        "host_share": median(shares) if shares else None,
        "runs": runs,
    }


def to_target(side, case, clock):
    """Train to a test accuracy: tune the learning rate, then run several seeds.

    Parameters
    ----------
    side : object
        ``steps`` of an epoch, and ``train(seed, rates)``, which returns the training
        seconds and the test accuracy after each epoch.
    case : dict
        ``target``, ``lrs``, ``epochs``, ``tuning_seed``, ``seeds``.
    clock : Clock

    Returns
    -------
    dict
        lr, budget, seconds (to the target, None if never) and final (accuracy) of each
        run, runs.
    """

    def train(lr, seed):
        rates = cosine(lr, case["epochs"], side.steps)
        seconds, accuracy = side.train(seed, rates)
        pairs = zip(seconds, accuracy, strict=True)
        reached = next((s for s, a in pairs if a >= case["target"]), None)
        return {"seconds": seconds, "accuracy": accuracy, "reached": reached}

    def slowness(lr):
        run = tried[lr]
        reached = run["reached"]
        return np.inf if reached is None else reached, -run["accuracy"][-1]

    train(case["lrs"][0], case["tuning_seed"])  # compiles
    tried = {}
    for lr in case["lrs"]:
        if not tried or clock.left() > 0:
            tried[lr] = train(lr, case["tuning_seed"])
    best = min(tried, key=slowness)
    runs = []
    for seed in case["seeds"]:
        if not runs or clock.left() > 0:
            runs.append(train(best, seed))
    return {
        "lr": best,
        "budget": case["epochs"],
        "seconds": [run["reached"] for run in runs],
        "final": [run["accuracy"][-1] for run in runs],
        "runs": runs,
    }
