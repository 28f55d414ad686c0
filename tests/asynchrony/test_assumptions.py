"""The assumptions of convergence, judged on runs of which the answer is known."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from hogblock import MLPClassifier
from hogblock.asynchrony import (
    Adversarial,
    EventDriven,
    Law,
    PhaseRetrieval,
    Quadratic,
    Uniform,
    check_assumptions,
    simulate,
)
from hogblock.asynchrony.evidence import tail_power

NAMES = ["A1", "A2", "A3", "A4", "A5", "A6", "A7"]


def simulated(scheduler, n_events=400, n=4, **options):
    return simulate(
        Quadratic(np.ones(n)), scheduler, n_events, random_state=0, **options
    )


def verdicts(run, *data):
    return {each.name: each.holds for each in check_assumptions(run, *data)}


# Simulations ------------------------------------------------------------------------


def test_a_law_of_constant_ages_bounds_them():
    found = check_assumptions(simulated(Law(2, ages=3)))
    assert found["A1"].holds is True
    assert found["A1"].numbers["largest_age_by_block"] == [3]
    assert found["A1"].numbers["bound"] == 3
    assert 2.9 < found["A1"].numbers["mean_age_by_block"][0] < 3


def test_measured_times_bound_no_age():
    run = simulated(EventDriven(3), ownership="owned")
    found = check_assumptions(run)
    assert [found[name].holds for name in ("A1", "A6")] == [None, None]
    assert found["A1"].numbers["largest_age_by_block"] == [run.largest_age]
    assert found["A6"].numbers["longest_gap_by_block"] == run.longest_gap.tolist()
    assert str(run.largest_age) in found["A1"].words
    # Exponential times have no memory: three workers have a third each, whatever was.
    assert found["A2"].holds is True
    assert found["A2"].numbers["p_min"] == pytest.approx(1 / 3)
    assert found["A2"].numbers["smallest_share"] == min(run.updates_per_block) / 400


@pytest.mark.parametrize(
    "options", [{"service": "lognormal"}, {"straggler": (0.1, 9.0)}, {"read": 0.5}]
)
def test_other_times_promise_no_share(options):
    found = verdicts(simulated(EventDriven(3, **options), ownership="owned"))
    assert found["A2"] is None


@pytest.mark.parametrize(
    ("ownership", "ages", "holds"),
    [("owned", 3, True), ("shared", 3, False), ("shared", 0, True)],
)
def test_own_blocks_are_fresh_where_they_are_owned_or_nothing_is_late(
    ownership, ages, holds
):
    run = simulated(Law(2, ages=ages), ownership=ownership)
    found = check_assumptions(run)["A3"]
    assert found.holds is holds
    assert found.numbers == {"largest_own_age": run.own_age, "lost_updates": run.lost}
    assert ('ownership="owned" mends' in found.words) is not holds


def test_lost_updates_are_told():
    run = simulated(Adversarial(4, 6), writes="racy")
    assert run.lost > 0
    assert check_assumptions(run)["A3"].numbers["lost_updates"] == run.lost


@pytest.mark.parametrize(
    ("update", "ownership", "p_min"),
    [
        ("whole", "shared", 1.0),
        ("whole", "owned", 0.2),
        ("random", "shared", 0.25),
        ("random", "owned", 0.1),
    ],
)
def test_the_least_probability_of_a_block(update, ownership, p_min):
    law = Law(2, probabilities=[0.2, 0.8])
    run = simulated(law, 20_000, update=update, ownership=ownership, blocks=4)
    found = check_assumptions(run)["A2"]
    assert found.holds is True
    assert found.numbers["p_min"] == pytest.approx(p_min)
    assert found.numbers["smallest_share"] == pytest.approx(p_min, abs=0.02)


def test_a_block_that_nobody_writes():
    law = Law(2, probabilities=[1.0, 0.0])
    found = check_assumptions(simulated(law, ownership="owned", blocks=2))
    assert found["A2"].holds is False and "Block 1 is never" in found["A2"].words
    assert found["A2"].numbers["smallest_share"] == 0
    assert found["A6"].holds is False


def test_turns_that_are_fixed_bound_gaps():
    found = check_assumptions(simulated(Adversarial(3, 5), ownership="owned", blocks=3))
    assert (
        found["A2"].holds is None and "is 0 just after an update" in found["A2"].words
    )
    assert found["A6"].holds is True
    assert found["A2"].numbers["within"] == found["A6"].numbers["bound"] == 3
    assert found["A6"].numbers["longest_gap_by_block"] == [3, 3, 3]
    drawn = simulated(Adversarial(2, 5), ownership="owned", update="random")
    assert verdicts(drawn)["A6"] is None


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from([0.1, 0.25, 1.0, 1.5, 4.0]), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.0, 0.7]),
)
def test_fixed_times_keep_the_bounds_of_gaps_and_ages(means, write, read):
    scheduler = EventDriven(len(means), "deterministic", means, read=read, write=write)
    run = simulated(scheduler, 300, ownership="owned", blocks=4)
    found = check_assumptions(run)
    assert found["A1"].holds is found["A6"].holds is True
    assert max(run.longest_gap) <= found["A6"].numbers["bound"]
    assert run.largest_age <= found["A1"].numbers["bound"]


def test_gaussian_noise_is_unbiased_and_of_its_variance():
    found = check_assumptions(simulated(Law(), noise=0.5))["A4"]
    assert found.holds is True and "noise=0.5" in found.words
    assert found.numbers["variance"] == pytest.approx(0.25 * 4)


def test_the_variance_of_samples_is_that_at_the_last_x():
    problem = PhaseRetrieval.random(3, 20, random_state=0)
    run = simulate(problem, Law(), 50, rate=0.01, random_state=0)
    each = np.array([problem.subgradient(run.x, s) for s in range(20)])
    found = check_assumptions(run)["A4"]
    assert found.holds is True
    assert found.numbers["variance"] == pytest.approx(each.var(axis=0).sum())
    assert found.numbers["drawn_among"] == 20
    run = simulate(problem, Law(2, ages=5), 3000, rate=9.0, random_state=0)
    assert run.diverged
    found = check_assumptions(run)["A4"]
    assert found.holds is None and "see A7" in found.words


@pytest.mark.parametrize(
    ("rate", "holds", "power"),
    [
        (0.1, False, None),
        (lambda k: np.full_like(k, 0.1), False, None),
        (lambda k: 0.1 * (k + 1) ** -0.75, None, 0.75),
        (lambda k: 0.1 * (k + 1) ** -0.4, None, 0.4),
    ],
)
def test_rates_of_a_simulation(rate, holds, power):
    run = simulated(Law(), rate=rate)
    found = check_assumptions(run)["A5"]
    assert found.holds is holds
    assert found.numbers["power"] == (power and pytest.approx(power, abs=1e-6))
    assert found.numbers["sum"] == run.sum_of_rates
    assert found.numbers["sum_of_squares"] == run.sum_of_squares
    assert found.numbers["last_rate"] == run.last_rate
    assert ("outside" in found.words) is (power == 0.4)


def test_the_power_of_rates():
    k = np.arange(10_000)
    assert tail_power(5 / (k + 10) ** 0.6) == pytest.approx(0.6, abs=0.01)
    assert tail_power(np.array([1.0, 0.5])) is None
    assert tail_power(np.zeros(100)) is None


def test_a_run_that_diverged():
    run = simulated(Law(2, ages=5), 5000, rate=3.0, noise=1.0)
    assert run.diverged
    found = check_assumptions(run)
    assert found["A7"].holds is False and "diverged" in found["A7"].words
    assert found["A7"] in found.broken
    assert found["A4"].holds is True  # the noise is the same everywhere
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))


def test_a_norm_proves_nothing():
    run = simulated(Law())
    found = check_assumptions(run)["A7"]
    assert found.holds is None
    assert found.numbers == {"largest_norm": run.largest_norm, "diverged": False}


def test_how_a_simulation_reads():
    assert "one version" in check_assumptions(simulated(Law(2))).memory
    ages = Uniform(0, 3)
    for options, words in [
        ({}, "reads='inconsistent'): each of the coordinates"),
        ({"cells": "blocks"}, "each of the blocks"),
    ]:
        assert words in check_assumptions(simulated(Law(2, ages), **options)).memory
    consistent = simulated(Law(2, ages, reads="consistent"))
    assert "one version" in check_assumptions(consistent).memory


# What comes back --------------------------------------------------------------------


def small_fit():
    x = np.arange(60, dtype=np.float32).reshape(-1, 2)
    model = MLPClassifier((3,), max_iter=2, learning_rate="cosine", random_state=0)
    return model.set_params(schedule=Law(2, ages=3)).fit(x, x[:, 0] > 20)


RUNS = {
    "fit": small_fit,
    "measured": lambda: simulated(EventDriven(3), ownership="owned"),
    "law": lambda: simulated(Law(2, ages=3), n=2),
}


def test_a_sequence_by_number_and_by_name():
    found = check_assumptions(simulated(Law(2, ages=3)))
    assert [each.name for each in found] == NAMES and len(found) == 7
    assert found[0] is found["A1"] and found[-1] is found["A7"]
    assert [each.name for each in found.broken] == ["A3", "A5"]
    assert [each.name for each in found.unknown] == ["A7"]
    with pytest.raises(KeyError, match="'A8' is no assumption"):
        found["A8"]


@pytest.mark.parametrize("run", RUNS, ids=RUNS)
def test_the_text_has_everything(run):
    found = check_assumptions(RUNS[run]())
    text = str(found)
    flat = re.sub(r"\s+", " ", text)
    assert max(map(len, text.splitlines())) <= 88
    assert found.memory in flat and found.subject in flat
    for each in found:
        assert each.statement in flat and each.words in flat
        for name, value in each.numbers.items():
            values = value if isinstance(value, list) else [value]
            shown = (f"{v:.5g}" if isinstance(v, float) else str(v) for v in values)
            assert f"{name} {', '.join(shown)}" in flat
    verdict = {True: "holds", False: "BROKEN", None: "unknown"}
    for each in found:
        assert f"{each.name} {verdict[each.holds]} {each.statement}" in flat


def test_many_blocks_are_summed_up_in_the_text():
    run = simulated(Law(2), n=40, update="random")
    found = check_assumptions(run)
    updates = run.updates_per_block
    line = f"updates_by_block {updates.min()} to {updates.max()} in 40"
    assert line in re.sub(r"\s+", " ", str(found))
    assert found["A2"].numbers["updates_by_block"] == updates.tolist()


@pytest.mark.parametrize("run", RUNS, ids=RUNS)
def test_it_goes_through_json(run):
    found = check_assumptions(RUNS[run]()).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [each["name"] for each in found["assumptions"]] == NAMES


def test_it_shows_in_a_line():
    assert repr(check_assumptions(simulated(Law(2, ages=3)))) == (
        "<Assumptions: A1 holds, A2 holds, A3 BROKEN, A4 holds, A5 BROKEN, A6 holds, "
        "A7 unknown>"
    )


# What cannot be judged --------------------------------------------------------------


def test_what_is_neither():
    for wrong in (LogisticRegression(), None, Law(2)):
        with pytest.raises(TypeError, match="allowed are a Simulation and fitted"):
            check_assumptions(wrong)


def test_samples_for_a_simulation():
    with pytest.raises(ValueError, match="for estimators, and run is a Simulation"):
        check_assumptions(simulated(Law()), np.ones((3, 2)), np.ones(3))
