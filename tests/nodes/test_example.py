"""The example of several nodes, on this room's cluster; its file of a real one."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

from hogblock import MLPClassifier
from hogblock.datasets import DATA_VARIABLE

FOLDER = Path(__file__).parents[2] / "examples" / "distributed"
pytestmark = pytest.mark.ray
CLUSTER = (FOLDER / "cluster.yaml").read_text()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    "words",
    [["--averaging", "ring", "--compression", "int8"]],
    ids=["ring"],
)
def test_the_example_trains_tells_and_draws(words, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    script = FOLDER / "fashion_mnist.py"
    out = tmp_path / "a" / "b"
    argv = [str(script), "--epochs", "20", "--out", str(out), *words]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    runpy.run_path(str(script), run_name="__main__")
    text = capsys.readouterr().out
    assert "Fashion-MNIST is not installed" in text
    lines = text.splitlines()
    head = next(k for k, line in enumerate(lines) if line.split()[:1] == ["node"])
    rows = [line.split() for line in lines[head + 2 : head + 4]]
    assert [row[0] for row in rows] == ["0", "1"]
    assert sum(int(row[3]) for row in rows) == 20 * 1347  # samples
    assert all(int(row[5]) > 0 and float(row[6]) > 0 for row in rows)  # exchanges, MB
    assert re.search(r"^20 epochs in .* rounds of exchange, .* MB sent$", text, re.M)
    assert "test accuracy 9" in text
    (picture,) = out.iterdir()
    assert picture.name == "distributed.png" and f"picture in {picture}" in text
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("cluster")
@pytest.mark.filterwarnings("ignore:max_iter")
def test_the_block_of_the_guide_runs():
    text = (FOLDER.parents[1] / "docs/guide/devices.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    (block,) = (each for each in blocks if "device=Ray(" in each)
    X, y = load_digits(return_X_y=True)
    names = {"MLPClassifier": MLPClassifier, "X": X, "y": y}
    exec(block, names)
    assert len(names["model"].nodes_) == 2 and names["model"].score(X, y) > 0.9


def of_a_cloud(text):
    """The file with the lines that it has for a cloud, in place of the provider."""
    head, rest = text.split("provider:\n", 1)
    tail = rest[rest.index("\nauth:") :]
    lines = rest[rest.index("# provider:") :].split("\n\n")[0].splitlines()
    return head + "\n".join(line.removeprefix("# ") for line in lines) + "\n" + tail


@pytest.mark.parametrize("kind", ["local", "aws"])
def test_ray_takes_the_file_of_a_cluster(kind):
    yaml = pytest.importorskip("yaml")
    util = pytest.importorskip("ray.autoscaler._private.util")
    config = yaml.safe_load(CLUSTER if kind == "local" else of_a_cloud(CLUSTER))
    assert config["provider"]["type"] == kind
    whole = util.prepare_config(config)
    util.validate_config(whole)
    (machine,) = whole["available_node_types"].values()
    assert machine["min_workers"] == machine["max_workers"] == 3
    assert any("hogblock[ray" in line for line in whole["setup_commands"])
    for kind in ("head", "worker"):
        commands = whole[f"{kind}_start_ray_commands"]
        assert commands[0] == "ray stop" and commands[1].startswith("ray start --")
