"""hogblock on a graphics card beside PyTorch: one command, under eight minutes.

Measures, in this order (``--only`` picks parts; each has a time that it may take):

- ``card``: the card, its driver and what is installed;
- ``probe``: rates on which the engine's design rests: reads of the L2 cache, additions
  and stores, a team's barrier, a launch, multiply-adds (probe.py);
- ``phases``: the kernels of a training step one by one, beside the prediction;
- ``throughput``: samples/s of 784-256-128-10, conv16-32 and LeNet-5 (problems.py) at
  minibatches of 32 to 4096: hogblock's methods with G workers of S blocks (``8x16``),
  PyTorch eager, compiled ("max-autotune") and as a captured CUDA graph, with tensor
  cores' TF32 as PyTorch comes, off and on. Also the share of the wall clock in which
  the card waited for the host;
- ``sweep``: Hogwild at every G, with teams that fill the card: speed, and the loss
  after some epochs beside sequential steps';
- ``target``: training time to a test accuracy, learning rate tuned for each side,
  several seeds, evaluation excluded. Needs Fashion-MNIST's four files, in ``--data`` or
  where Debian's package ``dataset-fashion-mnist`` puts them.

Every side runs alone in a process of its own, warm-up and compilation excluded; figures
are medians of repeats, with their spread. Without Fashion-MNIST the data are random, of
its shape. A side that is not available is named, with the reason.

    python -m benchmarks.gpu.beside_pytorch     # needs a card, cupy, numba-cuda, torch
    python -m benchmarks.gpu.beside_pytorch --quick --only probe,throughput
    python -m benchmarks.gpu.beside_pytorch --predict    # counted; needs no card
    python -m benchmarks.gpu.beside_pytorch --dry-run    # tries sides on a processor

Works in a checkout, installed or not. Prints tables (Markdown), writes a record (see
record.py) and a picture beside it: into ``results`` where nothing is measured.
"""

import argparse
import ctypes
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks import record
from benchmarks.gpu import cases, child, model, report
from benchmarks.gpu.problems import (
    NETWORKS,
    TINY,
    have_fashion_mnist,
    network_of,
    use_data,
)

PACKAGES = (
    *record.PACKAGES,
    "torch",
    "numba-cuda",
    "cupy-cuda13x",
    "cupy-cuda12x",
    "triton",
)
PREDICTED_BATCHES = (32, 64, 128, 256, 1024, 4096)
PHASES_OF = ((132, 1), (8, 16), (1, 132))  # settings whose phases are printed
SECONDS = 440
QUICK = 0.35  # of the time
START_SECONDS = 4  # of a process, beside its work
DRY_RUN_SECONDS = 8  # of a process, to begin cases in, and to end
SIMULATOR = {"NUMBA_ENABLE_CUDASIM": "1"}
QUIET = {"NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS": "0"}
NEEDED = {"torch": "torch", "cupy": "cupy-cuda13x", "numba_cuda": "numba-cuda[cu13]"}


def lacking():
    """Say in a line what this machine lacks; None if it has all."""
    missing = [package for name, package in NEEDED.items() if find_spec(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no driver of an NVIDIA card is installed (libcuda.so.1)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return "the driver of the card does not start (cuInit)"
    return None if count.value else "the driver finds no card"


def has_engine():
    """Whether hogblock's engine for cards is there."""
    return bool(
        find_spec("hogblock.engines.cuda") and find_spec("hogblock.engines.cuda.engine")
    )


def predicted(rates):
    """Predict every network: {network: [model.predict(...)]}."""
    networks = {name: network_of(problem) for name, problem in NETWORKS.items()}
    return model.predictions(networks, PREDICTED_BATCHES, rates)


def environment(job, dry):
    """Variables of a job's process."""
    simulated = dry and job.module == cases.HOGBLOCK
    return QUIET | (SIMULATOR if simulated else {})


def reason_to_skip(job, options):
    """Why a job cannot give figures, or None."""
    if options.dry_run and job.module == cases.PROBE:
        return "the simulator has neither caches nor clocks"
    if options.dry_run and job.side == "torch-graph":
        return "a CUDA graph needs a card"
    if job.module == cases.HOGBLOCK and not has_engine():
        return (
            "this version of hogblock has no engine for cards (hogblock.engines.cuda)"
        )
    if job.part == "target" and not (options.dry_run or have_fashion_mnist()):
        return "Fashion-MNIST is not there, see --data"
    return None


def work_on(job, options, seconds):
    """Run a job; returns its lines."""
    why = reason_to_skip(job, options)
    if why is None and seconds <= 0:
        why = "no time was left"
    if why:
        return [{"case": case, "why": why} for case in job.cases]
    told = {
        "part": job.part,
        "cases": job.cases,
        "seconds": seconds,
        "tiny": options.dry_run,
        "device": "cpu" if options.dry_run else "cuda",
        "data": str(options.data) if options.data else None,
    }
    if options.dry_run:
        told["grace"] = DRY_RUN_SECONDS
    return child.run(job.module, told, environment(job, options.dry_run))


def ours_of(lines):
    """Lines of hogblock that hold figures."""
    return [line for line in report.given(lines) if "method" in line["case"]]


def show(rows):
    """Print the rows of a table, if there are any."""
    rows = list(rows)
    if rows:
        print("\n".join(rows) + "\n")


def show_part(part, lines, rates, problems=NETWORKS):
    """Print the tables of a part."""
    print(f"\n### {part}\n", flush=True)
    match part:
        case "card":
            for line in report.given(lines):
                for name, value in line.items():
                    if name != "case":
                        print(f"- {name}: {value}")
        case "probe":
            show(report.probe_rows(lines))
        case "phases":
            networks = {name: network_of(p) for name, p in problems.items()}

            def predict(network, *setting):
                return model.predict(networks[network], *setting, rates)

            show(report.phase_rows(lines, predict, rates.peak))
        case "throughput":
            for network in report.networks_of(lines):
                show(report.throughput_rows(lines, network))
            show(report.host_rows(lines))
            if any(line.get("host_share") is None for line in ours_of(lines)):
                print("- host's share: unknown, the engine reports no device time")
        case "sweep":
            show(report.sweep_rows(lines))
        case "target":
            for network in report.networks_of(lines):
                show(report.target_rows(lines, network))
    for row in report.missing_rows(lines):
        print(row, flush=True)


def show_predictions(found, given):
    """Print predicted steps, and their phases for the perceptron."""
    print(f"\n### Predictions, not measurements ({given})\n")
    print("\n".join(report.prediction_rows(found)))
    runs = [
        run
        for run in found["mlp"]
        if run["batch"] == 32 and (run["workers"], run["blocks"]) in PHASES_OF
    ]
    print("\nPhases of a step of 32 samples of 784-256-128-10:\n")
    print("\n".join(report.predicted_phase_rows(runs)), flush=True)


def write(options, lines, found, rates):
    """Write the numbers and the picture."""
    path = record.write(
        options.out,
        "gpu",
        {name: str(value) for name, value in vars(options).items()},
        report.figures(lines),
        PACKAGES,
        rates=vars(rates),
        predicted=found,
        measured=lines,
    )
    report.draw(lines, found, path.with_suffix(".png"))


def measure(options, lines):
    """Run the parts, print and write each as it ends; returns the card's rates."""
    networks = options.networks.split(",") if options.networks else None
    parts = [part for part in cases.PARTS if part in options.only.split(",")]
    scale = options.seconds / SECONDS * (QUICK if options.quick else 1)
    rates, found = model.H200, None
    start, granted = time.perf_counter(), 0.0
    for part in parts:
        for job in cases.jobs(part, networks, rates.multiprocessors):
            job = cases.tiny(job) if options.dry_run else job
            granted += job.seconds * (1 if part == "card" else scale)
            left = start + granted - time.perf_counter() - START_SECONDS
            left = DRY_RUN_SECONDS if options.dry_run else left
            lines[part] += work_on(job, options, left)
        if part in ("card", "probe"):
            rates = model.with_measured(rates, measured(lines))
        if found is None or part == "probe":
            found = predicted(rates)
        show_part(part, lines[part], rates, TINY if options.dry_run else NETWORKS)
        write(options, lines, found, rates)
    print(f"\n{time.perf_counter() - start:.0f} s")
    return rates


def measured(lines):
    """Rates of `model.Rates` that were measured."""
    rates = {}
    for line in report.given(lines["card"]):
        rates["multiprocessors"] = line["multiprocessors"]
        rates["l2_size"] = line["l2_bytes"]
    return rates | model.rates_of(report.given(lines["probe"]))


def main():
    """Measure or predict, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(cases.PARTS), help="parts: a,b")
    parser.add_argument("--networks", help=f"of {', '.join(NETWORKS)}: a,b")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="in all")
    parser.add_argument("--quick", action="store_true", help="a third of the time")
    parser.add_argument("--predict", action="store_true", help="measure nothing")
    parser.add_argument("--dry-run", action="store_true", help="tiny, on a processor")
    parser.add_argument("--data", type=Path, help="folder of Fashion-MNIST's files")
    parser.add_argument("--out", type=Path, help="folder of records")
    options = parser.parse_args()
    for names, known in ((options.only, cases.PARTS), (options.networks, NETWORKS)):
        if names and not set(names.split(",")) <= set(known):
            parser.error(f"{names}: allowed are {', '.join(known)}")
    use_data(options.data)
    lines = {part: [] for part in cases.PARTS}
    rates, given = model.H200, "from given rates of an H200"
    why = None if options.predict or options.dry_run else lacking()
    if options.out is None:
        nothing = options.predict or options.dry_run or why
        options.out = Path("results") if nothing else record.RESULTS
    if why:
        print(f"nothing can be measured here: {why}")
    elif not options.predict:
        rates = measure(options, lines)
        if lines["probe"] and rates != model.H200:
            given = "from the rates measured above"
    found = predicted(rates)
    show_predictions(found, given)
    write(options, lines, found, rates)


if __name__ == "__main__":
    main()
