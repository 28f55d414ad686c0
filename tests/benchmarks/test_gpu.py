"""The GPU benchmark, as far as it goes without a card."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hogblock.engines.cpu import engine, training
from support.behind import behind
from support.ptx import compile_elsewhere, ptxas

ROOT = Path(__file__).parents[2]
MODULE = "benchmarks.gpu.beside_pytorch"
PTX = """
import json, sys
sys.path.insert(0, sys.argv[1])
from benchmarks.gpu import probe
for cc in ((8, 0), (9, 0)):
    for name, (_, _, least) in probe.KERNELS.items():
        if cc >= least:
            print(json.dumps([cc, name, probe.ptx(name, cc)]))
"""
SLEEPER = """
import json, sys, time
job = json.loads(sys.argv[1])
print("noise")
print(json.dumps({"case": job["cases"][0], "n": 1}), flush=True)
time.sleep(60)
"""


def run_script(*arguments, seconds, **environment):
    """Run the benchmark in a process of its own; returns what it printed."""
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, "-m", MODULE, *map(str, arguments)],
        cwd=ROOT,
        env=env | environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def network(scripts, name):
    problems = scripts("gpu.problems")
    return problems.network_of(problems.NETWORKS[name])


# Cases and processes ---------------------------------------------------------------


def test_time_is_limited(scripts):
    cases, gpu = scripts("gpu.cases"), scripts("gpu.beside_pytorch")
    jobs = [job for part in cases.PARTS for job in cases.jobs(part)]
    assert sum(job.seconds for job in jobs) == gpu.SECONDS < 8 * 60 - 30
    for job in jobs:
        assert find_spec(job.module) and job.cases
        keys = [json.dumps(case, sort_keys=True) for case in job.cases]
        assert len(set(keys)) == len(keys)
        few = cases.tiny(job).cases
        assert 0 < len(few) <= len(keys)
        assert all(case.get("blocks", 1) == 1 for case in few)


def test_teams_fill_the_card(scripts):
    cases = scripts("gpu.cases")
    (job,) = cases.jobs("sweep", card=132)
    hogwild = [case for case in job.cases if case["method"] == "hogwild"]
    found = {(case["workers"], case["blocks"]) for case in hogwild}
    assert {(1, 132), (8, 16), (33, 4), (132, 1)} <= found and len(found) == 8
    (job,) = cases.jobs("sweep", card=108)
    assert max(case["workers"] * case["blocks"] for case in job.cases) <= 132


def test_a_process_that_is_late_is_ended(scripts, tmp_path, monkeypatch):
    child = scripts("gpu.child")
    monkeypatch.setattr(child, "GRACE_SECONDS", 1)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    first, second = child.run("sleeper", {"cases": [{"a": 1}, {"a": 2}], "seconds": 1})
    assert first == {"case": {"a": 1}, "n": 1}
    assert second == {"case": {"a": 2}, "why": "its time was over"}
    script.write_text("raise SystemExit('broken')")
    (line,) = child.run("sleeper", {"cases": [{}], "seconds": 5})
    assert line["why"] == "exit status 1: broken"


def test_skips_say_why(scripts, tmp_path):
    gpu, cases = scripts("gpu.beside_pytorch"), scripts("gpu.cases")
    options = SimpleNamespace(dry_run=True, data=None)
    (job,) = cases.jobs("probe")
    lines = gpu.work_on(job, options, 5)
    assert len(lines) == len(job.cases) and "simulator" in lines[0]["why"]
    options.dry_run = False
    lines = gpu.work_on(cases.jobs("throughput")[1], options, -1)
    assert {line["why"] for line in lines} == {"no time was left"}


# Sides -----------------------------------------------------------------------------


class Processors:
    """hogblock's engine for processors in the place of the one for cards."""

    to_device = staticmethod(np.asarray)
    train = staticmethod(training.train)

    def usable_workers(self, network, method, workers, batches):
        return engine.usable_workers(network, method, workers)


@pytest.mark.parametrize("name", ["mlp", "conv16-32"])
def test_hogblocks_side(scripts, compiled, name):
    ours, child = scripts("gpu.hogblock_side"), scripts("gpu.child")
    case = {"network": name, "batch": 8, "method": "sgd", "workers": 2}
    side = ours.Side(case, Processors(), tiny=True)
    assert side.workers == 1 and side.steps == 2
    line = child.throughput(side, child.Clock(5), quick=True)
    assert len(line["samples_per_s"]) == 1 and line["host_share"] is None
    swept = side.sweep({"epochs": 3, "lr": 0.02, "seeds": [0, 1]})
    assert len(swept["losses"]) == 2 and swept["mean_staleness"] == 0
    plan = {"target": 0.0, "lrs": [0.02, 0.05], "epochs": 2, "tuning_seed": 9}
    found = child.to_target(side, plan | {"seeds": [0]}, child.Clock(20))
    assert found["lr"] in plan["lrs"] and found["seconds"][0] > 0
    assert len(found["runs"][0]["accuracy"]) == 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["mlp", "conv16-32"])
def test_a_graphs_steps_are_eager_steps(scripts, name):
    torch = pytest.importorskip("torch")
    sides = scripts("gpu.torch_side")
    case = {"network": name, "batch": 4, "precision": "default", "layout": "nhwc"}
    rates = np.array([[0.1, 0.05, 0.2, 0.1]] * 2, np.float32)
    found = []
    for kind in (sides.Eager, sides.Captured):
        side = kind(case, "cpu", tiny=True)
        assert side.steps == 4 and side.samples == 16
        for _ in range(2):  # the second run forgets the first
            side.train(3, rates)
        found.append([p.detach().clone() for p in side.params])
    torch.testing.assert_close(*found)


@pytest.mark.filterwarnings("ignore")
def test_sides_agree(scripts, compiled):
    """One epoch of one minibatch: no order of samples can tell them apart."""
    pytest.importorskip("torch")
    case = {"network": "mlp", "batch": 16, "precision": "fp32"}
    theirs = scripts("gpu.torch_side").Eager(case, "cpu", tiny=True)
    case |= {"method": "sgd", "workers": 1}
    ours = scripts("gpu.hogblock_side").Side(case, Processors(), tiny=True)
    rates = np.full((3, 1), 0.1, np.float32)
    theirs.train(5, rates)
    result = ours.fit(5, rates)
    weights = theirs.model.from_torch([p.detach().numpy() for p in theirs.params])
    for tensor, w in zip(ours.network.tensors, weights, strict=True):
        own = tensor.view(result.params).reshape(tensor.shape)
        np.testing.assert_allclose(own, w, rtol=1e-4, atol=1e-6)


def test_phases_of_a_step_are_timed(scripts):
    """The engine takes the derivatives of activations in passing."""
    ours, problems = scripts("gpu.hogblock_side"), scripts("gpu.problems")
    small = problems.network_of(problems.TINY["mlp"])
    device = ours.cuda_device(2, True)
    found = ours.phase_rates(small, 4, device)
    counted = scripts("gpu.model").phases(small, 4)
    for phase, seconds in zip(counted, found, strict=True):
        assert (seconds is None) == phase.name.startswith("activation backward"), phase
        assert seconds is None or 0 < seconds < 10


# Report ----------------------------------------------------------------------------


def line(side, batch, rates, **more):
    case = {"side": side, "network": "mlp", "batch": batch}
    return {"case": case | more, "samples_per_s": rates, "host_share": None}


def test_throughput_table(scripts):
    report = scripts("gpu.report")
    lines = [
        line("hogwild 8x16", 64, [4e6, 5e6, 6e6], method="hogwild"),
        line("torch-graph", 64, [1e6, 1e6, 1e6]),
        line("torch-graph", 64, [2.5e6], precision="tf32"),
        {"case": {"side": "torch-compile"}, "why": "no time was left"},
    ]
    rows = list(report.throughput_rows(lines, "mlp"))
    assert rows[0] == "| mlp, side | batch 64 |"
    assert "| hogwild 8x16 | 5.00M (4.00M-6.00M), 2.00x |" in rows
    assert any(row.startswith("| torch-graph tf32 |") for row in rows)
    (missing,) = report.missing_rows(lines)
    assert missing == "- not measured: torch-compile: no time was left"


def test_sweep_and_target_tables(scripts, tmp_path):
    report = scripts("gpu.report")
    lines = []
    for method, workers, losses in (("sgd", 1, [0.5]), ("hogwild", 8, [0.6, 0.8, 0.7])):
        own = {"method": method, "workers": workers}
        row = line(f"{method} {workers}x1", 32, [1e6], **own)
        lines.append(row | {"losses": losses, "mean_staleness": workers - 1.0})
    rows = list(report.sweep_rows(lines))
    assert rows[-1].endswith("| 7.0 | 0.7000 (0.6000-0.8000) | 1.40x |")
    run = {"lr": 0.04, "budget": 10, "final": [0.9, 0.88]}
    case = {"network": "mlp", "batch": 64, "target": 0.89}
    found = [
        {"case": case | {"side": "torch-graph"}, "seconds": [2.0, 4.0]} | run,
        {"case": case | {"side": "sgd 1x132"}, "seconds": [1.0, None]} | run,
    ]
    rows = list(report.target_rows(found, "mlp"))
    assert (
        "| torch-graph | 64 | 3.00 (2.00-4.00) | 1.00x | 0.8900 | 0.04 | 10 |" in rows
    )
    assert any("never (1.00-never) | - |" in row for row in rows)
    assert list(report.target_rows([], "mlp")) == []
    pytest.importorskip("matplotlib")
    model = scripts("gpu.model")
    runs = model.predictions({"mlp": network(scripts, "mlp")}, (32,))
    timed = {"case": case | {"blocks": 8}, "predicted": runs["mlp"][0]["phases"]}
    timed["seconds"] = [None, *[1e-6] * (len(timed["predicted"]) - 1)]
    found = {"throughput": lines, "sweep": lines, "phases": [timed]}
    report.draw(found, runs, tmp_path / "a.png")
    report.draw(dict.fromkeys(found, ()), runs, tmp_path / "b.png")
    assert all((tmp_path / name).stat().st_size for name in ("a.png", "b.png"))


def test_probe_and_phase_tables(scripts):
    report, model = scripts("gpu.report"), scripts("gpu.model")
    probe = {
        "case": {"what": "barrier", "team": 8},
        "unit": "s",
        "values": [1e-6, 3e-6],
    }
    assert list(report.probe_rows([probe]))[-1] == (
        "| barrier, 8 blocks | 2.00 | us | 1.00-3.00 |"
    )
    mlp = network(scripts, "mlp")
    count = len(model.phases(mlp, 32))
    spent = [2e-6, *[None] * (count - 1)]
    case = {"network": "mlp", "batch": 32, "blocks": 16}
    rows = list(
        report.phase_rows(
            [{"case": case, "seconds": spent}],
            lambda _, *setting: model.predict(mlp, *setting),
            model.H200.peak,
        )
    )
    assert len(rows) == 3
    assert "| dense forward 784x256 | 2.00 | 6,423 | 9.6% |" in rows[-1]


DRY_RUN = MODULE, "--dry-run", "--out", "records"

# The whole -------------------------------------------------------------------------


@pytest.mark.script(*DRY_RUN)
@pytest.mark.timeout(300)
def test_dry_run(running):
    run = running[DRY_RUN].result()
    assert run.returncode == 0, run.stderr
    assert "Predictions, not measurements" in run.stdout
    (path,) = (running.folder / "records").glob("*/*-gpu.json")
    record = json.loads(path.read_text())
    assert record["figures"]["throughput"][0]["samples_per_s"]["repeats"] == 1
    lines = record["measured"]
    assert all(lines.values())
    for part in ("throughput", "target"):
        for found in lines[part]:
            side = found["case"]["side"]
            if find_spec("torch" if "torch" in side else "numba_cuda"):
                why = found.get("why", "")
                assert not why or "card" in why or "time" in why, found
    if find_spec("numba_cuda"):
        assert all("seconds" in found for found in lines["phases"])
        assert "device" in lines["throughput"][0]["runs"][0]
    if find_spec("matplotlib"):
        assert path.with_suffix(".png").stat().st_size


@behind
def test_predictions_of_the_documentation(folder):
    text = run_script("--predict", "--out", folder, seconds=60)
    page = (ROOT / "benchmarks" / "gpu" / "README.md").read_text().splitlines()
    rows = [row for row in text.splitlines() if row.startswith("|")]
    assert len(rows) > 50
    assert [row for row in rows if row not in page] == []
    (path,) = folder.glob("*/*-gpu.json")
    found = json.loads(path.read_text())["predicted"]
    assert {run["batch"] for run in found["lenet5"]} == {32, 64, 128, 256, 1024, 4096}


@pytest.mark.skipif(not find_spec("numba_cuda"), reason="numba-cuda is not installed")
@behind
def test_kernels_of_the_probe_compile(folder):
    found = compile_elsewhere("-c", PTX, ROOT, seconds=100)
    assert len(found) > 20
    for cc, name, ptx in found:
        assert ".f64" not in ptx and ".local" not in ptx, name
        if name.startswith(("read", "add")):
            hint = name.split()[1].split(".v4")[0]
            assert hint.split(".")[0] + "." in ptx
        report = ptxas(ptx, cc, folder)
        if report is not None:
            assert "0 bytes spill stores, 0 bytes spill loads" in report, name
    texts = {(tuple(cc), name): ptx for cc, name, ptx in found}
    assert "red.relaxed.gpu.global.add.v4.f32" in texts[(9, 0), "add red.v4.f32"]
    assert ((8, 0), "add red.v4.f32") not in texts
    barrier = texts[(9, 0), "barrier"]
    assert barrier.index("BB0_") < barrier.rindex("ld.relaxed.gpu")  # in the loop
