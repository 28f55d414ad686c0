"""Problems: subgradients against values, minima, selections at kinks, bad arguments."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from hogblock import asynchrony
from hogblock.asynchrony import (
    AbsoluteValue,
    Kink,
    L1Norm,
    MaxAffine,
    PhaseRetrieval,
    Quadratic,
)

PROBLEMS = {
    "quadratic": Quadratic([1.0, 4.0, 0.5]),
    "absolute": AbsoluteValue(),
    "l1": L1Norm(5),
    "kink": Kink(),
    "max": MaxAffine.random(4, 9, random_state=1),
    "phase": PhaseRetrieval.random(3, 11, random_state=2),
}
CONVEX = [name for name in PROBLEMS if name != "phase"]


def points(problem, count, seed=0):
    return 2 * np.random.default_rng(seed).standard_normal((count, problem.n))


def central_differences(function, x, step=1e-6):
    steps = step * np.eye(len(x))
    return np.array([function(x + s) - function(x - s) for s in steps]) / (2 * step)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_subgradients_are_gradients_off_the_kinks(problem):
    for x in points(problem, 20):
        expected = central_differences(problem.value, x)
        np.testing.assert_allclose(problem.subgradient(x), expected, atol=1e-7)


@pytest.mark.parametrize("name", CONVEX)
def test_subgradients_are_below_convex_functions(name):
    problem = PROBLEMS[name]
    kinks = [np.zeros(problem.n), np.ones(problem.n)]
    if name == "max":
        kinks.append(problem.minimiser)
    others = points(problem, 40, seed=1)
    for x in [*kinks, *points(problem, 10)]:
        g = problem.subgradient(x)
        for y in others:
            assert problem.value(y) >= problem.value(x) + g @ (y - x) - 1e-12


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_minima_are_what_the_distance_is_to(problem):
    least = np.zeros(problem.n)
    for known in ("minimiser", "solution"):
        least = getattr(problem, known, least)
    assert problem.value(least) == problem.minimum == 0.0
    assert problem.distance(least) == 0.0
    for move in points(problem, 20):
        assert problem.value(least + move) > 0.0
        if problem.name != "phase retrieval":
            assert problem.distance(least + move) == pytest.approx(np.linalg.norm(move))


def test_the_solution_of_phase_retrieval_has_no_sign():
    problem = PROBLEMS["phase"]
    near = -problem.solution + [1e-3, 0, 0]
    assert problem.distance(near) == pytest.approx(1e-3)
    assert problem.value(-problem.solution) == 0.0


def test_without_a_ridge_the_whole_kink_is_least():
    flat = Kink(ridge=0.0)
    assert flat.distance([3.0, 1.0]) == pytest.approx(np.sqrt(2))
    assert flat.value([5.0, 5.0]) == flat.distance([5.0, 5.0]) == 0.0


def test_selections_at_kinks():
    assert AbsoluteValue().subgradient([-0.0]).tolist() == [0.0]
    assert L1Norm(3).subgradient([0.0, -2.0, 3.0]).tolist() == [0.0, -1.0, 1.0]
    assert Kink(0.25).subgradient([2.0, 2.0]).tolist() == [1.0, 1.0]
    roof = MaxAffine([[2.0], [-1.0], [5.0]], [0.0, 3.0, -3.0])
    assert roof.subgradient([1.0]).tolist() == [2.0]
    phase = PROBLEMS["phase"]
    assert not phase.subgradient(phase.solution).any()
    assert not phase.subgradient(np.zeros(3)).any()


def test_samples_add_up_to_the_mean():
    problem = PROBLEMS["phase"]
    x = points(problem, 1)[0]
    each = [problem.subgradient(x, i) for i in range(problem.n_samples)]
    np.testing.assert_allclose(np.mean(each, axis=0), problem.subgradient(x))
    assert np.abs(each[0] - each[1]).max() > 0.1


def test_what_is_not_a_number_stays_visible():
    assert np.isnan(L1Norm(2).subgradient([np.nan, 1.0])).tolist() == [True, False]


def test_random_problems_come_from_their_seed():
    for kind in (MaxAffine, PhaseRetrieval):
        one, same, other = (kind.random(3, 8, random_state=s) for s in (5, 5, 6))
        np.testing.assert_array_equal(one.A, same.A)
        np.testing.assert_array_equal(one.b, same.b)
        assert (one.A != other.A).any()


@pytest.mark.parametrize("n", [1, 2, 10, 60])
def test_pieces_meet_exactly_around_the_minimiser(n):
    problem = MaxAffine.random(n, n + 5, random_state=n)
    heights = problem.A @ problem.minimiser + problem.b
    assert (heights == 0).sum() == n + 1 and heights.max() == 0
    assert not problem.A[: n + 1].sum(axis=0).any()
    assert np.linalg.matrix_rank(problem.A[:n]) == n


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_copies_have_data_of_their_own(problem):
    x = points(problem, 1)[0]
    for other in (copy.deepcopy(problem), pickle.loads(pickle.dumps(problem))):
        assert other.data != problem.data or problem.data == 0
        np.testing.assert_array_equal(other.subgradient(x), problem.subgradient(x))


def test_minimisers_that_are_not_known():
    assert np.isnan(MaxAffine([[1.0]], [0.0]).distance([2.0]))
    assert np.isnan(PhaseRetrieval([[1.0]], [2.0]).distance([2.0]))
    assert MaxAffine([[1.0]], [0.0]).minimum is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quadratic([1.0, -2.0]), r"a\[1\]=-2\.0 must be positive"),
        (lambda: Quadratic([1.0, np.nan]), r"a\[1\]=nan must be a finite"),
        (lambda: Quadratic([]), r"a has shape \(0,\)"),
        (lambda: L1Norm(0), "n=0 must be a whole number of at least 1"),
        (lambda: L1Norm(2.5), r"n=2\.5 must be a whole number"),
        (lambda: Kink(-0.5), r"ridge=-0\.5 must not be negative"),
        (lambda: Kink([0.5]), r"ridge has shape \(1,\)"),
        (lambda: MaxAffine([1.0], [1.0]), r"A has shape \(1,\); it must have 2"),
        (lambda: MaxAffine([[1.0]], [1.0, 2.0]), "b has 2 values; A has 1 rows"),
        (lambda: MaxAffine([[1.0]], [0.0], [1, 2]), "minimiser has 2 values"),
        (
            lambda: MaxAffine.random(3, 3),
            "pieces=3 must be a whole number of at least 4",
        ),
        (lambda: PhaseRetrieval([[np.inf]], [1.0]), r"A\[0, 0\]=inf"),
        (
            lambda: PhaseRetrieval.random(2, 0),
            "m=0 must be a whole number of at least 1",
        ),
        (lambda: L1Norm(2).value([1.0]), r"x has shape \(1,\); .* shape \(2,\)"),
        (lambda: L1Norm(2).subgradient(np.eye(2)), r"x has shape \(2, 2\)"),
        (lambda: L1Norm(2).subgradient([1, 2], 1), r"sample=1 of sum .* \[0, 1\)"),
        (lambda: L1Norm(2).subgradient([1, 2], -1), r"sample=-1"),
        (lambda: L1Norm(2).subgradient([1, 2], 0.5), r"sample=0\.5"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_come_on_demand():
    assert set(asynchrony.__all__) <= set(dir(asynchrony))
    for name in asynchrony.__all__:
        found = getattr(asynchrony, name)
        if inspect.isclass(found):
            assert found.__module__ == "hogblock.asynchrony"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        asynchrony.Nothing  # noqa: B018
