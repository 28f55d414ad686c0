"""Fits under a schedule: recorded, replayed, and with simulated workers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor
from hogblock.asynchrony import (
    Adversarial,
    EventDriven,
    Events,
    Geometric,
    Law,
    Recording,
    Replay,
    Scheduler,
    Uniform,
)
from hogblock.methods import PASSM, Hogwild
from hogblock.scheduling.given import kept

pytestmark = [
    pytest.mark.usefixtures("compiled"),
    pytest.mark.filterwarnings(
        "ignore:max_iter=:sklearn.exceptions.ConvergenceWarning"
    ),
]

X, Y = load_digits(return_X_y=True)
X, Y = X[:600], Y[:600]
OPTIONS = dict(
    hidden_layer_sizes=(24, 16),
    max_iter=3,
    batch_size=32,
    learning_rate="cosine",
    learning_rate_init=0.05,
    random_state=0,
)
BATCHES = 19


class Late(Scheduler):
    """Workers in turn, all with the same age."""

    def __init__(self, workers, age):
        self.workers, self.age = workers, age

    @property
    def largest_age(self):
        return self.age

    def events(self, n_events, n_cells, random):
        k = np.arange(n_events)
        ages = np.minimum(self.age, k)[:, None].repeat(n_cells, 1)
        return Events(k % self.workers, k, ages, np.zeros(n_events, int))


def fitted(**changes):
    return MLPClassifier(**OPTIONS | changes).fit(X, Y)


def assert_same(one, other):
    assert one.loss_curve_ == other.loss_curve_
    arrays = [each.coefs_ + each.intercepts_ for each in (one, other)]
    for a, b in zip(*arrays, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["sgd", "hogwild", "thinned", "passm+", "assm"])
def test_one_worker_that_is_never_late_is_sequential(method):
    """Bit for bit: the kernels see the same numbers."""
    assert_same(fitted(method=method), fitted(method=method, schedule=Late(1, 0)))


def test_one_worker_keeps_its_velocity_when_the_rate_changes():
    """Also where no judgement can end the fit, for which workers need not wait."""
    options = dict(
        method="sgd", learning_rate="invscaling", n_iter_no_change=np.inf, max_iter=4
    )
    assert_same(fitted(**options), fitted(**options, schedule=Late(1, 0)))


def test_one_worker_is_sequential_for_images_and_with_copies():
    options = dict(conv_layers=[(4, 3)], max_iter=1, random_state=0)
    options["method"] = Hogwild(reads="copy")
    images = X.reshape(-1, 8, 8)
    plain = CNNClassifier(**options).fit(images, Y)
    assert_same(plain, CNNClassifier(**options, schedule=Late(1, 0)).fit(images, Y))


@pytest.mark.parametrize(
    "method", ["hogwild", "assm", "passm", PASSM(random_blocks=2), "passm+", "thinned"]
)
def test_a_recorded_fit_is_replayed_bit_for_bit(method):
    real = fitted(method=method, n_jobs=2, schedule=Recording())
    log = real.events_
    assert len(log) == log.n_total == 3 * BATCHES and log.workers == 2
    np.testing.assert_array_equal(np.sort(log.ticket), np.arange(3 * BATCHES))
    counts = np.bincount(log.worker, minlength=2)
    np.testing.assert_array_equal(counts, real.steps_per_worker_)
    np.testing.assert_array_equal(log.writes.sum(0), real.updates_per_block_)
    ages = log.ages().clip(max=63)
    for block, histogram in enumerate(real.staleness_):
        found = np.bincount(ages[:, block], minlength=64)
        np.testing.assert_array_equal(found, histogram)
    again = [clone(real).set_params(schedule=Replay(log)).fit(X, Y) for _ in range(2)]
    assert_same(*again)
    np.testing.assert_array_equal(again[0].steps_per_worker_, real.steps_per_worker_)
    np.testing.assert_array_equal(again[0].events_.ticket, log.ticket)
    np.testing.assert_array_equal(again[0].events_.read, log.read)
    np.testing.assert_array_equal(again[0].events_.writes, log.writes)


def test_steps_that_waited_for_none_are_replayed_as_they_were():
    """With one worker what is logged is all there is: the replay is the fit itself."""
    real = fitted(schedule=Recording())
    assert_same(real, clone(real).set_params(schedule=Replay(real.events_)).fit(X, Y))
    assert_same(real, fitted())


def test_a_synchronous_fit_is_replayed_as_a_sequential_one():
    real = fitted(method="sync", n_jobs=2, schedule=Recording())
    assert not real.events_.ages().any() and len(real.events_) == 3 * BATCHES
    again = clone(real).set_params(schedule=Replay(real.events_)).fit(X, Y)
    assert_same(again, fitted(method="sgd"))
    np.testing.assert_allclose(again.loss_curve_, real.loss_curve_, rtol=1e-4)


def test_epochs_of_each_worker_are_replayed():
    method = Hogwild(epochs="worker")
    real = fitted(method=method, n_jobs=2, max_iter=2, schedule=Recording())
    assert len(real.events_) == 2 * 2 * BATCHES
    again = clone(real).set_params(schedule=Replay(real.events_)).fit(X, Y)
    np.testing.assert_array_equal(again.steps_per_worker_, [2 * BATCHES] * 2)
    assert again.n_iter_ == 2


def test_a_log_is_bounded_and_says_so():
    row = 4 * (3 + 2)  # of one block
    real = fitted(schedule=Recording(max_bytes=row * 2 * BATCHES + row - 1))
    log = real.events_
    assert (len(log), log.n_total) == (2 * BATCHES, 3 * BATCHES)
    again = clone(real).set_params(schedule=Replay(log))
    with pytest.raises(ValueError, match="ends after 38 of 57 events: ticket 38 "):
        again.fit(X, Y)
    assert again.set_params(max_iter=2).fit(X, Y).n_iter_ == 2


def test_several_workers_share_the_bound_of_a_log():
    row = 4 * (3 + 2 * 2)
    options = dict(method="hogwild", n_jobs=2, schedule=Recording(max_bytes=row * 20))
    log = fitted(**options).events_
    assert (len(log), log.n_total) == (20, 3 * BATCHES)
    assert len(set(log.ticket)) == 20


def test_a_fit_that_tol_ended_is_replayed_to_its_end():
    options = dict(learning_rate="constant", tol=10.0, n_iter_no_change=2, max_iter=50)
    real = fitted(**options, method="hogwild", n_jobs=2, schedule=Recording())
    assert real.n_iter_ < 50
    again = clone(real).set_params(schedule=Replay(real.events_)).fit(X, Y)
    assert again.n_iter_ == real.n_iter_ == len(again.loss_curve_)
    assert len(again.events_) == again.n_iter_ * BATCHES


def test_a_fit_that_is_scored_is_replayed_epoch_by_epoch():
    options = dict(method="passm", n_jobs=2, early_stopping=True)
    real = fitted(**options, schedule=Recording())
    again = [
        clone(real).set_params(schedule=Replay(real.events_)).fit(X, Y) for _ in "12"
    ]
    assert_same(*again)
    np.testing.assert_array_equal(again[0].events_.read, real.events_.read)
    assert len(again[0].validation_scores_) == 3


def test_a_late_step_reads_what_there_was():
    """Against steps by hand: momentum of its own, and gradients at older parameters."""
    rate, momentum, age = 0.05, 0.5, 3
    generator = np.random.default_rng(0)
    x = generator.standard_normal((96, 5)).astype(np.float32)
    y = (x @ generator.standard_normal(5)).astype(np.float32)
    options = dict(
        hidden_layer_sizes=(), max_iter=2, batch_size=16, shuffle=False, alpha=0.0,
        learning_rate_init=rate, momentum=momentum, nesterovs_momentum=False,
        standardize=False, random_state=0, method="hogwild", n_iter_no_change=np.inf,
    )  # fmt: skip
    start = MLPRegressor(**options | dict(learning_rate_init=1e-30)).fit(x, y)
    model = MLPRegressor(**options, schedule=Late(2, age)).fit(x, y)
    weights = np.append(start.coefs_[0][:, 0], start.intercepts_[0]).astype(float)
    history, velocity = [weights], np.zeros((2, 6))
    ones = np.column_stack([x, np.ones(96)]).astype(float)
    for k in range(12):
        rows = slice(16 * (k % 6), 16 * (k % 6 + 1))
        seen = history[max(0, k - age)]
        gradient = ones[rows].T @ (ones[rows] @ seen - y[rows]) / 16
        velocity[k % 2] = momentum * velocity[k % 2] + gradient
        history.append(history[-1] - rate * velocity[k % 2])
    found = np.append(model.coefs_[0][:, 0], model.intercepts_[0])
    np.testing.assert_allclose(found, history[-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.staleness_[0][:4], [1, 1, 1, 9])


@pytest.mark.parametrize(
    "method", ["passm", PASSM(random_blocks=2), "passm+", "thinned"]
)
def test_many_simulated_workers_train_reproducibly(method):
    one, other = (fitted(method=method, schedule=Late(8, 7)) for _ in range(2))
    assert_same(one, other)
    assert one.n_workers_ == 8 and one.steps_per_worker_.sum() == 3 * BATCHES
    assert len(one.events_) == 3 * BATCHES
    if method == "passm":
        assert not one.overlap_[:, 1:].any()  # nobody else writes a worker's block
        assert one.staleness_[:, 7].sum() == 0  # of one block, one in eight writes


SCHEDULERS = [
    Law(3, ages=Geometric(0.4, largest=9), probabilities=[0.6, 0.3, 0.1]),
    Law(5, ages=Uniform(0, 6), reads="consistent"),
    EventDriven(6, service="lognormal", straggler=(0.1, 20), read=0.5),
    Adversarial(4, age=3),
]


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("patience", [5, np.inf])
def test_every_minibatch_is_taken_once(scheduler, patience):
    """Also by stragglers, which end theirs when all others have gone home."""
    options = dict(learning_rate="constant", n_iter_no_change=patience)
    model = fitted(**options, method="hogwild", schedule=scheduler)
    tickets = model.events_.ticket
    np.testing.assert_array_equal(np.sort(tickets), np.arange(3 * BATCHES))
    assert_same(model, fitted(**options, method="hogwild", schedule=scheduler))
    assert model.staleness_.sum() == 3 * BATCHES * len(model.staleness_)


class Wrong(Late):
    """The third event is another."""

    def __init__(self, **third):
        super().__init__(2, 1)
        self.third = third

    def events(self, n_events, n_cells, random):
        events = super().events(n_events, n_cells, random)
        for name, value in self.third.items():
            getattr(events, name)[3] = value
        return events


@pytest.mark.parametrize(
    ("third", "words"),
    [
        (dict(worker=2), "worker of the events: event 3: 2 is beyond workers"),
        (dict(ages=4), "event 3, cell 0: 4 is beyond what was before"),
        (dict(ages=-1), "event 3, cell 0: -1 is negative"),
        (dict(overlap=4), "event 3: 4 is beyond what was before"),
        (dict(ticket=-2), "event 3: -2 is negative"),
        (dict(ticket=2), r"has not ended ticket \[3\]"),
    ],
)
def test_impossible_events_of_a_scheduler_are_named(third, words):
    with pytest.raises(ValueError, match=words):
        fitted(method="hogwild", schedule=Wrong(**third))


def test_owners_have_seen_their_own_writes():
    """Whatever age the schedule gives: here three times as large as can be."""
    model = fitted(method="passm", schedule=Late(3, 9))
    assert not model.overlap_[:, 1:].any()
    assert model.staleness_[:, 3:].any()  # others' blocks are as old as it says


@settings(max_examples=30)
@given(st.integers(0, 99), st.floats(0, 1))
def test_events_that_are_left_count_ages_among_themselves(seed, share):
    random = np.random.default_rng(seed)
    events = Law(2, Uniform(0, 9), overlap=2).events(40, 3, random)
    wanted = random.random(40) < share
    left = kept(events, wanted)
    np.testing.assert_array_equal(left.ticket, np.flatnonzero(wanted))
    for before, after in ((events.ages, left.ages), (events.overlap, left.overlap)):
        for k, of, now in zip(left.ticket, before[wanted], after, strict=True):
            since = [wanted[k - age : k].sum() for age in np.atleast_1d(of)]
            np.testing.assert_array_equal(np.atleast_1d(now), since)


def test_workers_meet_at_epochs_that_may_be_the_last():
    """Every epoch begins with what the one before has left: it can end there."""
    options = dict(learning_rate="constant", method="hogwild", schedule=Late(4, 3))
    model = fitted(**options, n_iter_no_change=5)
    fresh = (model.events_.ages() == 0).all(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(fresh), [0, BATCHES, 2 * BATCHES])
    open_ended = fitted(**options, n_iter_no_change=np.inf)
    fresh = (open_ended.events_.ages() == 0).all(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(fresh), [0])


def test_a_scheduled_fit_ends_where_tol_says():
    options = dict(learning_rate="constant", tol=10.0, n_iter_no_change=2, max_iter=50)
    model = fitted(**options, method="hogwild", schedule=Late(4, 3))
    assert 2 < model.n_iter_ < 50
    assert len(model.events_) == model.n_iter_ * BATCHES


def test_partial_fit_goes_on_under_a_schedule():
    model = MLPClassifier(**OPTIONS, method="hogwild", schedule=Late(4, 3))
    for _ in range(2):
        model.partial_fit(X, Y, classes=np.arange(10))
    assert len(model.events_) == BATCHES and model.n_iter_ == 2
    model.set_params(schedule=Replay(model.events_))
    with pytest.raises(ValueError, match="partial_fit cannot replay"):
        model.partial_fit(X, Y)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            dict(schedule=Late(2, 0), method="sgd"),
            "2 workers, and method='sgd' has one",
        ),
        (dict(schedule=Late(2, 0), method="sync"), "no use to method='sync'"),
        (dict(schedule=Late(2, 0), method=Hogwild(epochs="worker")), "epochs='worker'"),
        (dict(schedule=Late(500, 0)), "has 500 workers .* has 107 rows of parameters"),
        (
            dict(schedule=Law(2, overlap=1)),
            "overlap=1, and simulated workers .* at one",
        ),
        (dict(schedule="law"), "The 'schedule' parameter"),
        (dict(schedule=Recording(), device="cuda"), "on the host only.*device='cpu'"),
    ],
)
def test_what_cannot_be_scheduled_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        fitted(**changes)


def test_a_convolutional_network_is_scheduled_likewise():
    images = X.reshape(-1, 8, 8)
    options = dict(conv_layers=[(4, 3)], max_iter=2, random_state=0, method="passm")
    schedule = Law(3, ages=Uniform(0, 3))
    one, other = (
        CNNClassifier(**options, schedule=schedule).fit(images, Y) for _ in range(2)
    )
    assert_same(one, other)
    again = CNNClassifier(**options, schedule=Replay(one.events_)).fit(images, Y)
    assert_same(one, again)  # a schedule that was simulated has one order only


class Interrupted(Late):
    """Ctrl-C comes in the second epoch."""

    def events(self, n_events, n_cells, random):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return super().events(n_events, n_cells, random)


def test_an_interrupted_fit_keeps_its_whole_epochs():
    schedule = Interrupted(3, 2)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = fitted(learning_rate="constant", method="hogwild", schedule=schedule)
    assert model.n_iter_ == 1 == len(model.loss_curve_)
    assert len(model.events_) == BATCHES == model.steps_per_worker_.sum()


def test_a_fit_that_diverges_says_so():
    with pytest.raises(ValueError, match="training diverged"):
        fitted(method="hogwild", schedule=Late(4, 3), learning_rate_init=1e10)


def test_without_a_schedule_nothing_is_logged():
    assert fitted().events_ is None
