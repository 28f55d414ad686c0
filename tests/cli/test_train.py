"""The command line, in this process and as a real one."""

import json
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.utils import Bunch

from hogblock import (
    CNNClassifier,
    CNNRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    cli,
    datasets,
)
from hogblock.cli.data import BUILT_IN, DIALECT, Loaded, load, split, task_of
from hogblock.cli.models import save
from hogblock.cli.train import MODELS
from hogblock.kernels.cpu.warmup import CacheState
from support.command_line import train

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("compiled"),
]

RATE = ("--learning-rate-init", 0.05)
"""For tests of accuracy, which must not hang on the estimator's default."""

NO_OPTIONS = dict.fromkeys((*DIALECT, "target", "strict")) | {"task": "auto"}
RESULTS = {"model.joblib", "report.json", "training.png"}


# Train -------------------------------------------------------------------------------


def test_digits(here, capsys):
    assert train("digits", "--jobs", 1, "--epochs", 8, *RATE) == 0
    printed = capsys.readouterr().out
    assert "MLPClassifier: end of training" in printed and "test accuracy" in printed
    out = here / "hogblock-run"
    assert {file.name for file in out.iterdir()} == RESULTS
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    model = joblib.load(out / "model.joblib")
    X, y = load_digits(return_X_y=True)
    assert model.score(X, y) > 0.9
    report = json.loads((out / "report.json").read_text())
    assert report["epochs"] == 8 and report["test_score"] > 0.9
    assert report["parameters"]["max_iter"] == 8


def test_model_has_the_estimators_defaults(here):
    assert train("iris", "--epochs", 2) == 0
    model = joblib.load("hogblock-run/model.joblib")
    given = {"max_iter": 2, "random_state": 0, "verbose": False}
    assert model.get_params() == MLPClassifier(**given).get_params()


def test_every_model_option_arrives(here):
    options = {
        "--hidden": ("hidden_layer_sizes", (16, 8)),
        "--activation": ("activation", "tanh"),
        "--method": ("method", "sgd"),
        "--jobs": ("n_jobs", 1),
        "--epochs": ("max_iter", 3),
        "--batch-size": ("batch_size", 16),
        "--learning-rate": ("learning_rate", "cosine"),
        "--learning-rate-init": ("learning_rate_init", 0.01),
        "--alpha": ("alpha", 0.5),
        "--dropout": ("dropout", 0.25),
        "--momentum": ("momentum", 0.5),
    }
    words = [
        word
        for flag, (_, value) in options.items()
        for word in (flag, str(value).strip("()").replace(" ", ""))
    ]
    assert train("wine", *words, "--early-stopping", "--out", "a/b") == 0
    parameters = joblib.load(here / "a/b/model.joblib").get_params()
    assert {name: parameters[name] for name, _ in options.values()} == dict(
        options.values()
    )
    assert parameters["early_stopping"] is True and parameters["random_state"] == 0


def test_cnn_learns_digits(here):
    words = ("--model", "cnn", "--epochs", 15, "--hidden", 32, "--dropout", 0.1)
    assert train("digits", *words, *RATE, "--learning-rate", "cosine") == 0
    model = joblib.load("hogblock-run/model.joblib")
    assert model.image_shape_ == (8, 8, 1)
    assert model.hidden_layer_sizes == (32,) and model.dropout == 0.1
    report = json.loads((here / "hogblock-run" / "report.json").read_text())
    assert report["test_score"] > 0.95


@pytest.mark.parametrize("shape", [(12, 6), (12, 6, 2)])
def test_npz_of_images(here, random, shape):
    X, y = random.random((40, *shape), np.float32), np.arange(40) % 3
    np.savez("images.npz", X=X, y=y)
    assert train("images.npz", "--model", "cnn", "--epochs", 1) == 0
    model = joblib.load("hogblock-run/model.joblib")
    assert model.image_shape_ == (12, 6, X[0].size // 72)
    assert train("images.npz", "--epochs", 1) == 0
    assert joblib.load("hogblock-run/model.joblib").n_features_in_ == X[0].size


@pytest.mark.parametrize(
    ("model", "kind"), [("cnn", CNNRegressor), ("resnet8", NetworkRegressor)]
)
def test_regression_on_images(here, model, kind):
    assert train("digits", "--model", model, "--task", "regression", "--epochs", 1) == 0
    assert type(joblib.load("hogblock-run/model.joblib")) is kind


def test_results_are_replaced(here):
    assert train("iris", "--epochs", 1) == 0
    before = (here / "hogblock-run" / "model.joblib").read_bytes()
    assert train("iris", "--epochs", 2) == 0
    assert (here / "hogblock-run" / "model.joblib").read_bytes() != before
    assert {file.name for file in (here / "hogblock-run").iterdir()} == RESULTS


def test_save_leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save(path, write)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("name", "shape", "image_shape"),
    [("fashion-mnist", (784,), (28, 28, 1)), ("cifar-10", (32, 32, 3), (32, 32, 3))],
)
def test_image_sets_train_every_model(
    here, monkeypatch, random, name, shape, image_shape, model
):
    def load_set():
        X, y = random.integers(0, 256, (60, *shape), np.uint8), np.arange(60) % 10
        parts = dict(data=X, target=y, data_test=X[:7], target_test=y[:7])
        return Bunch(**parts, image_shape=image_shape)

    function = BUILT_IN[name].loader.partition(":")[2]
    monkeypatch.setattr(datasets, function, load_set)
    data = load(name, NO_OPTIONS)
    assert data.X.shape == (60, np.prod(shape)) and data.X.dtype == np.uint8
    assert data.X_test.shape == (7, np.prod(shape)) and len(data.y_test) == 7
    assert train(name, "--model", model, "--epochs", 2) == 0
    report = json.loads((here / "hogblock-run" / "report.json").read_text())
    assert report["samples"] == 120 and report["test_score"] is not None
    assert report["model"] == report["parameters"].get("network", model) == model
    fitted = joblib.load("hogblock-run/model.joblib")
    kind = {"mlp": MLPClassifier, "cnn": CNNClassifier}.get(model, NetworkClassifier)
    assert type(fitted) is kind and fitted.predict(data.X).shape == (60,)
    assert model == "mlp" or fitted.image_shape_ == image_shape


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_keep_their_names(here, suffix):
    pd = pytest.importorskip("pandas")
    frame = load_iris(as_frame=True).frame
    frame["species"] = np.array(["setosa", "versicolor", "virginica"])[frame["target"]]
    frame = frame.drop(columns="target")
    if suffix == ".csv":
        frame.to_csv("flowers.csv", index=False)
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet("flowers.parquet")
    assert train(f"flowers{suffix}", "--epochs", 40, *RATE) == 0
    model = joblib.load("hogblock-run/model.joblib")
    X = frame.drop(columns="species")
    assert list(model.feature_names_in_) == list(X.columns)
    assert (model.predict(X) == frame["species"]).mean() > 0.9
    assert isinstance(X, pd.DataFrame)


def test_target_column_and_regression(here):
    random = np.random.default_rng(0)
    rows = random.normal(size=(100, 3))
    rows[:, 1] = rows[:, 0] - rows[:, 2]
    np.savetxt("t.csv", rows, delimiter=",", header="a,b,c", comments="")
    assert train("t.csv", "--target", "b", "--epochs", 60, *RATE) == 0
    model = joblib.load("hogblock-run/model.joblib")
    assert isinstance(model, MLPRegressor)
    assert list(model.feature_names_in_) == ["a", "c"]
    report = json.loads((here / "hogblock-run" / "report.json").read_text())
    assert report["score_name"] == "R^2" and report["test_score"] > 0.9


def test_npz(here):
    X, y = load_iris(return_X_y=True)
    np.savez("iris.npz", X=X, y=y)
    assert train("iris.npz", "--epochs", 2, "--test-fraction", 0.5) == 0
    assert joblib.load("hogblock-run/model.joblib").t_ == 2 * 75
    assert train("iris.npz", "--epochs", 2, "--task", "regression") == 0
    assert isinstance(joblib.load("hogblock-run/model.joblib"), MLPRegressor)


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.array(["a", "b"]), "classification"),
        (np.array([True, False]), "classification"),
        (np.array([0, 1, 2]), "classification"),
        (np.array([0.0, 1.0, 2.0]), "classification"),
        (np.array([0.5, 1.0]), "regression"),
        (np.arange(51), "regression"),
        (np.array([[0, 1], [1, 1]]), "classification"),
        (np.array([[0, 1], [1, 2]]), "regression"),
    ],
)
def test_task_of_a_target(y, task):
    assert task_of(y) == task


@pytest.mark.parametrize(
    ("y", "held"), [([0] * 40 + [1] * 10, [8, 2]), ([0] * 49 + [1], None), ([], None)]
)
def test_test_part_has_the_shares_of_the_classes(y, held):
    data = Loaded(np.zeros((len(y), 1)), np.array(y, int), "classification")
    if not y:
        with pytest.raises(ValueError, match="n_samples=0"):
            split(data, 0.2, 0)
        return
    for seed in range(5):
        parts = split(data, 0.2, seed)
        assert len(parts.y_test) == 10
        assert held is None or np.bincount(parts.y_test).tolist() == held


def test_picture_is_left_out_without_matplotlib(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert train("iris", "--epochs", 1) == 0
    assert {f.name for f in (here / "hogblock-run").iterdir()} == RESULTS - {
        "training.png"
    }
    assert "hogblock[plot]" in capsys.readouterr().err


def test_no_picture_is_drawn_unasked(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert train("iris", "--epochs", 1, "--no-plot") == 0
    assert {f.name for f in (here / "hogblock-run").iterdir()} == RESULTS - {
        "training.png"
    }
    assert "matplotlib" not in capsys.readouterr().err


def test_warnings_are_one_line(here, capsys):
    warnings.simplefilter("always")
    assert train("iris", "--epochs", 1) == 0
    message = capsys.readouterr().err
    assert message.startswith("hogblock: warning: max_iter=1 epochs are over")
    assert message.count("\n") == 1


# Bench and info ----------------------------------------------------------------------


def test_bench(here, capsys):
    arguments = ["bench", "--epochs", "1", "--samples", "600", "--jobs", "1"]
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("600 samples of random pixels")
    methods = [line.split()[0] for line in lines if line.endswith("x")]
    assert methods == [
        *("sgd", "sync", "hogwild", "assm", "passm", "passm+", "mixed", "thinned"),
        "scikit-learn",
    ]
    assert next(line for line in lines if line.startswith("sgd")).endswith(" 1.00x")


@pytest.mark.parametrize(
    ("of_rows", "of_all", "said"),
    [
        (True, True, "yes"),
        (True, False, "yes, but for images: the first fit to some will"),
        (False, False, "no: the first fit will"),
    ],
)
def test_info_says_what_is_compiled(capsys, monkeypatch, of_rows, of_all, said):
    """Who has fitted an MLP has the kernels of rows."""

    def state(images=True):
        return CacheState("/cache", of_all if images else of_rows)

    monkeypatch.setattr("hogblock.kernels.cpu.warmup.cache_state", state)
    monkeypatch.setattr("hogblock.cli.info._matmul_rates", lambda: (1.0, 1.0))
    assert cli.main(["info"]) == 0
    (line,) = (
        line for line in capsys.readouterr().out.splitlines() if "compiled" in line
    )
    assert line[20:] == said


def test_info(capsys):
    assert cli.main(["info"]) == 0
    facts = {
        line[:20].strip(): line[20:] for line in capsys.readouterr().out.splitlines()
    }
    assert facts["GPU"]
    assert facts["numpy"] == np.__version__
    assert "GF/s" in facts["64x784 . 784x256"]
    for label in (
        "processor",
        "LLVM name",
        "cores usable",
        "kernel cache",
        "memory for workers",
    ):
        assert facts[label]


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "small_convnet"])
def test_info_prints_the_plan_of_a_network(capsys, name):
    assert cli.main(["info", "--plan", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{name} on images of shape (")
    first = (
        "CONV_FORWARD x[28,28,1]" if name != "resnet8" else "CONV_FORWARD x[32,32,3]"
    )
    assert first in " ".join(lines[4].split())
    assert any("LOSS x[10] -> dy[10] softmax" in " ".join(s.split()) for s in lines)
    assert not any(line.startswith("processor") for line in lines)


# A real process ----------------------------------------------------------------------


def run(*arguments, folder):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("info",), 0),
        (("train", "digits", "--jobs", "2", "--epochs", "3", "--seed", "0"), 0),
        (("train", "no.csv"), 2),
    ],
)
def test_a_real_process_is_clean(tmp_path, arguments, code):
    done = run("-m", "hogblock.cli", *arguments, folder=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "resource_tracker" not in done.stderr


def test_import_is_cheap(tmp_path):
    code = (
        "import sys, hogblock.cli\n"
        "heavy = {'sklearn', 'numba', 'scipy', 'pandas', 'matplotlib', 'joblib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run("-c", code, folder=tmp_path).stdout == "[]\n"
