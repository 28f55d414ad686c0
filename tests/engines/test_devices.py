"""Which device trains, and what is said where it cannot."""

import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone

import hogblock
from hogblock import Cuda, DeviceUnavailableError, MLPClassifier, cli
from hogblock.engines.cuda import availability
from hogblock.engines.locations import is_device_array, location_of
from hogblock.engines.registry import engine_for
from hogblock.methods import ASSM, PASSM, Hogwild
from support.behind import behind
from support.fake_cuda import DeviceArray, Engines, FakeDriver

X = np.random.default_rng(0).normal(size=(60, 4))
Y = (X[:, 0] > 0).astype(int)
H200, T4 = ("NVIDIA H200", (9, 0)), ("Tesla T4", (7, 5))
ON_CARD = DeviceArray(X)


@pytest.fixture
def engines(monkeypatch, simulator):
    """The engines of simulated devices, watched."""
    return Engines().install(monkeypatch)


def missing(monkeypatch, package):
    """A machine with two cards and without this package."""
    FakeDriver(H200, H200).install(monkeypatch)
    if package == "cupy":
        monkeypatch.setitem(sys.modules, "cupy", None)
    else:
        monkeypatch.setattr(availability, "find_spec", lambda name: None)


# Names and options ----------------------------------------------------------------


def devices_of(device, x=X):
    """The CUDA devices of a run on x; none for the host."""
    return getattr(engine_for(device, PASSM(), x), "devices", ())


def test_cuda_is_public():
    assert Cuda().name == "cuda:0"
    assert Cuda(3) == hogblock.Cuda(index=3)
    device = Cuda(1, blocks_per_worker=8, writes="store", launch="graph", threads=64)
    assert pickle.loads(pickle.dumps(device)) == device


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("index", -1, "a whole number from 0 on"),
        ("index", "0", "a whole number from 0 on"),
        ("index", True, "a whole number from 0 on"),
        ("blocks_per_worker", 0, "None or a whole number above 0"),
        ("blocks_per_worker", 1.5, "None or a whole number above 0"),
        ("writes", "atomic", "'add' or 'store'"),
        ("launch", "eager", "'persistent' or 'graph'"),
        ("threads", 96, "a power of two of at most 256"),
        ("threads", 2048, "a power of two of at most 256"),
        ("threads", 0, "a power of two of at most 256"),
    ],
)
def test_wrong_options(name, value, allowed):
    with pytest.raises(ValueError) as error:
        Cuda(**{name: value})
    assert f"{name}={value!r} of Cuda must be {allowed}" in str(error.value)


@pytest.mark.parametrize(
    ("device", "found"),
    [
        ("cpu", ()),
        ("cuda", (Cuda(0),)),
        ("cuda:2", (Cuda(2),)),
        (Cuda(1, threads=8), (Cuda(1, threads=8),)),
        (["cuda:0", "cuda:0"], (Cuda(0), Cuda(0))),
        (("cuda:1", Cuda(0, writes="store")), (Cuda(1), Cuda(0, writes="store"))),
        ("auto", ()),  # slower than the host
    ],
)
def test_simulator_has_every_device(device, found):
    assert devices_of(device, X) == found


@pytest.mark.parametrize(
    "device",
    ["tpu", "cuda:", "cuda:-1", "cuda0", [], ["cpu"], ["cuda", "auto"], 0, None],
)
def test_unknown_device(device):
    with pytest.raises(ValueError, match=r"device=.* is unknown; allowed are 'cpu'"):
        devices_of(device)


def test_auto_follows_the_data(monkeypatch):
    assert devices_of("auto", DeviceArray(X, 3)) == (Cuda(3),)
    assert devices_of("auto", X) == ()
    FakeDriver(H200).install(monkeypatch)
    assert devices_of("auto", X) == (Cuda(0),)
    FakeDriver(T4).install(monkeypatch)
    assert devices_of("auto", X) == ()
    FakeDriver(driver=0).install(monkeypatch)
    assert devices_of("auto", X) == ()
    with pytest.raises(DeviceUnavailableError):
        devices_of("auto", ON_CARD)
    FakeDriver(T4).install(monkeypatch)
    with pytest.raises(DeviceUnavailableError, match="Tesla T4"):
        devices_of("auto", ON_CARD)


def test_arrays_of_the_host_are_no_device_arrays():
    for x in (X, X.tolist(), None, "text", X.astype(object), np.float32(1)):
        assert not is_device_array(x)
        assert location_of(x) == "the host"
    assert is_device_array(ON_CARD)
    assert location_of(DeviceArray(X, 2)) == "cuda:2"


# What is missing ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "word"), [("numba", "numba-cuda"), ("cupy", "CuPy")]
)
@pytest.mark.parametrize("device", ["cuda", "cuda:1", Cuda(), ["cuda:0", "cuda:1"]])
def test_missing_package(monkeypatch, package, word, device):
    missing(monkeypatch, package)
    with pytest.raises(DeviceUnavailableError) as error:
        devices_of(device)
    assert word in str(error.value)
    assert "pip install 'hogblock[cuda13]'" in str(error.value)
    assert "'hogblock[cuda12]'" in str(error.value)


@pytest.mark.parametrize(
    ("driver", "device", "words"),
    [
        (FakeDriver(driver=0), "cuda", ("no NVIDIA driver was found", "nvidia-smi")),
        (
            FakeDriver(driver=12040),
            "cuda",
            ("knows CUDA 12.4", "built for CUDA 13.2", "'hogblock[cuda12]'"),
        ),
        (
            FakeDriver(error="cudaErrorNoDevice"),
            "cuda",
            ("no device", "cudaErrorNoDevice", "CUDA_VISIBLE_DEVICES"),
        ),
        (FakeDriver(H200), "cuda:1", ("no cuda:1", "finds 1 device, cuda:0")),
        (
            FakeDriver(H200, H200),
            ["cuda:0", "cuda:2"],
            ("no cuda:2", "2 devices, cuda:0 to cuda:1"),
        ),
        (
            FakeDriver(H200, T4),
            "cuda:1",
            ("cuda:1 is too old", "Tesla T4", "capability 7.5", "8.0"),
        ),
    ],
)
def test_missing_driver_or_card(monkeypatch, driver, device, words):
    driver.install(monkeypatch)
    with pytest.raises(DeviceUnavailableError) as error:
        MLPClassifier(device=device).fit(X, Y)
    for word in words:
        assert word in str(error.value)


def test_state_tells_without_raising(monkeypatch):
    assert dict(availability.state())["GPU"].startswith("simulated")
    FakeDriver(H200, T4).install(monkeypatch)
    told = dict(availability.state())
    assert told["CUDA of the driver"] == "13.0"
    assert told["cuda:0"] == "NVIDIA H200, compute capability 9.0"
    assert told["cuda:1"].endswith("7.5: too old, 8.0 is needed")
    missing(monkeypatch, "cupy")
    assert "hogblock[cuda13]" in dict(availability.state())["GPU"]


@behind
def test_importing_and_training_touch_no_cuda(folder):
    source = """
import sys
import numpy as np
import hogblock
from hogblock import CNNClassifier, Cuda, MLPClassifier
X = np.random.default_rng(0).normal(size=(40, 4))
MLPClassifier((3,), max_iter=1, learning_rate="cosine").fit(X, X[:, 0] > 0).predict(X)
Cuda()
print(sorted({"cupy", "numba.cuda", "cuda.bindings"} & set(sys.modules)))
"""
    plain = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, env=plain
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


# Estimators -----------------------------------------------------------------------


def quick(**parameters):
    """A classifier of a few epochs."""
    plan = dict(max_iter=2, learning_rate="cosine", batch_size=20, random_state=0)
    return MLPClassifier((5,), **plan | parameters)


@pytest.mark.parametrize(
    ("device", "given", "name"),
    [
        ("cuda", Cuda(0), "cuda:0"),
        (Cuda(1, threads=4), Cuda(1, threads=4), "cuda:1"),
        (["cuda"], Cuda(0), "cuda:0"),
        (["cuda:0", "cuda:0"], (Cuda(0), Cuda(0)), ["cuda:0", "cuda:0"]),
    ],
)
def test_fit_asks_the_engine_of_the_device(engines, device, given, name):
    model = clone(quick(device=device)).fit(X, Y)
    assert engines.runs[0][1] == given
    assert model.device_ == name
    found = model.predict_proba(X)
    assert not engines.predicted  # X is on the host
    if isinstance(given, tuple):
        return
    expected = quick().fit(X.astype(np.float32), Y)
    assert expected.device_ == "cpu"
    assert model.loss_ == pytest.approx(expected.loss_, rel=1e-5)
    np.testing.assert_allclose(found, expected.predict_proba(X), rtol=1e-4)


def test_auto_does_not_train_in_the_simulator(engines):
    assert quick(device="auto").fit(X, Y).device_ == "cpu"
    assert not engines.runs
    assert quick(device="auto").fit(DeviceArray(X), Y).device_ == "cuda:0"


def test_float64_is_scaled_before_it_is_rounded(engines):
    far = X + 1e6
    model = quick(device="cuda").fit(far, Y)
    data = engines.runs[0][0]
    assert (data.x.dtype, data.shift.size, data.scale.size) == (np.float32, 0, 0)
    np.testing.assert_allclose(data.x.std(axis=0), 1, rtol=1e-3)
    assert model.score(far, Y) == quick().fit(far, Y).score(far, Y)


@pytest.mark.parametrize(("n_jobs", "teams"), [(None, None), (-1, None), (7, 7)])
def test_jobs_are_teams(engines, n_jobs, teams):
    quick(device="cuda", n_jobs=n_jobs).fit(X, Y)
    assert engines.teams == [teams]


@pytest.mark.parametrize(
    ("n_jobs", "words"),
    [(0, "'n_jobs' .* Got 0"), (-2, "n_jobs=-2 must be None, -1 or above")],
)
def test_wrong_number_of_teams(engines, n_jobs, words):
    with pytest.raises(ValueError, match=words):
        quick(device="cuda", n_jobs=n_jobs).fit(X, Y)


@pytest.mark.parametrize(
    ("method", "device", "allowed"),
    [
        ("assm", "cuda", "'sgd', 'sync', 'hogwild', 'passm', 'passm\\+'"),
        (ASSM(), Cuda(), "'sgd', 'sync'"),
        ("hogwild", ["cuda:0", "cuda:1"], "there are 'passm', 'passm\\+'"),
        (Hogwild(), ["cuda:0", "cuda:0"], "there are 'passm', 'passm\\+'"),
    ],
)
def test_methods_that_do_not_run_there(engines, method, device, allowed):
    with pytest.raises(ValueError, match=rf"method='\w+' does not.*cuda:0.*{allowed}"):
        quick(method=method, device=device).fit(X, Y)
    assert not engines.runs


def test_methods_that_run_there(engines, monkeypatch):
    quick(method=PASSM(), device=["cuda:0", "cuda:1"]).fit(X, Y)
    assert len(engines.runs) == 1
    FakeDriver(H200).install(monkeypatch)
    assert quick(method="assm", device="auto").fit(X, Y).device_ == "cpu"
    assert len(engines.runs) == 1


def test_a_model_of_a_device_needs_none(engines, monkeypatch):
    model = quick(device="cuda").fit(X, Y)
    before = model.predict_proba(X)
    FakeDriver(driver=0).install(monkeypatch)
    model = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.score(X, Y) == np.mean(model.predict(X) == Y)
    with pytest.raises(DeviceUnavailableError, match="no NVIDIA driver"):
        model.fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    model.set_params(device="cpu", max_iter=3).partial_fit(X, Y)
    assert model.device_ == "cpu"


def test_partial_fit_and_warm_start_go_on_elsewhere(engines):
    model = quick(device="cuda", warm_start=True).fit(X, Y)
    model.set_params(max_iter=3).partial_fit(X, Y)
    assert (model.n_iter_, model.device_) == (3, "cuda:0")
    assert model.set_params(device="cpu").fit(X, Y).device_ == "cpu"
    assert len(engines.runs) == 2


# Command line ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "device"),
    [("cuda", "cuda:0"), ("auto", "cpu"), ("cuda:0,cuda:1", ["cuda:0", "cuda:1"])],
)
def test_train_on_a_device(engines, tmp_path, text, device):
    arguments = ["train", "iris", "--quiet", "--epochs", "2", "--out", str(tmp_path)]
    arguments += ["--learning-rate", "cosine", "--hidden", "4", "--device", text]
    assert cli.main(arguments) == 0
    model = joblib.load(tmp_path / "model.joblib")
    assert model.device_ == device


def test_train_says_what_is_missing(monkeypatch, capsys):
    missing(monkeypatch, "cupy")
    assert cli.main(["train", "iris", "--quiet", "--device", "cuda"]) == 2
    assert "pip install 'hogblock[cuda13]'" in capsys.readouterr().err
    assert cli.main(["train", "iris", "--quiet", "--device", "cuda,tpu"]) == 2
    assert "device=['cuda', 'tpu'] is unknown" in capsys.readouterr().err


def test_info_says_what_is_missing(monkeypatch, capsys):
    FakeDriver(driver=0).install(monkeypatch)
    assert cli.main(["info"]) == 0
    assert "none: no NVIDIA driver was found" in capsys.readouterr().out
