"""Networks: shapes, errors, fused activations and initial weights."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from hogblock.kernels import ops as op
from hogblock.models import (
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    Network,
    ReLU,
    Sigmoid,
    Tanh,
)
from hogblock.models.activations import ACTIVATIONS
from hogblock.models.graph import make_stages
from hogblock.models.initialisers import INITIALISERS
from hogblock.models.layers.base import Parameter


class Picky(Layer):
    """Takes nothing."""

    def output_shape(self, shape):
        raise ValueError(f"no room for {shape}")


class Odd(Layer):
    """Draws its first values from a rule that nobody knows."""

    def parameters(self, shape):
        return [Parameter("bias", 1, 3, False, "glorot", (3, 3), 6.0, (3,))]


def test_an_unknown_rule_of_first_values_names_the_layer():
    with pytest.raises(ValueError, match=r"layer 1 .*initialiser='glorot'.*he_normal"):
        Network([Dense(3), Odd()], (3,))


def test_shapes_and_sizes():
    layers = [Dense(5), ReLU(), Dropout(0.1), Dense(2)]
    network = Network(layers, (3,))
    assert network.output_shape == (2,)
    assert network.shapes == [(3,), (5,), (5,), (2,)]
    assert network.n_parameters == 3 * 5 + 5 + 5 * 2 + 2
    assert network.size == (4 + 6) * 16
    assert network.layers == layers
    assert [t.name for t in network.tensors] == [
        "0.weight", "0.bias", "3.weight", "3.bias",
    ]  # fmt: skip


def test_layers_may_come_as_any_sequence():
    assert Network((Dense(2),), [np.int64(3)]).input_shape == (3,)


@pytest.mark.parametrize("layers", [[], ()])
def test_no_layers(layers):
    with pytest.raises(ValueError, match="at least one layer"):
        Network(layers, (3,))


@pytest.mark.parametrize("stranger", [7, "relu", Dense, None])
def test_unknown_layers_are_named(stranger):
    with pytest.raises(ValueError, match=r"layer 2\b.*no hogblock layer"):
        Network([Dense(3), ReLU(), stranger], (3,))


@pytest.mark.parametrize("shape", [(), (0,), (-1,), (3, 0)])
def test_input_shape_must_be_positive(shape):
    with pytest.raises(ValueError, match="input_shape"):
        Network([ReLU()], shape)


def test_a_layer_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"layer 0 \(Dense.*\(4, 4, 1\)"):
        Network([Dense(3), Dense(2)], (4, 4, 1))
    with pytest.raises(ValueError, match=r"layer 1 \(Dense.*\(4, 4, 1\)"):
        Network([Tanh(), Dense(3)], (4, 4, 1))


def test_positions_are_those_of_the_given_layers():
    """An activation that is fused away still counts: users see their own list."""
    with pytest.raises(ValueError, match=r"layer 2\b.*no room"):
        Network([Dense(3), ReLU(), Picky()], (4,))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Dense(0), "units=0"),
        (lambda: Dense(-2), "units=-2"),
        (lambda: Dense(3, "swish"), "activation='swish'.*relu"),
        (lambda: Dense(3, initialiser="zeros"), "initialiser='zeros'.*glorot_uniform"),
        (lambda: LeakyReLU(1.5), "slope=1.5"),
        (lambda: LeakyReLU(-0.1), "slope=-0.1"),
        (lambda: LeakyReLU(float("nan")), "slope=nan"),
        (lambda: Dropout(1.0), "rate=1.0"),
        (lambda: Dropout(-0.1), "rate=-0.1"),
    ],
)
def test_wrong_parameters_of_layers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def fused_layers(layers):
    return [stage.layer for stage in make_stages(layers, (5,))]


@pytest.mark.parametrize(
    "layer, kind, slope",
    [
        (ReLU(), op.LINEAR, 0.0),
        (LeakyReLU(0.2), op.LINEAR, 0.2),
        (Tanh(), op.TANH, 0.0),
        (Sigmoid(), op.LOGISTIC, 0.0),
    ],
)
def test_an_activation_after_a_dense_layer_is_fused(layer, kind, slope):
    (fused,) = fused_layers([Dense(4, initialiser="he_normal"), layer])
    assert (fused.units, fused.initialiser) == (4, "he_normal")
    assert fused.act[:2] == (kind, slope)


@pytest.mark.parametrize("name, layer", [("relu", ReLU()), ("tanh", Tanh())])
def test_fused_is_as_if_it_had_been_written_so(name, layer):
    short, long = Network([Dense(4, name)], (3,)), Network([Dense(4), layer], (3,))
    assert short.tensors == long.tensors
    assert short.stages[0].layer.act == long.stages[0].layer.act
    weights = [n.initialise(np.random.RandomState(1)) for n in (short, long)]
    np.testing.assert_array_equal(*weights)


def test_what_cannot_be_fused_stays():
    alone = [ReLU(), Dense(3, "tanh"), ReLU(), Dropout(0.2), Tanh()]
    assert fused_layers(alone) == alone
    first, second = fused_layers([Dense(3), ReLU(), Tanh()])
    assert first.act == ACTIVATIONS["relu"] and second == Tanh()
    given = [Dense(3), ReLU()]
    fused_layers(given)
    assert given == [Dense(3), ReLU()]


BOUND = {  # of a layer of 200 inputs and 300 outputs with a gain of 6
    "glorot_uniform": np.sqrt(6 / 500),
    "he_uniform": np.sqrt(6 / 200),
}
DEVIATION = {
    "glorot_uniform": np.sqrt(2 / 500),
    "glorot_normal": np.sqrt(2 / 500),
    "he_uniform": np.sqrt(2 / 200),
    "he_normal": np.sqrt(2 / 200),
}


@pytest.mark.parametrize("name", INITIALISERS)
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_initial_weights_have_the_spread_of_their_rule(name, activation):
    gain = 2 if activation == "logistic" else 6
    network = Network([Dense(300, activation, name)], (200,))
    vector = network.initialise(np.random.RandomState(4))
    assert vector.dtype == np.float32 and vector.shape == (network.size,)
    weights = network.tensors[0].view(vector)
    deviation = DEVIATION[name] * np.sqrt(gain / 6)
    assert weights.std() == pytest.approx(deviation, rel=0.02)
    assert abs(weights.mean()) < 5 * deviation / np.sqrt(weights.size)
    if name in BOUND:
        bound = BOUND[name] * np.sqrt(gain / 6)
        assert 0.99 * bound < np.abs(weights).max() <= bound * (1 + 1e-6)
    else:
        assert np.abs(weights).max() > 3.5 * deviation


def test_initial_padding_is_zero_and_seeds_matter():
    network = Network([Dense(17, "relu"), Dense(3)], (5,))
    one, again, other = (
        network.initialise(np.random.RandomState(seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert np.count_nonzero(one) == network.n_parameters


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("hidden", [(100,), (7, 33), ()])
def test_initial_weights_are_scikit_learns(activation, hidden):
    random = np.random.default_rng(0)
    x = random.standard_normal((30, 13))
    for theirs, y, n_out in (
        (MLPClassifier, np.arange(30) % 4, 4),
        (MLPRegressor, random.standard_normal((30, 2)), 2),
    ):
        model = theirs(
            hidden_layer_sizes=hidden, activation=activation, solver="sgd",
            learning_rate_init=1e-300, max_iter=1,
            random_state=np.random.RandomState(0),
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, y)
        layers = [Dense(n, activation) for n in hidden]
        network = Network([*layers, Dense(n_out)], (13,))
        vector = network.initialise(np.random.RandomState(0))
        for k, (w, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
            weight, bias = network.tensors_of(k)
            np.testing.assert_array_equal(weight.view(vector), w.astype(np.float32))
            np.testing.assert_array_equal(bias.view(vector)[0], b.astype(np.float32))
