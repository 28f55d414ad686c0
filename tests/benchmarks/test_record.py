"""Records of benchmarks, and running them from a checkout that is not installed."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = (
    "gpu.beside_pytorch",
    "headline.crowd",
    "headline.run",
    "kernels.convolutions",
    "kernels.events",
    "kernels.recording",
    "peers.cnn_fashion_mnist",
    "peers.mlp_fashion_mnist",
    "reliability.fuzz",
    "start_up.first_fit",
    "start_up.small_data",
)


def test_a_record_says_where_when_and_with_what(scripts, tmp_path):
    record = scripts("record")
    figures = {"step, s": record.spread([3.0, 1.0, 2.0, 9.0])}
    path = record.write(tmp_path, "steps", {"batch": 64}, figures, measured=[3, 1])
    assert path.parent.parent == tmp_path
    found = json.loads(path.read_text())
    assert path.name == f"{found['date']}-steps.json"
    assert path.parent.name.endswith(f"-{found['cores']}-cores")
    assert found["figures"]["step, s"] == {
        "median": 2.5, "lowest": 1.0, "highest": 9.0, "repeats": 4,
    }  # fmt: skip
    assert found["settings"] == {"batch": 64} and found["measured"] == [3, 1]
    assert found["versions"]["numpy"] and found["load"] >= 0


def test_the_newest_record_is_found(scripts, tmp_path, monkeypatch):
    record = scripts("record")
    assert record.latest(tmp_path, "steps") is None
    for day in ("2024-06-08", "2024-06-07"):
        name = tmp_path / record.machine() / f"{day}-steps.json"
        name.parent.mkdir(exist_ok=True)
        name.write_text(json.dumps({"date": day}))
    other = name.with_name("2024-06-09-more-steps.json")
    other.write_text("not wanted")
    assert record.latest(tmp_path, "steps") == {"date": "2024-06-08"}


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("AMD EPYC 9004 Processor", "amd-epyc-9004-2-cores"),
        ("Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", "intel-xeon-gold-6338-2-cores"),
    ],
)
def test_a_folder_names_the_machine(scripts, monkeypatch, model, folder):
    record = scripts("record")
    monkeypatch.setattr(record, "processor", lambda: model)
    monkeypatch.setattr(record, "cores", lambda: 2)
    assert record.machine() == folder


def run_bare(code, *arguments, seconds=60):
    """Run Python where hogblock is not installed: its `.pth` file is not read."""
    packages = sysconfig.get_path("purelib")
    return subprocess.run(
        [sys.executable, "-S", *code, *arguments],
        env=os.environ | {"PYTHONPATH": packages}, cwd=ROOT,
        capture_output=True, text=True, timeout=seconds, check=True,
    )  # fmt: skip


def test_a_checkout_need_not_be_installed():
    code = "import benchmarks, hogblock.kernels, hogblock.models as m; print(m)"
    assert str(ROOT / "models" / "__init__.py") in run_bare(["-c", code]).stdout


RUN_EACH = """
import os, runpy, sys
import joblib, numba, scipy, sklearn  # once, and not for each
assert "hogblock" not in sys.modules
for name in sys.argv[1:]:
    sys.stdout.flush()
    child = os.fork()  # where nothing of the checkout is imported
    if child == 0:
        print(f"--- {name}", flush=True)
        sys.argv[:] = [name, "--help"]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
        raise AssertionError("--help did not end it")
    assert os.waitpid(child, 0)[1] == 0, name
"""


def test_scripts_run_by_themselves():
    said = run_bare(["-c", RUN_EACH], *SCRIPTS).stdout.split("--- ")[1:]
    assert [text.split()[0] for text in said] == list(SCRIPTS)
    assert [text for text in said if "--out" not in text] == []


def test_a_peers_process_holds_only_the_peer(scripts):
    """Its memory is measured."""
    code = (
        "import sys; from benchmarks.peers import mlp_peers; "
        "print({'hogblock', 'numba', 'torch'} & set(sys.modules))"
    )
    assert run_bare(["-c", code]).stdout == "set()\n"
