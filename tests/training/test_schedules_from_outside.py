"""A schedule from outside the package is one class."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from hogblock import MLPClassifier
from hogblock.schedules import SCHEDULES, Schedule, resolve

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("simulator", "compiled"),
]

X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)


@dataclass(frozen=True)
class Halving(Schedule):
    """Half the rate after every few epochs of the plan, and none in its last."""

    every: int = 2

    name: ClassVar[str] = "halving"
    planned: ClassVar[bool] = True

    def factors(self, epoch, epochs, samples, power):
        whole = np.floor(epoch)
        return np.where(whole < epochs - 1, 0.5 ** (whole // self.every), 0.0)


def fit(schedule, **changes):
    plan = dict(max_iter=5, learning_rate_init=0.1, momentum=0, method="sgd")
    model = MLPClassifier((5,), learning_rate=schedule, random_state=0)
    return model.set_params(**plan | changes).fit(X, Y)


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_an_estimator_follows_it(device):
    """Epochs of rates r, r, r/2, r/2 and 0, each of which can be fitted by itself."""
    size = dict(batch_size=100, shuffle=False, device=device)
    found = fit(Halving(), **size)
    expected = fit("constant", max_iter=2, **size)
    for rate in (0.05, 0.05):
        expected.set_params(warm_start=True, learning_rate_init=rate, max_iter=1)
        expected.fit(X, Y)
    for a, b in zip(found.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert found.n_iter_ == 5


def test_its_parameters_count():
    slow, quick = (fit(Halving(every)).loss_ for every in (1, 3))
    assert quick < slow


def test_its_name_is_a_row(monkeypatch):
    with pytest.raises(ValueError, match=r"learning_rate.*halving"):
        fit("halving")
    monkeypatch.setitem(SCHEDULES, "halving", Halving)
    assert resolve("halving") == Halving()
