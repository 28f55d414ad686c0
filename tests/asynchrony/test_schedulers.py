"""Events of the schedulers: against twins, probabilities and what is known of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogblock.asynchrony import Adversarial, EventDriven, Geometric, Law, Uniform
from hogblock.scheduling import compiled
from support import naive_events as naive


def events(scheduler, n_events=40, n_cells=1, seed=0):
    return scheduler.events(n_events, n_cells, np.random.default_rng(seed))


def assert_same(found, expected):
    for one, other in zip(found, zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(one, np.array(other))


def normalised(weights):
    return np.array(weights) / np.sum(weights)


WEIGHTS = st.lists(st.integers(0, 3), min_size=1, max_size=9).filter(any)


@settings(max_examples=25)
@given(WEIGHTS, WEIGHTS, WEIGHTS, st.booleans(), st.integers(1, 4), st.integers(0, 99))
def test_a_law_draws_as_its_twin(who, ages, overlap, consistent, n_cells, seed):
    who, ages, overlap = map(normalised, (who, ages, overlap))
    reads = "consistent" if consistent else "inconsistent"
    law = Law(len(who), ages, who, reads, overlap)
    expected = naive.law(
        who, ages, overlap, law.one_age, 40, n_cells, np.random.default_rng(seed)
    )
    assert_same(events(law, 40, n_cells, seed), expected)


TIMES = st.sampled_from([0.0, 0.25, 1.5])


@settings(max_examples=25)
@given(
    st.sampled_from(["exponential", "deterministic", "lognormal"]),
    st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=1, max_size=6),
    st.sampled_from([None, (0.3, 5.0)]), TIMES, TIMES, st.booleans(),
    st.integers(1, 4), st.integers(0, 99),
)  # fmt: skip
def test_workers_take_time_as_their_twins(
    service, mean, straggler, read, write, consistent, n_cells, seed
):
    reads = "consistent" if consistent else "inconsistent"
    scheduler = EventDriven(
        len(mean), service, mean, 0.7, straggler, read, write, reads
    )
    expected = naive.by_time(
        naive.service(service, mean, 0.7, *(straggler or ())), read, write,
        consistent, len(mean), 60, n_cells, np.random.default_rng(seed),
    )  # fmt: skip
    assert_same(events(scheduler, 60, n_cells, seed), expected)


@pytest.mark.parametrize(
    "scheduler",
    [
        Law(3, Uniform(0, 5), overlap=2),
        Adversarial(3, 4),
        EventDriven(3, read=0.5, write=0.5),
    ],
)
def test_the_seed_decides_and_slices_do_not(scheduler, monkeypatch):
    whole = events(scheduler, 50, 3)
    monkeypatch.setattr(compiled, "SLICE", 7)
    assert_same(events(scheduler, 50, 3), zip(*whole, strict=True))
    if not isinstance(scheduler, Adversarial):
        assert not np.array_equal(whole.worker, events(scheduler, 50, 3, seed=1).worker)


def frequencies(values, length):
    return np.bincount(values.ravel(), minlength=length) / values.size


HISTOGRAM = [0.0, 0.5, 0.0, 0.3, 0.2]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        (Uniform(2, 5), [0, 0, 0.25, 0.25, 0.25, 0.25]),
        (Geometric(0.5, 3), np.array([8, 4, 2, 1]) / 15),
        (HISTOGRAM, HISTOGRAM),
        (3, [0, 0, 0, 1]),
    ],
)
def test_ages_of_a_law_are_as_frequent_as_they_are_likely(ages, expected):
    found = events(Law(2, ages), 5000, 4).ages[10:]
    assert found.max() == Law(2, ages).largest_age == len(expected) - 1
    # Six standard deviations of a frequency of 20,000 draws are at most 0.021.
    np.testing.assert_allclose(frequencies(found, len(expected)), expected, atol=0.022)


def test_workers_of_a_law_are_as_frequent_as_they_are_likely():
    found = events(Law(3, probabilities=[0.7, 0.0, 0.3]), 20000).worker
    np.testing.assert_allclose(frequencies(found, 3), [0.7, 0, 0.3], atol=0.02)
    equal = frequencies(events(Law(4), 20000).worker, 4)
    np.testing.assert_allclose(equal, 0.25, atol=0.02)


def test_reads_are_consistent_or_not():
    one = events(Law(2, Uniform(0, 9), reads="consistent"), 500, 5).ages
    assert (one == one[:, :1]).all() and len(np.unique(one)) == 10
    several = events(Law(2, Uniform(0, 9)), 500, 5).ages
    # Of two cells, a tenth are equal by chance.
    assert 0.02 < (several[20:, 0] == several[20:, 1]).mean() < 0.2


@pytest.mark.parametrize(
    "scheduler",
    [Law(2, 30, overlap=9), Adversarial(2, 30), EventDriven(5, read=1.0, write=1.0)],
)
def test_nothing_reaches_behind_the_beginning(scheduler):
    found = events(scheduler, 100, 3)
    k = np.arange(100)
    assert (found.ages <= k[:, None]).all() and (found.ages >= 0).all()
    assert (found.overlap <= found.ages.min(axis=1)).all() and found.overlap.any()


def test_no_write_of_a_law_overlaps_the_same_workers_last():
    found = events(Law(2, 9, overlap=9), 500)
    last = {}
    for k, (worker, overlap) in enumerate(
        zip(found.worker, found.overlap, strict=True)
    ):
        assert overlap == min(9, k - last.get(worker, 0))
        last[worker] = k + 1


def test_the_adversary_takes_workers_in_turn_and_the_oldest():
    found = events(Adversarial(3, 5), 30, 2)
    np.testing.assert_array_equal(found.worker, np.arange(30) % 3)
    np.testing.assert_array_equal(found.ages[5:], 5)
    np.testing.assert_array_equal(found.overlap[3:], 2)


@pytest.mark.parametrize("workers", [1, 2, 5, 8])
def test_equal_workers_in_step_are_all_others_behind(workers):
    scheduler = EventDriven(workers, "deterministic", 2.0)
    found = events(scheduler, 6 * workers, 2)
    np.testing.assert_array_equal(found.worker, np.arange(6 * workers) % workers)
    np.testing.assert_array_equal(found.ages[:workers, 0], np.arange(workers))
    np.testing.assert_array_equal(found.ages[workers:], workers - 1)
    np.testing.assert_array_equal(found.ticket, np.arange(6 * workers))


def test_what_is_read_later_is_younger():
    """In step: the second cell is read when all have ended, then others by number."""
    found = events(EventDriven(3, "deterministic", read=1.0, write=0.5), 12, 2)
    np.testing.assert_array_equal(found.ages[3:, 0], 2)
    np.testing.assert_array_equal(found.ages[3:, 1], np.arange(9) % 3)
    np.testing.assert_array_equal(found.overlap, np.arange(12) % 3)
    whole = EventDriven(3, "deterministic", read=1.0, write=0.5, reads="consistent")
    np.testing.assert_array_equal(events(whole, 12, 2).ages[3:], 2)


def test_a_slow_worker_is_behind():
    """Ends: worker 0 at 1, 2, ...; worker 1 at 3, 6, ..., after worker 0."""
    found = events(EventDriven(2, "deterministic", mean=[1.0, 3.0]), 12)
    assert found.worker.tolist() == [0, 0, 0, 1] * 3
    assert found.ages[:, 0].tolist() == [0, 0, 0, 3] + [1, 0, 0, 3] * 2
    assert found.ticket.tolist() == [0, 2, 3, 1, 4, 6, 7, 5, 8, 10, 11, 9]


def test_steps_are_as_many_as_their_time_allows():
    for service in ("exponential", "lognormal"):
        found = events(EventDriven(2, service, mean=[1.0, 4.0]), 20000).worker
        np.testing.assert_allclose(frequencies(found, 2), [0.8, 0.2], atol=0.03)


def test_stragglers_take_longer():
    always = EventDriven(2, "deterministic", [1.0, 0.3], straggler=(1.0, 10.0))
    assert_same(
        events(always),
        zip(*events(EventDriven(2, "deterministic", [10.0, 3.0])), strict=True),
    )
    usual = events(EventDriven(4, "deterministic"), 2000).ages
    rare = EventDriven(4, "deterministic", straggler=(0.05, 20.0))
    found = events(rare, 2000).ages
    # While one takes 20 times as long, three others take up to 20 steps each.
    assert usual.max() == 3 and 40 < found.max() <= 62
    assert (found > 19).mean() < 0.05


def test_bounds_of_ages():
    assert Law(2, Geometric(0.1, 7)).largest_age == 7
    assert Law(2, [0.5, 0.5, 0.0]).largest_age == 1
    assert Adversarial(2, 6).largest_age == 6
    assert EventDriven(2).largest_age is None
    assert EventDriven(1).largest_age == 0
    assert events(EventDriven(1, read=1.0, write=1.0), 50, 3).ages.max() == 0
