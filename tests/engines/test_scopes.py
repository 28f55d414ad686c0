"""Several workers of the host with scopes and thinning: counts, ages, learning."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hogblock import MLPClassifier
from hogblock.engines.cpu import training
from hogblock.engines.cpu.pack import tasks_of
from hogblock.engines.cpu.run import Run
from hogblock.kernels import counters as c
from hogblock.methods import ASSM, PASSM, SGD, From, Hogwild, Mixed, PASSMPlus, Sync
from hogblock.training.run_plan import make_run_plan
from support.cpu_runs import BATCHES, ROWS, make_data, settings, start

EPOCHS = 4
TURNS = EPOCHS * BATCHES
HALF = BATCHES * 2
DATA = make_data()


def fit(method, workers=2, **changes):
    chosen = settings(method, workers, **(dict(epochs=EPOCHS) | changes))
    return training.train(ROWS, DATA, chosen, start(ROWS))


def suffixes(workers):
    """Updates of each block by a step of each worker on its suffix."""
    return np.tri(workers, dtype=int).sum(axis=1)


def check_counts(result, updates, workers):
    """Of workers who each pass over all the data."""
    updates = np.asarray(updates)
    assert result.updates_per_block.tolist() == updates.tolist()
    assert result.steps_per_worker.tolist() == [TURNS] * workers
    assert result.steps == workers * TURNS
    shape = (len(updates), c.STALENESS_BINS)
    assert result.overlap.shape == result.staleness.shape == shape
    np.testing.assert_array_equal(result.overlap.sum(axis=1), updates)
    assert (result.staleness.sum(axis=1) == result.steps).all()


@pytest.mark.parametrize("thinning", [0.0, 0.8])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_suffixes_write_what_is_behind_them(workers, thinning):
    how = dict(scope="suffix", epochs="worker", thinning=thinning)
    only = PASSMPlus(alternate=False, warmup_fraction=0, **how)
    check_counts(fit(only, workers), TURNS * suffixes(workers), workers)
    in_turn = PASSMPlus(warmup_fraction=0.25, **how)
    later = TURNS - BATCHES
    # Turns are counted from the run's first: the 14th, of index 13, is a full one.
    partial = len(range(BATCHES + BATCHES % 2, TURNS, 2))
    full = BATCHES + later - partial
    updates = partial * suffixes(workers) + full * workers
    check_counts(fit(in_turn, workers), updates, workers)


def test_the_first_owner_writes_a_first_block_alone():
    """Nobody else's suffix reaches it, so no write to it is between two others."""
    method = PASSMPlus(scope="suffix", alternate=False, warmup_fraction=0)
    result = fit(method)
    assert result.updates_per_block[0] == result.steps_per_worker[0]
    assert result.updates_per_block[1] == result.steps
    assert result.overlap[0, 1:].sum() == 0


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_upper_layers_of_all_workers(workers):
    """Two epochs full, then the last two layers only."""
    method = PASSMPlus(
        scope=From(1), alternate=False, warmup_fraction=0.5, epochs="worker"
    )
    result = fit(method, workers)
    plan = make_run_plan(ROWS, DATA, settings(method, workers, epochs=EPOCHS))
    cut = ROWS.tensors[2].offset
    upper = np.array([block.start >= cut for block in plan.blocks])
    assert upper.any() and not upper.all()
    check_counts(result, workers * np.where(upper, TURNS, HALF), workers)


def test_layers_stand_still_that_no_turn_reaches():
    """The last epochs of a plan, with several workers."""
    method = PASSMPlus(scope=From(-1), alternate=False, warmup_fraction=0.5)
    before, cut = start(ROWS), ROWS.tensors[4].offset
    for workers in (1, 2):
        result = fit(method, workers, epochs=2, planned=4, trained=2)
        np.testing.assert_array_equal(result.params[:cut], before[:cut])
        assert not result.velocity[:, :cut].any()
        assert (result.params[cut:] != before[cut:]).any()
        assert result.updates_per_block[-1] == result.steps == 2 * BATCHES
        assert result.updates_per_block[0] == 0


def test_mixed_turns_of_two_workers():
    """52 turns of each: 26 of a first mix, then 26 of halves in turn."""
    halves = {"own": 0.5, From(2): 0.5}
    mix = [(0.0, {"full": 0.5, "suffix": 0.25, From(2): 0.25}), (0.5, halves)]
    method = Mixed(mix=mix, epochs="worker")
    first = method.stretches(BATCHES, EPOCHS)[0].turns[:HALF]
    taken = [first.count(s) for s in ("full", "suffix", From(2))]
    assert sum(taken) == HALF and min(taken) >= 6
    full, suffix, upper = taken
    result = fit(method)
    plan = make_run_plan(ROWS, DATA, settings(method, 2, epochs=EPOCHS))
    cut, (second,) = ROWS.tensors[4].offset, {mine.start for mine in plan.owned} - {0}
    updates = [
        2 * full + suffix * (1 + (k >= second))
        + (2 * (upper + HALF // 2) if block.start >= cut else 0) + HALF // 2
        for k, block in enumerate(plan.blocks)
    ]  # fmt: skip
    check_counts(result, updates, 2)


def test_random_blocks_of_suffixes_are_drawn_by_each_worker():
    method = PASSMPlus(
        scope="suffix", random_blocks=2, alternate=False, warmup_fraction=0,
        epochs="worker",
    )  # fmt: skip
    updates = fit(method).updates_per_block
    first, *_, last = updates
    assert last == 2 * TURNS and (np.diff(updates) > 0).all()
    assert updates[1] == TURNS  # whichever the first worker drew; the other has later
    assert 0 < first < TURNS and TURNS < updates[2] < 2 * TURNS


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_mix_of_full_steps_is_hogwild(momentum):
    mix, how = Mixed(mix=[(0, {"full": 1})]), dict(workers=1, momentum=momentum)
    found, wanted = fit(mix, **how), fit(Hogwild(), **how)
    np.testing.assert_array_equal(found.params, wanted.params)
    np.testing.assert_array_equal(found.velocity, wanted.velocity)
    assert found.losses == wanted.losses
    assert fit(mix).updates_per_block.tolist() == [TURNS] * 2


LEARNING = [
    SGD(thinning=1.0),
    Sync(thinning=1.0),
    Hogwild(thinning=1.0),
    Hogwild(atomic=True, thinning=1.0),
    Hogwild(reads="copy", thinning=1.0),
    ASSM(thinning=1.0),
    PASSM(thinning=1.0),
    PASSMPlus(scope="suffix", thinning=0.7),
    PASSMPlus(scope="suffix", reads="copy", random_blocks=2),
    PASSMPlus(scope=From(1), thinning=1.0, warmup_fraction=0.3),
    Mixed(),
    Mixed(mix=[(0, {"full": 0.4, "own": 0.3, From(1): 0.3})], thinning=0.7),
    Mixed(mix=[(0, {"full": 1}), (0.5, {From(-1): 0.5, "own": 0.5})], reads="copy"),
]


@pytest.mark.parametrize("method", LEARNING, ids=repr)
@pytest.mark.parametrize("workers", [1, 2])
def test_all_of_them_learn(method, workers):
    workers = 1 if method.one_worker else workers
    result = fit(method, workers, epochs=8)
    assert result.losses[-1] < 0.8 * result.losses[0]
    assert np.isfinite(result.params).all()
    assert result.steps == 8 * BATCHES
    np.testing.assert_array_equal(result.overlap.sum(axis=1), result.updates_per_block)
    assert (result.staleness.sum(axis=1) == result.steps).all()


def test_synchronous_workers_without_rows_have_nothing_to_thin():
    """The last minibatch has one row for two."""
    result = fit(Sync(thinning=1.0), batch=202, epochs=2)
    again = fit(Sync(thinning=1.0), batch=202, epochs=2)
    np.testing.assert_array_equal(result.params, again.params)
    assert np.isfinite(result.params).all() and result.steps == 4


def test_calls_late_in_a_plan_leave_the_lower_layers_as_they_are():
    """Of eight planned epochs two are full: partial_fit, one by one."""
    method = PASSMPlus(scope=From(1), alternate=False, warmup_fraction=0.25)
    model = MLPClassifier(
        (9, 8), method=method, max_iter=8, learning_rate="cosine", random_state=0,
        learning_rate_init=0.05, batch_size=16, n_jobs=2,
    )  # fmt: skip
    seen = []
    for _ in range(5):
        model.partial_fit(DATA.x, DATA.targets, classes=range(5))
        seen.append([weights.copy() for weights in model.coefs_])
    for call, (before, after) in enumerate(pairwise(seen), start=1):
        same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert same == [call >= 2, False, False]


@pytest.mark.parametrize(("method", "workers"), [(SGD, 1), (Sync, 2), (PASSM, 1)])
def test_thinning_is_determined_by_the_seed(method, workers):
    first, again = (fit(method(thinning=1.2), workers) for _ in range(2))
    np.testing.assert_array_equal(first.params, again.params)
    np.testing.assert_array_equal(first.velocity, again.velocity)
    assert first.losses == again.losses
    other = fit(method(thinning=1.2), workers, seed=4, shuffle=False)
    third = fit(method(thinning=1.2), workers, seed=5, shuffle=False)
    assert (other.params != third.params).any()  # by the draws alone
    assert (fit(method(), workers).params != first.params).any()


def test_the_record_counts_samples_that_went_below(monkeypatch):
    """All without thinning; with it, what probabilities add up to."""
    kept = {}
    collect = Run.poll

    def poll(self):
        kept[self.settings.method] = self.arrays["record"][:, :, c.KEPT].sum()
        seen = self.arrays["record"][:, :, c.SAMPLES].sum()
        assert kept[self.settings.method] <= seen
        return collect(self)

    monkeypatch.setattr(Run, "poll", poll)
    for method in (SGD(), SGD(thinning=0.1), SGD(thinning=2.0), SGD(thinning=4.0)):
        fit(method)
    none, little, some, much = kept.values()
    samples = EPOCHS * len(DATA.x)
    assert none == samples
    assert samples == little > some > much  # a tenth is not worth it
    assert some == pytest.approx(samples / 2, rel=0.1)
    assert much == pytest.approx(samples / 4, rel=0.1)


def test_every_worker_has_the_plans_of_its_own_scopes():
    mix = [(0, {"full": 0.25, "own": 0.25, "suffix": 0.25, From(1): 0.25})]
    chosen = settings(Mixed(mix=mix, thinning=0.5), 3)
    plan = make_run_plan(ROWS, DATA, chosen)
    for task, numbers in zip(tasks_of(plan), plan.numbers, strict=True):
        assert len(task.plans.ops) == len(numbers) == 4
        np.testing.assert_array_equal(task.plans.writes, plan.writes[numbers])
        for tensors, number in zip(task.plans.tensors, numbers, strict=True):
            updated = tensors[tensors[:, 1] > 0]
            np.testing.assert_array_equal(updated, plan.plans[number].updated)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, random_state=0, stratify=y)


def score(digits, method, n_jobs):
    X, X_test, y, y_test = digits
    model = MLPClassifier(
        (64, 32), method=method, n_jobs=n_jobs, max_iter=25, learning_rate="cosine",
        batch_size=16, learning_rate_init=0.01, random_state=0,
    )  # fmt: skip
    return model.fit(X, y).score(X_test, y_test)


@pytest.mark.parametrize("n_jobs", [4, 8])
def test_many_workers_reach_the_accuracy_of_one(digits, n_jobs):
    """Suffixes, in turn with full steps or not, and some of the samples going below."""
    wanted = score(digits, "sgd", 1)
    assert wanted > 0.95
    method = PASSMPlus(scope="suffix", thinning=1.0)
    for scoped in (method, replace(method, alternate=False)):
        assert score(digits, scoped, n_jobs) > wanted - 0.03
