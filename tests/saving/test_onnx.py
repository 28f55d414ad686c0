"""Models as ONNX: onnxruntime finds what ``predict`` and ``predict_proba`` find."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from hogblock import (
    CNNClassifier,
    CNNRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
)
from hogblock.kernels import ops as op
from hogblock.models import (
    ELU,
    GELU,
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softplus,
    SpatialDropout2D,
    Tanh,
    layers,
    lenet5,
    resnet8,
    small_convnet,
)
from hogblock.models.activations import ACTIVATIONS, activation_of
from hogblock.models.layers import Layer
from hogblock.saving.onnx import operations

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("compiled")

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(40, 6)).astype(np.float32) * [1, 2, 3, 1e-3, 5, 50]
ROWS = (ROWS + [0, 1, 0, 0, 1000, 0]).astype(np.float32)
CLASSES = RANDOM.integers(0, 3, 40)
LABELS = RANDOM.integers(0, 2, (40, 3))
FAST = dict(max_iter=2, learning_rate="cosine", random_state=0)


def images(*shape):
    return RANDOM.integers(0, 255, (30, *shape), np.uint8)


def outputs_of(model, X):
    """Of onnxruntime, by name."""
    given = model.to_onnx(dtype=X.dtype.name)
    onnx.checker.check_model(given, full_check=True)
    session = runtime.InferenceSession(given.SerializeToString())
    names = [each.name for each in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"X": X}), strict=True))
    for each in session.get_outputs():  # as they were declared
        assert len(each.shape) == found[each.name].ndim
    return found


def check(model, X):
    found = outputs_of(model, X)
    if not hasattr(model, "predict_proba"):
        expected = model.predict(X)
        assert found["variable"].shape == expected.shape
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found["variable"], expected, atol=1e-5 * scale)
        return
    expected = model.predict_proba(X)
    assert expected.std() > 0
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    sure = np.abs(expected - 0.5).min(1) > 1e-4 if model.classes_.size < 3 else ...
    np.testing.assert_array_equal(found["label"][sure], model.predict(X)[sure])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation):
    check(MLPClassifier((7, 5), activation, **FAST).fit(ROWS, CLASSES), ROWS)


TARGETS = {
    "binary": CLASSES > 0,
    "text": np.array(["no", "yes"])[CLASSES % 2],
    "objects": np.array(["a", "bb", "ccc"], object)[CLASSES],
    "fractions": CLASSES + 0.0,
    "multilabel": LABELS,
}


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_classes_and_labels(y):
    check(MLPClassifier((5,), **FAST).fit(ROWS, y), ROWS)


@pytest.mark.parametrize("options", [{}, {"standardize": False}, {"loss": "poisson"}])
@pytest.mark.parametrize("columns", [1, 2])
def test_numbers(options, columns):
    y = RANDOM.integers(0, 9, (40, columns)) * [1, 1e4][:columns]
    y = y[:, 0] if columns == 1 else y
    X = ROWS if options != {"standardize": False} else ROWS / 1000
    model = MLPRegressor((5,), **FAST, **options).fit(X, y)
    check(model, X)
    assert outputs_of(model, X)["variable"].dtype == model.predict(X).dtype


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
def test_types_of_rows(dtype):
    X = np.abs(ROWS[:, :4] * 20).astype(dtype)
    X += np.array(1_000_000_007 if dtype == "float64" else 0, dtype)
    check(MLPClassifier((5,), **FAST).fit(X, CLASSES), X)


EVERYTHING = Network(
    [
        Conv2D(6, (3, 2), stride=(2, 1), activation="gelu"),
        GroupNorm(3),
        ReLU(),
        SpatialDropout2D(0.2),
        Residual([Conv2D(6, 3, bias=False), SiLU(), DepthwiseConv2D(3)]),
        Tanh(),
        Residual(
            [MaxPool2D(3, 2, padding="same"), ELU(0.5)],
            [DepthwiseConv2D((2, 3), stride=2, activation="softplus")],
        ),
        Conv2D(5, 2, padding="valid", activation="relu"),
        AvgPool2D(3, 1, padding="same"),
        Add(7),
        LeakyReLU(0.2),
        Conv2D(4, 3, activation="leaky_relu"),
        MaxPool2D(2),
        Sigmoid(),
        Flatten(),
        Dense(9, "elu"),
        Dropout(0.1),
        GELU(),
        Dense(9),
        Softplus(),
        Add(16),
        Dense(3),
    ],
    (13, 11, 2),
)
POOLED = Network(
    [AvgPool2D((2, 3)), Conv2D(16, 3), GlobalAvgPool2D(), Dense(3)],
    (7, 10, 3),
)
WIDE = Network([Conv2D(16, 3), Flatten(), Dense(3)], (4, 4, 16))
FLAT = Network(
    [LayerNorm(), Flatten(), Dense(5), LayerNorm(), Tanh(), Dense(3)], (3, 3, 16)
)
NETWORKS = {
    "everything": EVERYTHING,
    "pooled": POOLED,
    "views": WIDE,
    "flat": FLAT,
    "lenet5": lenet5((16, 15, 1), 3),
    "resnet8": resnet8((9, 8, 3), 3),
    "small_convnet": small_convnet((9, 9, 1), 3),
}


def test_there_is_a_network_of_every_layer():
    def within(those):
        for each in those:
            yield type(each).__name__
            yield from within(getattr(each, "layers", ()))

    seen = {n for network in NETWORKS.values() for n in within(network.layers)}
    assert seen == set(layers.__all__)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_networks(network):
    X = images(*network.input_shape)
    model = NetworkClassifier(network, **FAST).fit(X, np.arange(30) % 3)
    check(model, X)


@pytest.mark.parametrize(
    "model",
    [
        CNNClassifier(((3, 2),), 2, (4,), "tanh", **FAST),
        CNNRegressor(((3, 3),), (2, 1), (4,), "silu", standardize=False, **FAST),
        NetworkRegressor(Network([Flatten(), Dense(1)], (5, 7, 1)), **FAST),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimators_of_images(model):
    X = (images(5, 7, 1) / 255).astype(np.float32)
    check(model.fit(X, np.arange(30) % 3), X)


# What cannot be ----------------------------------------------------------------------


@dataclass(frozen=True)
class Twice(Layer):
    """x + x, with an activation."""

    activation: str = "tanh"

    def forward(self, slot):
        act = activation_of(self.activation)
        slot.emit(op.ADD_FORWARD, x2=slot.x.offset, **act.columns)

    def backward(self, slot):
        pass


def test_a_layer_from_outside_is_exported_by_its_operations(monkeypatch):
    network = Network([Twice(), Dense(3)], (6,))
    model = NetworkClassifier(network, **FAST).fit(ROWS, CLASSES)
    check(model, ROWS)
    with monkeypatch.context() as patch:
        patch.delitem(operations.OPERATIONS, op.ADD_FORWARD)
        with pytest.raises(ValueError, match=r"^layer 0 \(Twice.*ADD_FORWARD has no"):
            model.to_onnx()
    monkeypatch.delitem(operations.ACTIVATIONS, op.TANH)
    with pytest.raises(ValueError, match=r"^layer 0 \(Twice.*activation of code 1 has"):
        model.to_onnx()


def test_what_is_wrong_is_named(monkeypatch):
    model = MLPClassifier((3,), **FAST)
    with pytest.raises(NotFittedError):
        model.to_onnx()
    model.fit(ROWS, CLASSES)
    with pytest.raises(ValueError, match=r"dtype='int8' must be one of \['float32', "):
        model.to_onnx(dtype="int8")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'hogblock\[onnx\]'"):
        model.to_onnx()
