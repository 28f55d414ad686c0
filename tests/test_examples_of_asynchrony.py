"""The scripts on asynchrony run, and what they print and draw is as they claim."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "examples" / "asynchrony"
PATHS = [*FOLDER.glob("[!_]*.py"), FOLDER.parent / "distributed" / "scaling.py"]
SCRIPTS = {path.stem: path for path in sorted(PATHS)}
NUMBER = re.compile(r"(?<!\S)[\d.e+-]*\d%?(?!\S)")

pytest.importorskip("matplotlib")
# In this process, and not by the command line: imports would take most of the time.
pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Function of a script's name: what its quick run prints. Each runs once."""
    texts = {}
    folder = tmp_path_factory.mktemp("examples")

    def run(name, capsys):
        if name not in texts:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    sys, "argv", [name, "--quick", "--out", str(folder / name)]
                )
                patch.syspath_prepend(FOLDER)
                capsys.readouterr()
                runpy.run_path(str(SCRIPTS[name]), run_name="__main__")
            texts[name] = capsys.readouterr().out
        return texts[name], folder / name

    yield run
    sys.modules.pop("_shared", None)


def table(text, first):
    """Numbers of the rows [n, columns] below the head that begins with a word."""
    lines = text.partition("\n\n")[2].splitlines()  # without the claim
    head = next(k for k, each in enumerate(lines) if each.strip().startswith(first))
    rows = []
    for line in lines[head + 1 :]:
        if not line.strip():
            break
        rows.append([float(word.rstrip("%").split(":")[0]) for word in line.split()])
    return np.array(rows)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_claims_counts_and_draws(name, printed, capsys):
    text, folder = printed(name, capsys)
    claim, _, rest = text.partition("\n\n")
    assert claim.startswith("Claim: ")
    assert sum(len(NUMBER.findall(line)) > 2 for line in rest.splitlines()) >= 2
    (picture,) = folder.iterdir()
    assert f"picture in {picture}" in rest and picture.name == f"{name}.png"
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")


def test_stability_limits_of_theory_are_found(printed, capsys):
    rows = table(printed("stability_limit", capsys)[0], "momentum")
    momentum, age, theory, found, _, share = rows.T
    np.testing.assert_allclose(found, theory, rtol=0.02)
    assert (share[age > 0] <= 1 - momentum[age > 0] + 1e-9).all()
    assert (share[(age == 0) & (momentum > 0)] > 1).all()


def test_momentum_gains_where_reads_are_fresh(printed, capsys):
    text = printed("momentum_and_staleness", capsys)[0]
    momentum, age, _, theory, found, gain = table(text, "momentum").T
    np.testing.assert_allclose(found, theory, rtol=0.02)
    assert (gain[(momentum > 0) & (age == 0)] > 2).all()
    assert (gain[(momentum > 0) & (age > 1)] < 0.95).all()
    assert (table(text, "workers")[:, -1] < 0.02).all()


def test_the_slide_is_slowed_by_age_and_not_by_steps(printed, capsys):
    text = re.sub(r"age (?=\d)", "", printed("kink_sliding", capsys)[0])
    age, _, distance, speed, of_short_steps = table(text, "case").T
    assert (distance < 1.9).all()
    np.testing.assert_allclose(speed[0], 1, atol=0.15)
    assert speed[age == 2] < 0.6 and speed[age == 32] < 0.1
    np.testing.assert_allclose(of_short_steps, speed, rtol=0.15)


def test_unequal_rates_go_with_their_flow(printed, capsys):
    rows = table(printed("unequal_rates", capsys)[0], "rates")
    *_, distance, flow = rows.T
    np.testing.assert_allclose(distance, flow, rtol=0.3)
    assert (np.diff(distance) > 0).all()


def test_only_racy_writes_to_shared_blocks_lose_updates(printed, capsys):
    rows = table(printed("lost_updates", capsys)[0], "write time")
    _, workers, theory, racy, atomic, disjoint, of_the_sum = rows.T
    assert not atomic.any() and not disjoint.any()
    assert (racy[workers > 1] > 0).all() and not racy[workers == 1].any()
    np.testing.assert_allclose(racy, theory, atol=0.04)
    np.testing.assert_allclose(of_the_sum, racy, atol=0.02)


def test_more_nodes_gain_where_gradients_are_noisy(printed, capsys):
    text = printed("scaling", capsys)[0]
    gains = []
    for part in text.split("Simulated seconds")[1:]:
        nodes, *_, gain, _, participants = table("\n\n" + part, "nodes").T
        assert nodes.tolist() == [1, 16] and participants[1] > 8
        gains.append(gain[1])
    little, much = gains
    assert 1 < little < 4 < much < 16
