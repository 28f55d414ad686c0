"""``hogblock predict``, and models that ``hogblock train --save`` writes."""

import csv
import io
import re
import sys

import joblib
import numpy as np
import pytest

from hogblock import MLPClassifier, MLPRegressor, cli, load_model, save_model
from support.command_line import train

pd = pytest.importorskip("pandas")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("compiled"),
]
FAST = ("--epochs", 2, "--no-plot")
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"age": RANDOM.integers(1, 90, 60), "height": RANDOM.random(60)})
WORDS = FRAME.assign(city=["Ulm", "Bonn", "?"] * 20)
Y = np.where(FRAME.age > 40, "old", "young")


def predict(*arguments):
    return cli.main(["predict", *map(str, arguments)])


def table_of(text):
    first, *rows = csv.reader(io.StringIO(text))
    return dict(zip(first, map(list, zip(*rows, strict=True)), strict=True))


@pytest.mark.filterwarnings("ignore:new.csv. the first column has no name")
@pytest.mark.parametrize("file", ["model.safetensors", "model.joblib", "hogblock-run"])
def test_predictions_are_those_of_the_model(here, capsys, file):
    FRAME.assign(y=Y).to_csv("known.csv", index=False)
    assert train("known.csv", *FAST, "--save", file if "." in file else "a.joblib") == 0
    FRAME.assign(other=1).iloc[:, ::-1].to_csv("new.csv")  # and an index
    capsys.readouterr()
    assert predict(file, "new.csv", "--proba") == 0
    found, noted = capsys.readouterr()
    assert "does not know: left out: other" in noted
    model = joblib.load("hogblock-run/model.joblib")
    table = table_of(found)
    assert [*table] == ["prediction", "probability_old", "probability_young"]
    assert table["prediction"] == model.predict(FRAME).tolist()
    expected = model.predict_proba(FRAME)[:, 1]
    np.testing.assert_allclose([float(p) for p in table["probability_young"]], expected)


def test_words_and_gaps_are_prepared_as_in_training(here, capsys):
    WORDS.assign(y=FRAME.age + 0.5).to_csv("known.csv", index=False)
    for name in ("a.safetensors", "a.onnx"):
        assert train("known.csv", *FAST, "--save", name) == 2
        assert "how words or missing values" in capsys.readouterr().err
    assert not (here / "hogblock-run/model.joblib").exists()
    assert train("known.csv", *FAST, "--save", "a.joblib") == 0
    WORDS.to_csv("new.csv", index=False)
    assert predict("a.joblib", "new.csv", "--output", "found.csv") == 0
    expected = joblib.load("a.joblib").predict(WORDS)
    found = pd.read_csv("found.csv").prediction
    np.testing.assert_allclose(found, expected)
    capsys.readouterr()
    assert predict("a.joblib", "new.csv", "--proba") == 2
    assert "--proba is for classifiers, and a.joblib is a M" in capsys.readouterr().err
    FRAME[["height"]].to_csv("less.csv", index=False)
    assert predict("a.joblib", "less.csv", "--output", "found.csv") == 2
    assert "less.csv lacks the columns age, city of the" in capsys.readouterr().err
    np.testing.assert_allclose(pd.read_csv("found.csv").prediction, expected)


def test_images_and_labels(here, capsys):
    X, y = RANDOM.integers(0, 255, (30, 4, 4), np.uint8), np.eye(3, dtype=int)
    np.savez("known.npz", X=X, y=y[np.arange(30) % 3])
    pytest.importorskip("onnx")
    assert train("known.npz", "--model", "cnn", *FAST, "--save", "a.onnx") == 0
    runtime = pytest.importorskip("onnxruntime")
    images = X.reshape(30, 4, 4, 1)
    (label,) = runtime.InferenceSession("a.onnx").run(["label"], {"X": images})
    np.savez("new.npz", X=X)
    capsys.readouterr()
    assert predict("hogblock-run", "new.npz", "--proba") == 0
    table = table_of(capsys.readouterr().out)
    names = [f"{what}_{k}" for what in ("prediction", "probability") for k in range(3)]
    assert [*table] == names
    assert table["prediction_1"] == [str(each) for each in label[:, 1]]


def test_a_model_without_names_takes_columns_in_their_order(here, capsys):
    model = MLPRegressor((3,), max_iter=2).fit(FRAME.to_numpy(), FRAME.height)
    save_model(model, "a.safetensors")
    FRAME.to_csv("new.csv", index=False)
    assert predict("a.safetensors", "new.csv") == 0
    expected = model.predict(FRAME.to_numpy())
    found = [float(p) for p in table_of(capsys.readouterr().out)["prediction"]]
    np.testing.assert_allclose(found, expected)
    FRAME.assign(more=1.5).to_csv("new.csv", index=False)
    assert predict("a.safetensors", "new.csv") == 2
    assert "new.csv has 3 columns, and the model takes 2" in capsys.readouterr().err


def test_a_built_in_set(here, capsys):
    assert train("wine", *FAST, "--save", "a.safetensors") == 0
    assert load_model("a.safetensors").n_features_in_ == 13
    capsys.readouterr()
    assert predict("a.safetensors", "wine") == 0
    assert capsys.readouterr().out.count("\n") == 179


WRONG = {
    "missing": (["gone.joblib", "wine"], "there is no file gone.joblib"),
    "no run": (["empty", "wine"], "there is no file empty/model.joblib"),
    "suffix": (["new.csv", "wine"], r"new.csv is no model: it is .safetensors, .jobli"),
    "rubbish": (["rubbish.joblib", "wine"], "no model that joblib reads"),
    "damaged": (["rubbish.safetensors", "wine"], "rubbish.safetensors"),
    "other": (["list.joblib", "wine"], "holds a list, which is no model"),
    "unfitted": (["new.joblib", "wine"], "is not fitted yet"),
    "no data": (["new.safetensors", "gone.csv"], "there is no file gone.csv"),
    "data": (["new.safetensors", "a.doc"], "'a.doc' is neither a data set"),
    "sep": (["new.safetensors", "wine", "--sep", ";"], "--sep is for tables of text"),
    "folder": (
        ["new.safetensors", "new.csv", "--output", "no/a"],
        "No such file.*no",
    ),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(here, capsys, words, message):
    (here / "empty").mkdir()
    for name in ("rubbish.joblib", "rubbish.safetensors"):
        (here / name).write_text("rubbish")
    joblib.dump([1], "list.joblib")
    joblib.dump(MLPClassifier(), "new.joblib")
    FRAME.to_csv("new.csv", index=False)
    save_model(MLPClassifier((2,), max_iter=1).fit(FRAME, Y), "new.safetensors")
    assert predict(*words) == 2
    found, said = capsys.readouterr()
    assert found == "" and said.count("hogblock: error:") == 1
    assert re.search(message, said)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.pkl", "'a.pkl' does not end in .safetensors, .joblib, .onnx"),
        ("no/a.joblib", "--save no/a.joblib: there is no folder no"),
        ("a.onnx", "to_onnx needs onnx: pip install"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_training(
    here, monkeypatch, capsys, name, message
):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(MLPClassifier, "fit", None)  # which nobody calls
    assert train("wine", *FAST, "--save", name) == 2
    assert message in capsys.readouterr().err
