"""The assumptions of convergence, judged on fits of which the answer is known."""

import warnings
from copy import copy

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from hogblock import MLPClassifier, methods, schedules
from hogblock.asynchrony import (
    EventLog,
    Law,
    Recording,
    Replay,
    Uniform,
    check_assumptions,
)
from hogblock.asynchrony.fitted_evidence import gaps_of, longest_without_full

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


HALF = {"full": 0.5, "own": 0.5}


def fitted(**options):
    values = dict(max_iter=3, batch_size=4, random_state=0, learning_rate="cosine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MLPClassifier((4,), **values | options).fit(X, Y)


@pytest.fixture(scope="module")
def alone():
    """One worker, by defaults but for the power."""
    return fitted(learning_rate="invscaling", power_t=0.75, n_iter_no_change=99)


@pytest.fixture(scope="module")
def owners():
    """Two processes that own their blocks, recorded."""
    model = fitted(method="passm", n_jobs=2, schedule=Recording())
    assert model.n_workers_ == 2
    return model


def test_one_worker_by_a_power_meets_all_that_can_be_met(alone):
    found = check_assumptions(alone)
    assert [each.holds for each in found] == [True, True, True, None, True, True, None]
    assert found.broken == [] and [a.name for a in found.unknown] == ["A4", "A7"]
    assert found["A5"].numbers["first_rate"] == pytest.approx(0.01)
    # 3 epochs of 60 steps; the power is of the samples seen.
    rates = 0.01 * np.repeat([1, 241**-0.75, 481**-0.75], 60)
    assert found["A5"].numbers["sum"] == pytest.approx(rates.sum(), rel=1e-5)
    assert found["A5"].numbers["sum_of_squares"] == pytest.approx(rates @ rates)
    norm = np.linalg.norm(alone._params)
    assert found["A7"].numbers["largest_norm"] == pytest.approx(norm, rel=1e-6)


def test_owners_of_blocks_read_their_own_fresh(owners):
    found = check_assumptions(owners)
    log = owners.events_
    assert found["A3"].holds is True and found["A3"].numbers["largest_own_age"] == 0
    assert found["A1"].holds is None and found["A6"].holds is None
    # On a busy machine one of them may have done all that little there was.
    starved = min(owners.updates_per_block_) == 0
    assert found["A2"].holds is (False if starved else None)
    delays = log.delays()
    assert found["A1"].numbers["largest_age_by_block"] == delays.max(axis=0).tolist()
    assert found["A1"].numbers["unit"] == "events"
    assert found["A6"].numbers["longest_gap_by_block"] == gaps_of(log)
    assert sum(found["A2"].numbers["updates_by_block"]) == len(log) == 180
    assert 'reads="copy" has one' in found.memory


def test_ages_of_a_histogram(alone):
    model = fitted()
    model.n_workers_, model.method = 2, "hogwild"
    model.staleness_ = np.zeros((2, 64), np.int64)
    model.staleness_[0, [0, 2]], model.staleness_[1, [1, 63]] = [6, 2], [4, 4]
    model.updates_per_block_ = np.array([8, 8])
    model.overlap_ = model.staleness_
    found = check_assumptions(model)
    numbers = found["A1"].numbers
    assert found["A1"].holds is None
    assert numbers["largest_age_by_block"] == [2, 63]
    assert numbers["mean_age_by_block"] == [0.5, 32.0]
    assert numbers["largest_is_or_more"] and "63 or more" in found["A1"].words
    assert found["A3"].holds is False and found["A3"].numbers["largest_own_age"] == 63
    assert 'method="passm" mends' in found["A3"].words


@pytest.mark.parametrize(
    ("method", "fresh", "p_min", "within"),
    [
        ("hogwild", False, 1.0, 1),
        ("thinned", False, 1.0, 1),
        ("assm", False, 1.0, 1),
        ("passm", True, 1 / 3, None),
        (methods.PASSM(random_blocks=2), True, 1 / 6, None),
        # An own turn of each of three workers, then a full one.
        (methods.PASSMPlus(), False, None, 3 * 1 + 1),
        (methods.PASSMPlus(alternate=False), False, None, None),
        (methods.PASSMPlus(warmup_fraction=1), False, 1.0, 1),
        (methods.PASSMPlus(warmup_fraction=0, alternate=False), True, 1 / 3, None),
        (methods.Mixed(mix=((0, {"full": 0.25, "own": 0.75}),)), False, None, 10),
        (methods.PASSMPlus(scope="suffix"), False, None, 4),
        # Three own turns at most, and one more where the stretches meet.
        (
            methods.Mixed(mix=((0, {"full": 0.25, "own": 0.75}), (0.5, HALF))),
            False,
            None,
            13,
        ),
    ],
    ids=repr,
)
def test_methods_by_a_law(method, fresh, p_min, within):
    model = fitted(method=method, schedule=Law(3, ages=Uniform(0, 4)), max_iter=4)
    found = check_assumptions(model)
    assert found["A1"].holds is True and found["A1"].numbers["bound"] == 4
    assert max(found["A1"].numbers["largest_age_by_block"]) <= 4
    assert found["A3"].holds is fresh
    assert found["A2"].numbers["p_min"] == (p_min and pytest.approx(p_min))
    assert found["A2"].numbers["within"] == within
    assert found["A2"].holds is (True if p_min else None)
    assert found["A6"].holds is (True if within else None)
    if within:
        assert max(found["A6"].numbers["longest_gap_by_block"]) <= within
    assert "Scheduled reads" in found.memory


def test_turns_come_again():
    assert longest_without_full(("own", "full", "suffix", "own")) == 3
    assert longest_without_full(("full",)) == 0


def test_owners_that_met_all_the_same(owners):
    met = copy(owners)
    met.overlap_ = owners.overlap_.copy()
    met.overlap_[0, 2] += 1
    found = check_assumptions(met)["A3"]
    assert found.holds is False and "up to 2" in found.words


def test_a_replayed_log_bounds_nothing(owners):
    model = fitted(method="passm", schedule=Replay(owners.events_))
    found = check_assumptions(model)["A1"]
    assert found.holds is None and "replayed log bounds no age" in found.words


def test_workers_that_wait_for_each_other():
    found = check_assumptions(fitted(method="sync", n_jobs=2))
    assert [found[name].holds for name in ("A1", "A2", "A3", "A6")] == [True] * 4
    assert "barrier of 'sync'" in found["A1"].words
    assert "one version" in found.memory


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ({"learning_rate": "constant"}, False),
        ({"learning_rate": "adaptive"}, False),
        ({"learning_rate": "step"}, False),
        ({"learning_rate": "cosine"}, False),
        ({"learning_rate": "invscaling", "power_t": 0.5}, False),
        ({"learning_rate": "invscaling", "power_t": 1.0}, True),
        ({"learning_rate": "invscaling", "power_t": 1.2}, False),
    ],
)
def test_rates_of_a_fit(options, holds):
    found = check_assumptions(fitted(**options, n_iter_no_change=99))["A5"]
    assert found.holds is holds
    assert options["learning_rate"] in found.words
    assert found.numbers["first_rate"] > 0


class Rooted(schedules.Schedule):
    """A rule of somebody else."""

    def factors(self, epoch, epochs, samples, power):
        return (epoch + 1) ** -0.6


def test_a_rule_of_somebody_else_is_fitted():
    found = check_assumptions(fitted(learning_rate=Rooted(), max_iter=20, tol=0))["A5"]
    assert found.holds is None and "Rooted looks like" in found.words
    assert 0.4 < found.numbers["power"] < 0.6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "thinned"}, "adds variance, no bias"),
        ({"dropout": 0.5}, "Dropout is drawn anew"),
    ],
)
def test_what_else_is_random(options, words):
    found = check_assumptions(fitted(**options))["A4"]
    assert found.holds is None and words in found.words
    assert "without replacement" in found.words


def test_samples_in_order_are_biased():
    found = check_assumptions(fitted(shuffle=False))["A4"]
    assert found.holds is False and "shuffle=True" in found.words


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_step_of_all_samples_draws_nothing(shuffle):
    model = fitted(batch_size=len(X), shuffle=shuffle, method="sgd")
    assert check_assumptions(model)["A4"].holds is True


def test_the_variance_of_minibatches(alone):
    found = check_assumptions(alone, X, Y)["A4"]
    assert found.numbers["drawn_among"] == 60
    whole = check_assumptions(fitted(batch_size=240), X, Y)["A4"]
    assert whole.numbers["variance"] == pytest.approx(0, abs=1e-12)
    assert found.numbers["variance"] > 1e-4
    dropped = check_assumptions(fitted(dropout=0.5), X, Y)["A4"]
    assert dropped.numbers["variance"] is None
    assert "dropout changes the minibatches" in dropped.words


def test_gaps_of_a_log():
    writes = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [1, 0]], bool)
    counts = np.cumsum(writes, axis=0) - writes
    log = EventLog(
        np.zeros(5, np.int32), np.arange(5), counts, counts, writes, 1,
        ((0, 1), (1, 2)), 5,
    )  # fmt: skip
    assert gaps_of(log) == [2, 3]


def test_an_estimator_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        check_assumptions(MLPClassifier())


def test_samples_that_do_not_belong(alone):
    with pytest.raises(ValueError, match="y=None: X and y are given together"):
        check_assumptions(alone, X)
    with pytest.raises(ValueError, match="X=None: X and y"):
        check_assumptions(alone, y=Y)
    with pytest.raises(ValueError, match="features"):
        check_assumptions(alone, X[:, :2], Y)
