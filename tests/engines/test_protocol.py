"""An engine is one class and one row, wherever it comes from; methods state traits."""

import subprocess
import sys

import numpy as np
import pytest

from hogblock import MLPClassifier
from hogblock.engines import registry
from hogblock.engines.base import Engine
from hogblock.engines.cpu.pack import write_code
from hogblock.kernels.cpu import job
from hogblock.methods import METHODS, Hogwild
from support.behind import behind
from support.fake_cuda import DeviceArray

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """The engine of ``support.toy_engine`` is known by the prefix "toy"."""
    monkeypatch.setitem(registry.ENGINES, "toy", "support.toy_engine:ToyEngine")
    monkeypatch.delitem(sys.modules, "support.toy_engine", raising=False)


def quick(**changes):
    """A classifier of few epochs, whose samples come in their order."""
    plan = dict(max_iter=3, learning_rate="cosine", batch_size=20, random_state=0)
    plan |= dict(learning_rate="constant", n_iter_no_change=100, tol=0, alpha=0.01)
    plan |= dict(shuffle=False, nesterovs_momentum=False, method="sgd")
    return MLPClassifier((5,), **plan | changes)


@pytest.mark.filterwarnings("ignore:max_iter")
def test_an_engine_from_outside_trains():
    expected, found = quick().fit(X, Y), quick(device="toy:0").fit(X, Y)
    assert (expected.device_, found.device_) == ("cpu", "toy:0")
    assert found.n_iter_ == 3 and found.n_workers_ == 1 and found.t_ == 3 * len(X)
    for a, b in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-4)
    # X is on the host, which predicts.
    np.testing.assert_allclose(
        found.predict_proba(X), expected.predict_proba(X), rtol=1e-3
    )


def test_partial_fit_goes_on_there():
    models = [quick(device=device) for device in ("cpu", "toy:3")]
    for _ in range(3):
        for model in models:
            model.partial_fit(X, Y, classes=[0, 1])
    expected, found = models
    assert found.device_ == "toy:3"
    for a, b in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_its_module_is_imported_when_it_is_wanted():
    quick(max_iter=1, learning_rate="cosine").fit(X, Y)
    assert "support.toy_engine" not in sys.modules
    quick(max_iter=1, learning_rate="cosine", device="toy:0").fit(X, Y)
    assert "support.toy_engine" in sys.modules


@pytest.mark.parametrize("device", ["toy", "toy:x", ["toy:0"], "toys:0"])
def test_names_that_the_engine_does_not_know(device):
    with pytest.raises(ValueError, match=r"is unknown; allowed are 'cpu'.*'toy'"):
        quick(device=device).fit(X, Y)


def test_methods_that_the_engine_does_not_run():
    allowed = "'sgd', 'sync', 'hogwild', 'assm', 'thinned'$"
    with pytest.raises(
        ValueError, match=f"'passm' does not run on toy:1; allowed there are {allowed}"
    ):
        quick(device="toy:1", method="passm").fit(X, Y)


def test_arrays_that_it_cannot_read(simulator):
    with pytest.raises(ValueError, match=r"X is on cuda:0, and device='toy:0': pass"):
        quick(device="toy:0").fit(DeviceArray(X), Y)
    with pytest.raises(ValueError, match=r"y is on cuda:0, and X is on the host"):
        quick(device="toy:0").fit(X, DeviceArray(Y))


def test_what_an_engine_has_to_say():
    with pytest.raises(TypeError, match=r"named.*train.*usable_workers"):
        type("Nothing", (Engine,), {"name": "nothing"})()


@behind
def test_engines_are_imported_alone(folder):
    """None needs another module to have been imported before."""
    modules = ["devices", "locations", "base", "registry", "cuda.availability"]
    modules += ["cuda.arrays", "cuda.engine", "cpu.engine"]
    for module in modules:
        source = f"import sys, hogblock.engines.{module}; " + (
            "assert not {'cupy', 'numba.cuda'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", source], check=True)


def test_traits_say_what_a_method_needs():
    having = {
        trait: [name for name, method in METHODS.items() if getattr(method, trait)]
        for trait in ("one_worker", "together", "locks", "owns_blocks")
    }
    assert having == {
        "one_worker": ["sgd"],
        "together": ["sync"],
        "locks": ["assm"],
        "owns_blocks": ["passm", "passm+", "mixed"],
    }


def test_workers_of_the_host_write_by_the_traits():
    codes = {name: write_code(method()) for name, method in METHODS.items()}
    assert codes == dict.fromkeys(METHODS, job.WRITE_PLAIN) | {
        "sync": job.WRITE_MEAN,
        "assm": job.WRITE_LOCKED,
    }
    assert write_code(Hogwild(atomic=True)) == job.WRITE_ATOMIC
