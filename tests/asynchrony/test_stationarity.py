"""Distance of 0 to sampled subgradients: known answers, and the quadratic program."""

import numpy as np
import pytest
from scipy.optimize import minimize

from hogblock import MLPClassifier
from hogblock.asynchrony import (
    AbsoluteValue,
    Kink,
    L1Norm,
    MaxAffine,
    NetworkProblem,
    PhaseRetrieval,
    Quadratic,
    stationarity,
)
from hogblock.asynchrony.subdifferential import least_norm_weights
from hogblock.models import Dense, Network

# The quadratic program ----------------------------------------------------------------


def by_slsqp(gradients):
    """Least norm in the hull, by another method."""
    count = len(gradients)
    gram = gradients @ gradients.T
    found = minimize(
        lambda w: w @ gram @ w,
        np.full(count, 1 / count),
        jac=lambda w: 2 * gram @ w,
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return np.linalg.norm(found.x @ gradients)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("count", "n"), [(1, 3), (2, 2), (5, 40), (12, 4), (15, 15)])
def test_weights_are_best(count, n, size):
    random = np.random.default_rng(count + n)
    gradients = random.standard_normal((count, n)) + 1.0  # 0 is not inside
    weights = least_norm_weights(size * gradients)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    point = weights @ gradients
    assert np.linalg.norm(point) == pytest.approx(by_slsqp(gradients), rel=1e-5)
    # The plane through the point keeps all of the hull on its other side.
    assert (gradients @ point).min() >= (1 - 1e-9) * (point @ point)


def test_a_hull_around_the_origin_has_distance_zero():
    gradients = np.random.default_rng(0).standard_normal((40, 5))
    assert np.linalg.norm(least_norm_weights(gradients) @ gradients) < 1e-12
    assert least_norm_weights(np.zeros((4, 2))).tolist() == [0.25] * 4


def test_gradients_may_be_equal():
    same = np.repeat([[3.0, 4.0], [30.0, 40.0]], 20, axis=0)
    weights = least_norm_weights(same)
    assert np.linalg.norm(weights @ same) == pytest.approx(5)


# Known answers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "distance"), [(0.0, 0), (0.05, 0), (-0.05, 0), (0.2, 1), (-3.0, 1)]
)
def test_absolute_value(x, distance):
    found = stationarity(AbsoluteValue(), [x], radius=0.1, random_state=0)
    assert found.distance == pytest.approx(distance, abs=1e-12)
    assert found.gradient_norm == (x != 0)


def test_each_coordinate_of_the_norm_counts_alone():
    x = [0.01, -5.0, 0.0, 7.0, -0.02]
    found = stationarity(L1Norm(5), x, radius=0.2, blocks=5, random_state=0)
    assert found.distance == pytest.approx(np.sqrt(2), abs=1e-9)
    np.testing.assert_allclose(found.per_block, [0, 1, 0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(found.point, [0, -1, 0, 1, 0], atol=1e-9)


def test_near_the_kink_the_gradient_is_large_and_the_distance_is_the_ridge():
    t, radius = 0.5, 1e-3
    kink, x = Kink(ridge=0.1), [t + 1e-5, t - 1e-5]
    found = stationarity(kink, x, radius=radius, random_state=0)
    assert found.gradient_norm == pytest.approx(np.sqrt(2), rel=0.02)
    # 2 ridge t (1, 1): s (1, -1) is orthogonal to it. In the ball x moves by `radius`.
    assert found.distance == pytest.approx(2 * 0.1 * t * np.sqrt(2), abs=0.2 * radius)
    np.testing.assert_allclose(found.point, 0.2 * t, atol=0.2 * radius)
    far = stationarity(kink, [t + 1e-2, t - 1e-2], radius=radius, random_state=0)
    assert far.distance == pytest.approx(np.sqrt(2), rel=0.02)


def test_of_each_coordinate_of_a_kink_alone_zero_is_a_subgradient():
    """Why coordinates that step alone may come to rest on a kink."""
    kink = Kink(ridge=0.1)
    found = stationarity(kink, [0.5, 0.5], radius=1e-3, blocks=2, random_state=0)
    np.testing.assert_allclose(found.per_block, 0, atol=1e-12)
    assert found.distance > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_where_affine_pieces_meet_the_distance_is_zero(seed):
    roof = MaxAffine.random(4, 12, random_state=seed)
    at = roof.minimiser
    found = stationarity(roof, at, radius=0.01, random_state=seed)
    assert found.distance < 1e-12 < found.gradient_norm
    away = stationarity(roof, at + 3.0, radius=0.01, random_state=seed)
    assert away.distance > 0.1


def test_solutions_of_phase_retrieval_are_stationary():
    problem = PhaseRetrieval.random(3, 15, random_state=0)
    near = -problem.solution + 1e-4
    found = stationarity(problem, near, radius=0.01, random_state=0)
    assert found.distance < 0.02 * found.gradient_norm
    assert stationarity(problem, near + 1, radius=0.01, random_state=0).distance > 0.1


def test_of_what_is_smooth_it_is_the_gradient_nearly():
    a, x, radius = np.array([1.0, 4.0, 9.0]), np.array([3.0, -2.0, 1.0]), 1e-3
    found = stationarity(Quadratic(a), x, radius=radius, random_state=0)
    assert found.gradient_norm == np.linalg.norm(a * x)
    assert 0 <= found.gradient_norm - found.distance <= 9 * radius
    assert found.weights.shape == (101,) and found.n_samples == 100
    np.testing.assert_allclose(np.linalg.norm(found.point), found.distance)


def test_points_are_uniform_in_the_ball():
    class Where(Quadratic):
        """Its gradients are where they are taken."""

    seen = []
    problem = Where(np.ones(3))
    problem.subgradient = lambda x, sample=None: seen.append(x.copy()) or x
    stationarity(problem, [5.0, 6.0, 7.0], radius=2.0, n_samples=4000, random_state=0)
    moves = np.array(seen[1:]) - [5, 6, 7]
    lengths = np.linalg.norm(moves, axis=1)
    assert lengths.max() <= 2 and (lengths > 0).all()
    assert (lengths < 1).mean() == pytest.approx(1 / 8, abs=0.02)  # of the volume
    np.testing.assert_allclose(moves.mean(axis=0), 0, atol=0.06)


def test_equal_seeds_give_equal_answers():
    def once(seed):
        return stationarity(
            L1Norm(3), [0.1, 1, 0], radius=0.2, n_samples=7, random_state=seed
        ).weights

    np.testing.assert_array_equal(once(1), once(1))
    assert (once(1) != once(2)).any()


# Networks -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).standard_normal((160, 4))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def test_training_a_network_brings_it_nearer(data):
    network = Network([Dense(8, "relu"), Dense(2)], (4,))
    problem = NetworkProblem(network, *data, batch=32)
    x = problem.start(random_state=0)
    how = dict(radius=0.01, n_samples=40, blocks=2, random_state=0)
    start = stationarity(problem, x, **how)
    for k in range(6000):
        x -= 2.0 / (k + 20) ** 0.75 * problem.subgradient(x, k % problem.n_samples)
    end = stationarity(problem, x, **how)
    assert end.distance < 0.3 * start.distance
    assert (end.per_block < 0.5 * start.per_block).all()
    assert end.distance <= end.gradient_norm
    assert start.blocks == problem.blocks(2) and start.point.shape == (problem.n,)


def test_estimators_are_looked_at_where_they_are(data):
    def fitted(epochs):
        options = dict(random_state=0, batch_size=20, tol=0, n_iter_no_change=1000)
        return MLPClassifier((8,), max_iter=epochs, **options).fit(*data)

    def at(model, **how):
        X, y = data
        how = dict(radius=1e-3, n_samples=30, random_state=0) | how
        return stationarity(model, X=X, y=y, **how)

    with pytest.warns(match="not converged"):
        first, last = fitted(1), fitted(200)
    found = at(last, blocks=[(0, 64), (64, last._network.size)])
    assert found.distance < 0.5 * at(first).distance
    assert found.radius == pytest.approx(1e-3 * np.linalg.norm(last._params))
    assert found.per_block.shape == (2,)
    parts = [found.per_block.max(), np.linalg.norm(found.per_block), found.distance]
    assert parts[0] <= parts[2] + 1e-12 and parts[1] <= parts[2] + 1e-12
    elsewhere = at(last, x=first._params)
    assert elsewhere.distance == pytest.approx(at(first).distance)
    whole = at(last, blocks=2)
    assert whole.blocks[0][0] == 0 and whole.blocks[1][1] == last._network.size


# Bad arguments ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": 0}, "radius=0 must be a positive number"),
        ({"radius": np.nan}, "radius=nan must be"),
        ({"radius": "small"}, "radius='small' must be"),
        ({"n_samples": 0}, "n_samples=0 must be a whole number of at least 1"),
        ({"x": None}, "x=None: say at which x"),
        ({"x": [1.0]}, r"x has shape \(1,\)"),
        ({"x": [1.0, np.nan, 0.0]}, "the gradient at x is not finite"),
        ({"blocks": 0}, "blocks=0 must be a whole number of at least 1"),
        ({"blocks": 4}, "blocks=4 are more than the 3 variables"),
        ({"blocks": [(0, 1), (2, 3)]}, "leaves out coordinate 1"),
        ({"blocks": [(0, 2), (2, 4)]}, r"block 1, \(2, 4\), goes beyond"),
        ({"blocks": [(0, 2)]}, "coordinate 2 of n=3 is left"),
        ({"blocks": [(0, 3), 5]}, r"block 1, 5, must be \(start, stop\)"),
        ({"blocks": "all"}, "blocks='all' must be pairs"),
        ({"X": np.eye(3)}, "X is for estimators"),
        ({"what": 3}, "3 is a int; allowed are problems"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    given = {"what": Quadratic([1.0, 2.0, 3.0]), "x": np.ones(3), "radius": 0.1}
    given |= changes
    with pytest.raises(ValueError, match=message):
        stationarity(given.pop("what"), given.pop("x"), **given)
