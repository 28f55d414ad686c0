"""A layer from outside the package, of operations that there are: no kernel is new."""

from dataclasses import dataclass

import numpy as np
import pytest

from hogblock import NetworkRegressor
from hogblock.kernels import ops as op
from hogblock.models import Dense, Network
from hogblock.models.activations import activation_of
from hogblock.models.layers import Cost, Layer, Parameter
from hogblock.training.settings import TrainingData
from support import cuda_runs as runs
from support import numerical

pytestmark = pytest.mark.usefixtures("simulator", "compiled")


@dataclass(frozen=True)
class Highway(Layer):
    """x + tanh(x W + b)."""

    def parameters(self, shape):
        (width,) = shape
        fans, gain = (width, width), activation_of("tanh").gain
        return [
            Parameter("weight", *fans, True, "glorot_uniform", fans, gain, fans),
            Parameter("bias", 1, width, False, "glorot_uniform", fans, gain, (width,)),
        ]

    def cost(self, shape):
        return Cost(shape[0] ** 2, shape[0] ** 2)

    def forward(self, slot):
        inside = self._reserve(slot, "inside")
        slot.emit(op.DENSE_FORWARD, y=inside, **activation_of("tanh").columns)
        slot.emit(op.ADD_FORWARD, x2=inside, **activation_of("identity").columns)

    def backward(self, slot):
        inside, gradient = self._reserve(slot, "inside"), self._reserve(slot, "d")
        tanh = activation_of("tanh").columns
        slot.emit(op.ACTIVATION_BACKWARD, y=inside, dx=gradient, **tanh)
        if slot.needs_dx:
            slot.emit(op.DENSE_INPUT_GRADIENT, dy=gradient)
            slot.emit(op.ADD_BACKWARD, adds=1)
        weight, bias = slot.tensors
        columns = {"x_width": slot.x.width, "y_width": slot.y.width}
        slot.update(op.DENSE_UPDATE, weight, dy=gradient, **columns)
        slot.update(op.BIAS_UPDATE, bias, dy=gradient)

    def _reserve(self, slot, name):
        return slot.reserve(name, slot.y.row * slot.batch_rows)


NETWORK = Network([Dense(7, "tanh"), Highway(), Dense(2)], (runs.FEATURES,))
TARGETS = np.tanh(runs.X[:, :2] * runs.X[:, 1:3])
DATA = TrainingData(runs.X, TARGETS.ravel(), runs.NONE, runs.NONE, runs.NONE)
SETTINGS = runs.settings(loss="squared_error", shuffle=False, epochs=3)


def outputs(params, x):
    w, b, w_in, b_in, w_out, b_out = (t.view(params) for t in NETWORK.tensors)
    hidden = np.tanh(x @ w + b[0])
    return (hidden + np.tanh(hidden @ w_in + b_in[0])) @ w_out + b_out[0]


def losses(found, targets):
    return ((found - targets) ** 2).mean(1) / 2


@pytest.fixture(scope="module")
def twin():
    start = runs.start(NETWORK)
    return numerical.train(NETWORK, SETTINGS, outputs, losses, start, runs.X, TARGETS)


@pytest.mark.parametrize("train", [runs.on_host, runs.fit], ids=["cpu", "cuda"])
def test_it_trains_as_its_twin(train, twin):
    found = train(SETTINGS, network=NETWORK, data=DATA)
    np.testing.assert_allclose(found.params, twin.params, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.losses, twin.losses, rtol=1e-5)
    assert found.losses[-1] < 0.9 * found.losses[0]


def test_estimators_take_it(capsys):
    X = np.random.default_rng(0).normal(size=(300, 4))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    plan = dict(learning_rate="cosine", max_iter=60, random_state=0)
    network = Network([Dense(20, "tanh"), Highway(), Dense(1)], (4,))
    model = NetworkRegressor(network, **plan).fit(X, y)
    assert model.score(X, y) > 0.9
    assert [c.shape for c in model.coefs_] == [(4, 20), (20, 20), (20, 1)]
    network.summary()
    assert "1 Highway()" in capsys.readouterr().out
