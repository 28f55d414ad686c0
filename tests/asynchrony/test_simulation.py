"""Simulations against the NumPy twin, bit for bit, and what they do not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogblock.asynchrony import (
    Adversarial,
    EventDriven,
    Events,
    Law,
    Quadratic,
    Scheduler,
    Uniform,
    simulate,
    simulation,
)
from hogblock.kernels.events import simulation as kernels
from support import naive_events as naive
from support.toy_problems import Centres

N = 5
CENTRES = np.random.default_rng(0).normal(size=(7, N))
PROBLEMS = [Quadratic(np.linspace(0.5, 2, N)), Centres(CENTRES)]
SCHEDULERS = [
    Law(3, Uniform(0, 7), [0.2, 0.3, 0.5], overlap=Uniform(0, 3)),
    Law(2, Uniform(1, 4), reads="consistent", overlap=1),
    Adversarial(3, 7),
    EventDriven(3, read=0.7, write=0.9),
    EventDriven(2, "deterministic", [1.0, 3.0], write=2.0),
]
BLOCKS = [(0, 1), (1, 3), (3, 4), (4, 5)]


def falling(t):
    return 0.2 / np.sqrt(t + 1.0)


class Own(Scheduler):
    """A scheduler from outside: what a compiled one gives, as arrays."""

    largest_age = None

    def __init__(self, inner):
        self.inner, self.workers = inner, inner.workers

    def events(self, n_events, n_cells, random):
        return self.inner.events(n_events, n_cells, random)


def assert_same_runs(one, other):
    for name, value in vars(one).items():
        if name == "owned":  # rows of different lengths
            assert value == other.owned
        elif name not in ("problem", "scheduler"):
            np.testing.assert_array_equal(value, getattr(other, name), name)


@settings(max_examples=60)
@given(
    problem=st.sampled_from(PROBLEMS),
    scheduler=st.sampled_from(SCHEDULERS),
    blocks=st.sampled_from([None, BLOCKS, 3]),
    cells=st.sampled_from(["coordinates", "blocks"]),
    ownership=st.sampled_from(["shared", "owned"]),
    update=st.sampled_from(["whole", "random"]),
    momentum=st.sampled_from([0.0, 0.6]),
    nesterov=st.booleans(),
    velocity=st.sampled_from(["private", "shared"]),
    rate=st.sampled_from([0.1, falling]),
    counter=st.sampled_from(["shared", "own"]),
    writes=st.sampled_from(["atomic", "racy"]),
    noise=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 999),
)
def test_a_run_is_its_twin_bit_for_bit(problem, scheduler, rate, seed, **options):
    n_events = 60
    run = simulate(
        problem, scheduler, n_events, rate=rate, random_state=seed, **options
    )
    deciding, *streams, starting = np.random.default_rng(seed).spawn(5)
    sizes = np.diff([0, *(stop for _, stop in run.blocks)])
    if options["cells"] == "coordinates":
        sizes = np.ones(N, int)
    events = scheduler.events(n_events, len(sizes), deciding)
    events = events._replace(ages=np.repeat(events.ages, sizes, axis=1))
    expected = naive.simulate(
        problem, list(zip(*events, strict=True)), starting.standard_normal(N), streams,
        bounds=[0, *(stop for _, stop in run.blocks)], owned=run.owned,
        own=options["ownership"] == "owned", random_block=options["update"] == "random",
        momentum=options["momentum"], nesterov=options["nesterov"],
        private=options["velocity"] == "private",
        rate=rate if callable(rate) else lambda t: rate,
        own_count=options["counter"] == "own", racy=options["writes"] == "racy",
        noise=options["noise"],
    )  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_array_equal(getattr(run, name), value, name)
    ages = expected["age_counts"]
    assert run.mean_age == pytest.approx(ages @ np.arange(len(ages)) / ages.sum())
    np.testing.assert_array_equal(run.recorded_at, np.arange(n_events + 1))
    np.testing.assert_array_equal(
        run.values, [problem.value(x) for x in run.trajectory]
    )
    assert_same_runs(
        run,
        simulate(
            problem, Own(scheduler), n_events, rate=rate, random_state=seed,
            history=run.history, **options,
        ),
    )  # fmt: skip


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_seed_decides_and_nothing_else(scheduler, monkeypatch):
    options = dict(update="random", noise=0.1, writes="racy", momentum=0.5)
    run = simulate(PROBLEMS[1], scheduler, 500, random_state=3, **options)
    assert_same_runs(
        run, simulate(PROBLEMS[1], scheduler, 500, random_state=3, **options)
    )
    generator = np.random.default_rng(3)
    given = simulate(PROBLEMS[1], scheduler, 500, random_state=generator, **options)
    assert_same_runs(run, given)
    more = simulate(PROBLEMS[1], scheduler, 500, random_state=generator, **options)
    assert not np.array_equal(more.x, run.x)  # the generator has gone on
    monkeypatch.setattr(simulation, "SLICE", 37)
    assert_same_runs(
        run, simulate(PROBLEMS[1], scheduler, 500, random_state=3, **options)
    )


def test_streams_do_not_touch_each_other():
    """Noise, blocks and samples leave the schedule as it is."""

    def ages(problem=PROBLEMS[0], **options):
        run = simulate(problem, SCHEDULERS[0], 300, random_state=0, **options)
        return run.steps_per_worker.tolist(), run.age_counts.tolist()

    assert ages() == ages(noise=1.0) == ages(update="random") == ages(PROBLEMS[1])


def test_records_do_not_change_a_run():
    runs = [
        simulate(PROBLEMS[1], SCHEDULERS[0], 100, n_records=r, random_state=0)
        for r in (2, 7, 1000)
    ]
    for run in runs:
        np.testing.assert_array_equal(run.x, runs[0].x)
        np.testing.assert_array_equal(run.trajectory[-1], run.x)
        np.testing.assert_array_equal(
            run.trajectory, runs[2].trajectory[run.recorded_at]
        )
    assert [len(run.values) for run in runs] == [2, 7, 101]
    assert runs[1].recorded_at.tolist() == [0, 17, 33, 50, 67, 83, 100]


def test_more_history_than_needed_changes_nothing():
    for scheduler in SCHEDULERS:
        run = simulate(PROBLEMS[0], scheduler, 200, random_state=0)
        more = simulate(PROBLEMS[0], scheduler, 200, history=100, random_state=0)
        np.testing.assert_array_equal(run.trajectory, more.trajectory)
        assert run.history >= run.largest_age and more.history == 100


def test_a_history_may_be_shorter_than_the_bound_if_no_age_is():
    """Only the first event, whose ages are cut off, takes place."""
    assert simulate(PROBLEMS[0], Law(1, 9), 1, history=0).largest_age == 0


def test_the_start_is_given_or_drawn():
    start = np.arange(5.0)
    run = simulate(PROBLEMS[0], Law(), 3, x0=start, rate=0.0)
    np.testing.assert_array_equal(run.trajectory, np.tile(start, (4, 1)))
    assert run.x is not start and start.tolist() == [0, 1, 2, 3, 4]
    drawn = simulate(PROBLEMS[0], Law(), 3, rate=0.0, random_state=1).x
    assert np.unique(drawn).size == 5


def test_default_blocks():
    def cut(**options):
        run = simulate(PROBLEMS[0], Law(2), 1, **options)
        return run.blocks, run.owned

    assert cut() == ([(0, 5)], [[0], [0]])
    assert cut(ownership="owned") == ([(0, 3), (3, 5)], [[0], [1]])
    assert cut(update="random")[0] == [(j, j + 1) for j in range(5)]
    assert cut(blocks=BLOCKS, ownership="owned") == (BLOCKS, [[0, 1], [2, 3]])
    assert cut(blocks=3, ownership="owned")[1] == [[0, 1], [2]]


def test_owners_read_their_own_blocks_fresh():
    run = simulate(PROBLEMS[0], Adversarial(5, 4), 1000, ownership="owned")
    assert run.own_age == 0
    # One of five coordinates is the worker's own.
    assert run.age_counts[0] == 1000 + 4 and run.age_counts[4] == 4 * 996
    alone = simulate(PROBLEMS[0], Adversarial(1, 4), 1000, ownership="owned")
    assert alone.largest_age == 0


def test_a_run_that_diverges_ends():
    run = simulate(Quadratic([1.0, 3.0]), Law(), 10_000, rate=2.0, x0=[1, 1])
    assert run.diverged and 100 < run.n_events < 1000
    assert run.recorded_at[-1] == run.n_events == run.steps_per_worker.sum()
    assert run.largest_norm == np.inf and len(run.trajectory) == len(run.values)
    np.testing.assert_array_equal(run.trajectory[-1], run.x)
    assert abs(run.x[1]) > 1e150 and run.values[0] == 2.0
    assert not simulate(Quadratic(1.0), Law(), 10_000, rate=1.9).diverged


def test_rates_are_counted_by_events_or_by_workers():
    def rate(t):
        return 1.0 / (t + 1)

    harmonic = np.cumsum(1.0 / np.arange(1, 101))
    shared = simulate(PROBLEMS[0], Adversarial(4, 0), 100, rate=rate)
    assert shared.sum_of_rates == pytest.approx(harmonic[99])
    assert (shared.first_rate, shared.last_rate) == (1.0, 0.01)
    own = simulate(PROBLEMS[0], Adversarial(4, 0), 100, rate=rate, counter="own")
    assert own.sum_of_rates == pytest.approx(4 * harmonic[24])
    assert own.sum_of_squares == pytest.approx(4 * np.sum(1 / np.arange(1, 26.0) ** 2))
    assert own.last_rate == 0.04


def test_noise_has_the_deviation_that_was_asked_for():
    """A step of rate 1 from a quadratic's x goes to minus the noise."""
    options = dict(rate=1.0, noise=0.5, random_state=0)
    run = simulate(Quadratic(np.ones(4)), Law(), 5000, **options)
    assert run.trajectory[1:].std() == pytest.approx(0.5, rel=0.05)
    assert abs(run.trajectory[1:].mean()) < 0.02


def test_gaps_count_the_beginning_and_the_end():
    class Once(Own):
        def events(self, n_events, n_cells, random):
            worker = np.zeros(n_events, np.int64)
            worker[3] = 1
            zeros = np.zeros(n_events, np.int64)
            return Events(worker, zeros, np.zeros((n_events, n_cells), int), zeros)

    run = simulate(PROBLEMS[0], Once(Law(3)), 10, ownership="owned")
    assert run.updates_per_block.tolist() == [9, 1, 0]
    assert run.longest_gap.tolist() == [2, 6, 10]
    assert run.steps_per_worker.tolist() == [9, 1, 0]


def test_it_says_what_it_is():
    text = repr(simulate(PROBLEMS[0], Law(2), 10, random_state=0))
    assert "'quadratic': 10 events by Law(workers=2" in text and len(text) < 200


def test_one_compiled_loop_serves_all():
    for problem in PROBLEMS:
        for scheduler in (*SCHEDULERS, Law(), EventDriven(1), Own(Law(2, 3))):
            for rate in (1, falling, np.float32(0.5)):
                simulate(problem, scheduler, 9, rate=rate, momentum=0, noise=1)
    assert len(kernels.simulate.signatures) == 1
