"""``hogblock train`` that is stopped, and goes on."""

import json
import os

import joblib
import numpy as np
import pytest

from hogblock.cli import main
from hogblock.engines.cpu.run import Run

pytestmark = pytest.mark.timeout(60)

WORDS = ("--epochs", "20", "--learning-rate", "cosine", "--quiet", "--no-plot")


def train(*words):
    return main(["train", "wine", *WORDS, *map(str, words)])


def test_it_goes_on_where_it_was(here, monkeypatch, capsys):
    assert train("--checkpoint-every", 5, "--out", "whole") == 0
    with pytest.MonkeyPatch.context() as patch:
        poll = Run.poll

        def polled(run):
            if len(run.losses) == 12:
                raise OSError("the disk is gone")
            poll(run)

        patch.setattr(Run, "poll", polled)
        assert train("--checkpoint-every", 5) == 2
    assert not os.path.exists("hogblock-run/model.joblib")
    assert train("--checkpoint-every", 5) == 2
    assert "holds checkpoints" in capsys.readouterr().err
    assert train("--resume") == 0
    models = [joblib.load(f"{d}/model.joblib") for d in ("whole", "hogblock-run")]
    np.testing.assert_array_equal(*(m.coefs_[0] for m in models))
    assert models[0].loss_curve_ == models[1].loss_curve_
    report = json.loads((here / "hogblock-run/report.json").read_text())
    assert report["parameters"]["checkpoint"] == "hogblock-run/checkpoints"


def test_resume_begins_where_there_is_nothing(here):
    assert train("--resume") == 0
    assert joblib.load("hogblock-run/model.joblib").n_iter_ == 20


@pytest.mark.filterwarnings("always::sklearn.exceptions.ConvergenceWarning")
def test_what_a_divergence_does_can_be_said(here, capsys):
    options = ("--learning-rate-init", 1e30)
    assert train(*options) == 2
    assert train(*options, "--on-divergence", "restore") == 0
    assert "initial parameters are restored" in capsys.readouterr().err
