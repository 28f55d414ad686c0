"""Networks as problems: gradients against the float64 twin and finite differences."""

import copy
import pickle

import numpy as np
import pytest

from hogblock.asynchrony import NetworkProblem
from hogblock.models import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Huber,
    LeakyReLU,
    Network,
    Tanh,
)
from support import naive

ROWS, FEATURES, BATCH = 23, 6, 9  # minibatches of 9, 9 and 5


def network(outputs=3, activation="relu"):
    layers = [Dense(7, activation), Dense(5, "tanh"), LeakyReLU(0.2), Dense(outputs)]
    return Network(layers, (FEATURES,))


def samples(loss, outputs, seed=0):
    random = np.random.default_rng(seed)
    X = random.standard_normal((ROWS, FEATURES)).astype(np.float32)
    if loss == "softmax":
        return X, random.integers(0, outputs, ROWS)
    y = random.standard_normal((ROWS, outputs))
    return X, (y > 0).astype(float) if loss == "logistic" else y


LOSSES = [
    ("softmax", 3),
    ("logistic", 1),
    ("logistic", 4),
    ("squared_error", 2),
    ("absolute_error", 1),
    ("huber", 3),
]


@pytest.fixture(scope="module")
def problem():
    X, y = samples("softmax", 3)
    return NetworkProblem(network(), X, y, batch=BATCH, alpha=0.1)


@pytest.mark.parametrize(("loss", "outputs"), LOSSES)
def test_gradients_are_those_of_the_twin(loss, outputs):
    net, (X, y) = network(outputs), samples(loss, outputs)
    problem = NetworkProblem(net, X, y, loss, batch=BATCH, alpha=0.1)
    x = problem.start(random_state=1)
    assert problem.n_samples == 3 and problem.n == net.size
    for sample, rows, times in (
        (None, slice(None), 3),  # minibatches with a penalty each
        (0, slice(0, 9), 1),
        (2, slice(18, 23), 1),
    ):
        given = (net, x, X[rows], y[rows], loss)
        _, expected = naive.network_gradient(*given, alpha=times * 0.1)
        np.testing.assert_allclose(problem.subgradient(x, sample), expected, atol=3e-6)
    expected = naive.network_objective(net, x, X, y, loss, alpha=0.3)
    assert problem.value(x) == pytest.approx(expected, rel=1e-5)


def test_gradients_are_finite_differences_of_the_value():
    """Without kinks: the value is that of float32 arithmetic, so steps are long."""
    net, (X, y) = network(3, "tanh"), samples("softmax", 3)
    net = Network([layer for layer in net.layers if layer != LeakyReLU(0.2)], (6,))
    problem = NetworkProblem(net, X, y, batch=BATCH, alpha=0.1)
    x, step = problem.start(random_state=2), 1e-2
    gradient = problem.subgradient(x)
    for j in problem.coordinates[::7]:
        move = np.zeros(problem.n)
        move[j] = step
        slope = (problem.value(x + move) - problem.value(x - move)) / (2 * step)
        assert gradient[j] == pytest.approx(slope, abs=2e-4)
    assert np.abs(gradient).max() > 0.05


def test_the_mean_counts_minibatches_by_their_rows(problem):
    x = problem.start(random_state=3)
    each = [problem.subgradient(x, i) for i in range(3)]
    mean = np.average(each, axis=0, weights=[9, 9, 5])
    np.testing.assert_allclose(problem.subgradient(x), mean, atol=1e-7)
    assert np.abs(each[0] - each[2]).max() > 0.01


def test_padding_is_no_variable(problem):
    x = problem.start(random_state=4)
    padding = np.ones(problem.n, bool)
    padding[problem.coordinates] = False
    assert padding.any() and problem.coordinates.size == 6 * 7 + 7 + 7 * 5 + 5 + 18
    before, value = problem.subgradient(x), problem.value(x)
    x[padding] = 5.0
    np.testing.assert_array_equal(problem.subgradient(x), before)
    assert problem.value(x) == value and not before[padding].any()


def test_evaluations_leave_nothing_behind(problem):
    one, other = problem.start(random_state=5), problem.start(random_state=6)
    first = problem.subgradient(one)
    problem.subgradient(other, 2)
    np.testing.assert_array_equal(problem.subgradient(one), first)


def test_divergence_stays_visible(problem):
    assert not np.isfinite(problem.value(np.full(problem.n, 1e300)))


def test_copies_have_memory_of_their_own(problem):
    x = problem.start(random_state=7)
    for other in (copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))):
        assert other.data != problem.data
        np.testing.assert_array_equal(
            other.subgradient(x, 1), problem.subgradient(x, 1)
        )
        assert other.value(x) == problem.value(x)


def test_starts_come_from_their_seed(problem):
    one, same, other = (problem.start(random_state=s) for s in (8, 8, 9))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_blocks_are_those_of_the_network(problem):
    blocks = problem.blocks(3)
    assert blocks[0][0] == 0 and blocks[-1][1] == problem.n
    tensors = {t.offset for t in problem.network.tensors}
    assert {start for start, _ in blocks} <= tensors
    with pytest.raises(ValueError, match="parts=99 must be between"):
        problem.blocks(99)


def test_where_its_minimum_is_is_not_known(problem):
    assert np.isnan(problem.distance(problem.start(0))) and problem.minimum is None


def bad(**changes):
    X, y = samples("softmax", 3)
    given = {"network": network(), "X": X, "y": y} | changes
    return NetworkProblem(given.pop("network"), given.pop("X"), **given)


IMAGES = Network([Conv2D(2, 3), Flatten(), Dense(3)], (5, 5, 1))
DROPS = Network([Dense(4), Dropout(0.5), Tanh(), Dense(3)], (FEATURES,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "mlp"}, "network='mlp' must be a hogblock.models.Network"),
        ({"network": IMAGES}, r"images of shape \(5, 5, 1\); allowed are .* rows"),
        ({"network": DROPS}, r"layer 1 \(Dropout.*drops values at random"),
        ({"X": np.zeros((23, 5))}, "X has 5 columns; the network takes 6"),
        ({"X": np.full((23, 6), np.nan)}, r"X\[0, 0\]=nan"),
        ({"y": np.zeros(22)}, r"y has shape \(22,\); it must be \(23,\)"),
        ({"y": np.full(23, 3)}, r"y\[0\]=3 must be a class < 3"),
        ({"y": np.full(23, 0.5)}, r"y\[0\]=0\.5 must be a class"),
        ({"y": np.zeros((23, 2)), "loss": "huber"}, r"y has shape \(23, 2\); .* 3\)"),
        ({"y": np.full((23, 3), 2.0), "loss": "logistic"}, r"y\[0, 0\]=2 must be in"),
        ({"loss": "hinge"}, "loss='hinge' is unknown"),
        ({"batch": 0}, "batch=0 must be a whole number of at least 1"),
        ({"alpha": -1}, "alpha=-1 must not be negative"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        bad(**changes)


def test_a_sample_that_is_not_there_is_named(problem):
    with pytest.raises(ValueError, match=r"sample=3 of network .* \[0, 3\)"):
        problem.subgradient(problem.start(0), 3)


def test_losses_may_be_instances_and_one_output_flat():
    X, y = samples("huber", 1)
    one, same = (
        NetworkProblem(network(1), X, targets, Huber(0.5), batch=64)
        for targets in (y, y[:, 0])
    )
    x = one.start(0)
    assert one.n_samples == 1 and one.value(x) == same.value(x)
    assert one.value(x) != NetworkProblem(network(1), X, y, "huber").value(x)
