"""A data set from outside the package is one loader and one row."""

import json
import sys
from types import ModuleType

import joblib
import numpy as np
import pytest
from sklearn.utils import Bunch

from hogblock.cli.data import BUILT_IN, BuiltIn
from support.command_line import train

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("compiled"),
]


def load_stripes():
    """Images of stripes that lie or stand, with a test part of their own."""
    stripes = np.tile(np.uint8([0, 200]), (90, 6, 3))[..., np.newaxis]
    stripes[1::2] = stripes[1::2].swapaxes(1, 2)
    kinds = np.array(["standing", "lying"] * 45)
    return Bunch(
        data=stripes[:60], target=kinds[:60], data_test=stripes[60:],
        target_test=kinds[60:], image_shape=(6, 6, 1),
    )  # fmt: skip


@pytest.fixture
def stripes(here, monkeypatch):
    module = ModuleType("patterns")
    module.load_stripes = load_stripes
    monkeypatch.setitem(sys.modules, "patterns", module)
    row = BuiltIn("classification", "patterns:load_stripes", (6, 6, 1))
    monkeypatch.setitem(BUILT_IN, "stripes", row)
    return here


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_it_trains_by_its_name(stripes, model):
    plan = ("--epochs", 20, "--learning-rate-init", 0.05, "--no-plot")
    assert train("stripes", "--model", model, *plan) == 0
    report = json.loads((stripes / "hogblock-run" / "report.json").read_text())
    assert report["samples"] == 20 * 60 and report["test_score"] == 1
    fitted = joblib.load(stripes / "hogblock-run" / "model.joblib")
    assert fitted.classes_.tolist() == ["lying", "standing"]


def test_others_are_told_of_it(stripes, capsys):
    assert train("nothing") == 2
    assert "diabetes, stripes" in capsys.readouterr().err
