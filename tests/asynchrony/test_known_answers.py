"""What is known of the model: sequential steps, stability, kinks, lost updates."""

import numpy as np
import pytest

from hogblock.asynchrony import (
    Adversarial,
    EventDriven,
    Law,
    Quadratic,
    Uniform,
    simulate,
    stability_limit,
)
from support import naive_events as naive
from support.kink_problems import AbsoluteValue, Kink, L1Norm
from support.toy_problems import Centres

A = np.array([0.3, 1.0, 1.7])
START = np.array([1.0, -2.0, 0.7])
AGES = (0, 1, 2, 4, 5, 8, 10)
MOMENTA = (0.0, 0.5, 0.9)


def kink_gradient(x):
    side = np.sign(x[0] - x[1])
    return np.array([side, -side]) + 2 * 0.1 * x


# One worker is sequential


@pytest.mark.parametrize(
    "scheduler",
    [
        Law(),
        Law(reads="consistent"),
        Adversarial(1, 0),
        EventDriven(1, read=0.5, write=0.5, straggler=(0.5, 3.0)),
    ],
)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_one_worker_without_delay_is_sequential_sgd(scheduler, momentum, nesterov):
    cases = [(Quadratic(A), lambda x: A * x, START), (Kink(), kink_gradient, START[:2])]
    for problem, gradient, x0 in cases:
        for options in ({}, {"ownership": "owned", "writes": "racy", "blocks": 2}):
            run = simulate(
                problem, scheduler, 300, x0=x0, momentum=momentum, nesterov=nesterov,
                rate=lambda t: 0.3 / np.sqrt(t + 1), velocity="shared", **options,
            )  # fmt: skip
            rates = 0.3 / np.sqrt(np.arange(300.0) + 1)
            expected = naive.sgd(gradient, x0, rates, momentum, nesterov)
            np.testing.assert_array_equal(run.trajectory, expected)


# Limits of stability


def falls(rate, age, momentum, nesterov, factor):
    """Whether x falls by the factor, or more, in 1000 events."""
    run = simulate(
        Quadratic(1.0), Adversarial(1, age), 4000, x0=[1.0], rate=rate, n_records=401,
        momentum=momentum, nesterov=nesterov,
    )  # fmt: skip
    if run.diverged:
        return False
    size = np.abs(run.trajectory[:, 0])
    before, after = size[100:300].max(), size[200:].max()
    return after < factor * before or after == 0


def measured_limit(age, momentum, nesterov=False, factor=1.0):
    """Largest rate with which x falls, by bisection."""
    low, high = 0.0, 4.0
    while high - low > 0.004 * high:
        middle = (low + high) / 2
        if falls(middle, age, momentum, nesterov, factor):
            low = middle
        else:
            high = middle
    return (low + high) / 2


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", MOMENTA)
def test_the_model_is_stable_as_far_as_theory_says(momentum, nesterov):
    measured = [measured_limit(age, momentum, nesterov) for age in AGES]
    theory = [stability_limit(age, momentum, nesterov) for age in AGES]
    np.testing.assert_allclose(measured, theory, rtol=0.005)
    assert (np.diff(theory) < 0).all()


def test_the_limit_without_momentum_has_a_closed_form():
    ages = np.arange(41)
    closed = 2 * np.sin(np.pi / (2 * (2 * ages + 1)))
    limits = [stability_limit(age) for age in range(41)]
    np.testing.assert_allclose(limits, closed, rtol=1e-9)
    np.testing.assert_allclose(
        [stability_limit(age) for age in (0, 1, 2, 5, 10)],
        [2, 1, 0.618, 0.2846, 0.1495], rtol=3e-4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("momentum", "published"),
    [
        (0.0, [2.0, 1.000, 0.616, 0.345, 0.182]),
        (0.5, [3.0, 0.498, 0.279, 0.154, 0.084]),
        (0.9, [3.8, 0.098, 0.050, 0.0258, 0.0135]),
    ],
)
def test_limits_that_were_found_by_runs(momentum, published):
    """They are of runs that fall by e in 1000 events: up to 3.2% below the limit."""
    ages = (0, 1, 2, 4, 8)
    measured = [measured_limit(age, momentum, factor=np.exp(-1)) for age in ages]
    np.testing.assert_allclose(measured, published, rtol=0.015)
    theory = np.array([stability_limit(age, momentum) for age in ages])
    assert (published <= 1.001 * theory).all()
    np.testing.assert_allclose(published, theory, rtol=0.033)


def test_exact_limits_with_momentum():
    for m in (0.0, 0.3, 0.5, 0.9):
        assert stability_limit(0, m) == pytest.approx(2 * (1 + m))
        assert stability_limit(1, m) == pytest.approx(1 - m)
        nesterov = (2 + 2 * m) / (1 + 2 * m)  # the root at -1
        assert stability_limit(0, m, nesterov=True) == pytest.approx(nesterov)


# Kinks


SCHEDULERS = [
    Law(4, Uniform(0, 8)),
    Law(2, [0.5, 0.3, 0.2], reads="consistent"),
    Adversarial(4, 8),
    EventDriven(4, read=0.3, write=0.5),
]


def by_count(t):
    return 1 / (t + 1)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_falling_steps_end_in_the_kink_of_absolute_values(scheduler, momentum):
    options = dict(rate=by_count, momentum=momentum, random_state=0)
    run = simulate(AbsoluteValue(), scheduler, 20_000, x0=[3.0], **options)
    several = simulate(L1Norm(6), scheduler, 20_000, **options)
    owned = simulate(
        L1Norm(6), scheduler, 20_000, ownership="owned", counter="own", **options
    )
    for each in (run, several, owned):
        assert np.abs(each.trajectory[0]).max() > 1
        assert np.abs(each.x).max() < 0.005


def on_the_kink(t):
    return 0.5 / (t + 10) ** 0.75


def drifting(scheduler, **options):
    """Mean of two coordinates at events 200, 2000, 20000, and how far they differ."""
    run = simulate(
        Kink(), scheduler, 20_000, x0=[2.0, 1.0], rate=on_the_kink, n_records=20_001,
        **options,
    )  # fmt: skip
    at = [200, 2_000, 20_000]
    late = run.trajectory[2_000:]
    return run.trajectory[at].mean(axis=1), np.abs(late[:, 0] - late[:, 1]).max()


@pytest.mark.parametrize(
    "scheduler", [Law(2), Law(2, Uniform(0, 8)), Adversarial(2, 8), EventDriven(2)]
)
def test_a_worker_a_coordinate_drifts_along_a_kink(scheduler):
    means, off = drifting(scheduler, ownership="owned", random_state=0)
    assert 0 < means[2] < 0.7 * means[1]
    assert off < 0.02 < means[2] / 5


def test_the_drift_along_a_kink_is_that_of_the_ridge():
    """Without delay: dm = -rate m ridge an event, which moves one coordinate of two."""
    means = [drifting(Law(2), ownership="owned", random_state=s)[0] for s in range(10)]
    way = 0.1 * on_the_kink(np.arange(2_000.0, 20_000)).sum()
    _, before, after = np.mean(means, axis=0)
    assert after == pytest.approx(before * np.exp(-way), abs=0.04)
    assert before * (1 - np.exp(-way)) > 0.3


def test_workers_in_turn_stay_where_nothing_is_stationary():
    """Each sees its own side of the kink at every turn: their steps cancel for ever."""
    means, off = drifting(Adversarial(2, 0), ownership="owned")
    assert means[2] == pytest.approx(means[1], rel=0.01) and means[2] > 0.9
    assert off < 0.005
    # The shortest subgradient there is the ridge's: the kink's may be anything.
    assert 0.2 * means[2] > 0.1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_unequal_rates_of_blocks_have_the_same_limit(momentum):
    centres = np.random.default_rng(1).normal(size=(20, 4))
    problem, limit = Centres(centres), centres.mean(axis=0)
    for share, scheduler in (
        (0.5, Law(2, Uniform(0, 4))),
        (0.9, Law(2, Uniform(0, 4), [0.9, 0.1])),
        (0.9, EventDriven(2, mean=[1.0, 9.0])),
    ):
        run = simulate(
            problem, scheduler, 40_000, x0=[3, 3, 3, 3], momentum=momentum,
            ownership="owned", random_state=0,
            rate=lambda t: (1 - momentum) / (t + 20) ** 0.7,
        )  # fmt: skip
        assert run.updates_per_block[0] / run.n_events == pytest.approx(share, abs=0.02)
        assert np.abs(run.x - limit).max() < 0.06
        assert problem.distance(run.trajectory[0]) > 5


# Lost updates

FAR = np.full(4, 1e6)  # of |x|: every step is the rate, a power of 2, and exact


def far(scheduler, n_events=4000, **options):
    return simulate(
        L1Norm(4), scheduler, n_events, x0=FAR, rate=0.25, random_state=0, **options
    )


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_writers_in_step_lose_all_but_the_last(workers):
    """All write at once: the write that ends last keeps nothing of the others'."""
    scheduler = EventDriven(workers, "deterministic", write=1.0)
    run = far(scheduler, n_events=60 * workers, writes="racy")
    np.testing.assert_array_equal(run.applied, -0.25 * 60)
    np.testing.assert_array_equal(run.issued, -0.25 * 60 * workers)
    assert run.lost == 4 * 60 * (workers - 1)


@pytest.mark.parametrize(
    "scheduler",
    [
        EventDriven(4, write=0.5),
        Adversarial(3, 4),
        Law(4, Uniform(2, 6), overlap=Uniform(0, 2)),
    ],
)
@pytest.mark.parametrize("update", ["whole", "random"])
def test_what_is_not_applied_was_lost(scheduler, update):
    racy = far(scheduler, writes="racy", update=update, blocks=2)
    assert racy.lost > 0.02 * 4000
    assert (racy.applied - racy.issued).sum() == 0.25 * racy.lost
    assert (np.abs(racy.applied) < np.abs(racy.issued)).all()

    atomic = far(scheduler, writes="atomic", update=update, blocks=2)
    np.testing.assert_array_equal(atomic.applied, atomic.issued)
    np.testing.assert_array_equal(atomic.issued, racy.issued)
    assert atomic.lost == 0


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_owners_lose_nothing(momentum):
    """To the last bit, where steps are rounded too."""
    run = simulate(
        Quadratic(np.linspace(0.1, 1, 8)), EventDriven(4, write=0.5), 4000, noise=1.0,
        rate=0.01, writes="racy", ownership="owned", momentum=momentum, random_state=0,
    )  # fmt: skip
    np.testing.assert_array_equal(run.applied, run.issued)
    assert run.lost == run.own_age == 0 and run.largest_age > 4
