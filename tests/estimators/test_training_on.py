"""Training on: partial_fit, warm_start=True, and what they carry over or refuse."""

import copy
import pickle

import numpy as np
import pytest
from sklearn import datasets
from sklearn.neural_network import MLPClassifier as SklearnClassifier

from hogblock import (
    Augmentation,
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    methods,
    schedules,
)
from hogblock.models import Conv2D, Dense, Dropout, Flatten, Network

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(180, 7))
Y = (X @ RANDOM.normal(size=(7, 3))).argmax(1)
IMAGES = RANDOM.normal(size=(60, 8, 6))
OF_IMAGES = (IMAGES.mean(axis=(1, 2)) > 0).astype(int)
SHARED = dict(
    hidden_layer_sizes=(9,),
    alpha=0.003,
    batch_size=25,
    learning_rate_init=0.05,
    shuffle=False,
    random_state=3,
)
CHUNKS = [slice(0, 40), slice(40, 140), slice(140, 170), slice(0, 180), slice(20, 90)]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def ours(**changes):
    return MLPClassifier(**(SHARED | dict(method="sgd", standardize=False) | changes))


def theirs(**changes):
    return SklearnClassifier(**(SHARED | dict(solver="sgd") | changes))


def assert_same_weights(one, other, atol=2e-5):
    for a, b in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def steps_of(model, x=X, y=Y, calls=1, **options):
    """How far the weights move in each of so many calls of partial_fit."""
    moved = []
    for _ in range(calls):
        before = getattr(model, "coefs_", None)
        model.partial_fit(x, y, **options)
        if before is not None:
            moved.append(distance(before, model.coefs_))
    return moved


def distance(one, other):
    """Largest difference of two lists of weights."""
    return max(np.abs(a - b).max() for a, b in zip(one, other, strict=True))


# Schedules that follow what was trained ------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("learning_rate", ["invscaling", "adaptive"])
def test_a_fit_takes_scikit_learns_steps_when_the_rate_changes(
    learning_rate, nesterov, momentum
):
    changes = dict(
        learning_rate=learning_rate,
        momentum=momentum,
        nesterovs_momentum=nesterov,
        max_iter=12,
        tol=0.02,
        n_iter_no_change=1,
    )
    got, wanted = ours(**changes).fit(X, Y), theirs(**changes).fit(X, Y)
    assert got.n_iter_ == wanted.n_iter_
    assert_same_weights(got, wanted)


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_partial_fit_takes_scikit_learns_steps(learning_rate):
    """Chunks of any size: rates go by the samples and the losses of all calls."""
    changes = dict(learning_rate=learning_rate, tol=0.2, n_iter_no_change=1)
    got, wanted = ours(**changes), theirs(**changes)
    for _ in range(3):
        for chunk in CHUNKS:
            got.partial_fit(X[chunk], Y[chunk], classes=range(3))
            wanted.partial_fit(X[chunk], Y[chunk], classes=range(3))
    assert got.t_ == wanted.t_ and got.n_iter_ == len(wanted.loss_curve_) == 15
    assert_same_weights(got, wanted)


def test_adaptive_rate_falls_over_calls_of_partial_fit():
    model = ours(learning_rate="adaptive", tol=10.0, n_iter_no_change=1, momentum=0.0)
    moved = steps_of(model, calls=9, classes=range(3))
    # Two calls without an improvement by tol divide the rate by 5.
    assert moved[0] > 4 * moved[2] > 16 * moved[4]


def test_warm_start_goes_on_with_invscaling():
    whole = ours(learning_rate="invscaling", max_iter=6, momentum=0.0).fit(X, Y)
    model = ours(learning_rate="invscaling", max_iter=3, momentum=0.0, warm_start=True)
    model.fit(X, Y).fit(X, Y)
    np.testing.assert_allclose(model.loss_curve_, whole.loss_curve_, rtol=1e-5)
    assert_same_weights(model, whole)


def test_warm_start_counts_as_scikit_learn_does():
    got, wanted = (kind(max_iter=4, warm_start=True) for kind in (ours, theirs))
    for _ in range(3):
        got.fit(X, Y)
        wanted.fit(X, Y)
    assert (got.n_iter_, got.t_) == (wanted.n_iter_, wanted.t_) == (4, 12 * len(X))
    np.testing.assert_allclose(got.loss_curve_, wanted.loss_curve_, rtol=5e-3)
    assert got.best_loss_ == min(got.loss_curve_)


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_planned_schedules_are_planned_over_max_iter_calls(schedule):
    changes = dict(learning_rate=schedule, max_iter=5, momentum=0.0)
    whole = ours(**changes).fit(X, Y)
    model = ours(**changes)
    for _ in range(5):
        model.partial_fit(X, Y, classes=range(3))
    assert_same_weights(model, whole)


def test_a_plan_that_is_over_is_said():
    model = ours(learning_rate="cosine", max_iter=2)
    steps_of(model, calls=2, classes=range(3))
    with pytest.warns(UserWarning, match="max_iter=2") as caught:
        assert steps_of(model) == [0.0]
    assert caught[0].filename == __file__
    model.set_params(max_iter=6)
    assert steps_of(model)[0] > 0
    late = ours(learning_rate="step", max_iter=2, momentum=0.0)
    moved = steps_of(late, calls=5, classes=range(3))
    assert moved[-1] > 0.5 * moved[1] > 0


def test_warm_start_plans_anew():
    model = ours(learning_rate="cosine", max_iter=3, warm_start=True).fit(X, Y)
    before = model.coefs_
    assert distance(before, model.fit(X, Y).coefs_) > 0.01


# passm+ follows what was trained --------------------------------------------------


def starts(method, batches=10, **of_run):
    return [(p.start, p.turns) for p in method.stretches(batches, **of_run)]


FULL, TURNS = ("full",), ("own", "full")


def test_warm_up_of_passm_plus_ends_where_the_model_is():
    method = methods.PASSMPlus()
    assert starts(method, epochs=20) == [(0, FULL), (20, TURNS)]
    assert starts(method, epochs=20, trained=1) == [(0, FULL), (10, TURNS)]
    assert starts(method, epochs=20, trained=2) == [(0, TURNS)]
    assert starts(method, epochs=20, trained=7) == [(0, TURNS)]


def test_switches_of_passm_plus_count_since_the_model_began():
    method = methods.PASSMPlus(switch_epochs=(1, 3))
    assert starts(method, epochs=9) == [(0, FULL), (10, TURNS), (30, FULL)]
    assert starts(method, epochs=9, trained=1) == [(0, TURNS), (20, FULL)]
    assert starts(method, epochs=9, trained=2) == [(0, TURNS), (10, FULL)]
    assert starts(method, epochs=9, trained=3) == [(0, FULL)]


def updates_missed(model):
    """Steps that did not write the least written block: own steps of the others."""
    return int(model.steps_per_worker_.sum() - model.updates_per_block_.min())


def test_passm_plus_leaves_its_warm_up_behind():
    x, y = datasets.load_digits(return_X_y=True)
    own_steps = methods.PASSMPlus(alternate=False)
    short = MLPClassifier(
        method=own_steps, n_jobs=2, tol=10.0, n_iter_no_change=3, random_state=0
    ).fit(x, y)
    # Warm-up of a tenth of max_iter=200 would have been longer than the run.
    assert short.n_iter_ < 10
    assert updates_missed(short) > 0.2 * short.steps_per_worker_.sum()
    model = MLPClassifier(method=own_steps, n_jobs=2, max_iter=10, random_state=0)
    model.partial_fit(x, y, classes=range(10))
    before = updates_missed(model)
    model.partial_fit(x, y)
    model.partial_fit(x, y)
    assert updates_missed(model) - before > 0.2 * 2 * len(x) / 64


# What is carried over -------------------------------------------------------------


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_momentum_survives_another_number_of_workers(first, then):
    x, y = np.tile(X, (3, 1)), np.tile(Y, 3)
    model = MLPClassifier(n_jobs=first, method="hogwild", random_state=0)
    for _ in range(3):
        model.partial_fit(x, y, classes=range(3))
    model.set_params(n_jobs=then, learning_rate_init=1e-6)
    assert model.n_workers_ == first
    # A fit begins at rest, whatever it starts from.
    cold = copy.deepcopy(model).set_params(warm_start=True, max_iter=1).fit(x, y)
    at_rest = distance(model.coefs_, cold.coefs_)
    assert steps_of(model, x, y)[0] > 1.5 * at_rest
    assert model.n_workers_ == then


def test_a_new_random_state_is_used():
    model = MLPClassifier(random_state=0, learning_rate_init=0.1)
    model.partial_fit(X, Y, classes=range(3))
    losses = []
    for seed in (0, 1, 1):
        other = pickle.loads(pickle.dumps(model)).set_params(random_state=seed)
        losses.append(other.partial_fit(X, Y).loss_curve_[-1])
    assert losses[0] != losses[1] == losses[2]


# Options that may not change, and those that may ------------------------------------


def images(**changes):
    return CNNClassifier(((3, 3),), 2, (5,), max_iter=2, random_state=0, **changes)


def layers(units=4, activation="relu", *more):
    return Network(
        [Conv2D(2, 3, activation=activation), *more, Flatten(), Dense(units), Dense(1)],
        (8, 6, 1),
    )


def fits(model, x, y):
    return [model.set_params(warm_start=True).fit, model.partial_fit]


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (MLPClassifier((9,), max_iter=2), dict(hidden_layer_sizes=(9, 9))),
        (MLPClassifier((9,), max_iter=2), dict(hidden_layer_sizes=8)),
        (MLPClassifier((9,), max_iter=2), dict(activation="tanh")),
        (MLPClassifier((9,), max_iter=2), dict(standardize=False)),
        (MLPRegressor((9,), max_iter=2), dict(activation="tanh")),
        (MLPRegressor((9,), max_iter=2), dict(standardize=False)),
        (images(), dict(conv_layers=((4, 3),))),
        (images(), dict(pool_size=1)),
        (images(), dict(hidden_layer_sizes=(6,))),
        (images(), dict(activation="tanh")),
        (images(), dict(standardize=False)),
        (images(image_shape=(8, 6)), dict(image_shape=(6, 8))),
        (NetworkClassifier(layers(), max_iter=2), dict(network=layers(5))),
        (NetworkClassifier(layers(), max_iter=2), dict(network=layers(4, "tanh"))),
        (
            NetworkClassifier(lambda shape, n: layers(), max_iter=2),
            dict(network=lambda shape, n: layers(3)),
        ),
    ],
    ids=lambda value: "" if not isinstance(value, dict) else "-".join(value),
)
def test_a_model_that_trains_on_keeps_its_network(model, change):
    flat = hasattr(model, "image_shape") and model.image_shape is not None
    rows = IMAGES.reshape(60, -1)
    x, y = (X, Y) if "MLP" in type(model).__name__ else (IMAGES, OF_IMAGES)
    x = rows if flat else x
    model.fit(x, y)
    before = model.predict(x)
    (name,) = change
    old = getattr(model, name)
    model.set_params(warm_start=True, **change)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=rf"{name}="):
            train(x, y)
    model.set_params(**{name: old})
    np.testing.assert_array_equal(model.predict(x), before)
    model.partial_fit(x, y)
    model.set_params(warm_start=False, **change).fit(x, y)


def test_the_same_network_said_otherwise_is_the_same():
    model = MLPClassifier((9,), max_iter=2, random_state=0).fit(X, Y)
    for same in (9, [9], np.array([9])):
        model.set_params(hidden_layer_sizes=same).partial_fit(X, Y)
    model = NetworkClassifier(layers(), max_iter=2, random_state=0)
    model.fit(IMAGES, OF_IMAGES)
    model.set_params(network=layers()).partial_fit(IMAGES, OF_IMAGES)
    # Flat rows of images that were fitted as images need no image_shape.
    model = images().fit(IMAGES, OF_IMAGES)
    model.partial_fit(IMAGES.reshape(60, -1), OF_IMAGES)
    model.set_params(image_shape=(8, -1)).partial_fit(IMAGES, OF_IMAGES)


@pytest.mark.parametrize("rates", [(0.0, 0.9), (0.9, 0.0)])
def test_dropout_may_change(rates):
    before, after = rates
    model = MLPClassifier((30,), dropout=before, max_iter=2, warm_start=True)
    model.set_params(random_state=0).fit(X, Y)
    same = copy.deepcopy(model).fit(X, Y).loss_curve_[-1]
    other = copy.deepcopy(model).set_params(dropout=after).fit(X, Y).loss_curve_[-1]
    assert other > same if after > before else other < same
    model = NetworkClassifier(layers(), max_iter=2, random_state=0)
    model.fit(IMAGES, OF_IMAGES)
    model.set_params(network=layers(4, "relu", Dropout(0.5)))
    model.partial_fit(IMAGES, OF_IMAGES)


def test_augmentation_may_change():
    model = images(learning_rate_init=0.1).fit(IMAGES, OF_IMAGES)
    plain = copy.deepcopy(model).partial_fit(IMAGES, OF_IMAGES)
    model.set_params(augmentation=Augmentation(pad=3)).partial_fit(IMAGES, OF_IMAGES)
    assert model.loss_ != plain.loss_


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_partial_fit_refuses_early_stopping(kind):
    model = kind(early_stopping=True, max_iter=2)
    classes = {} if kind is MLPRegressor else dict(classes=range(3))
    for _ in range(2):
        with pytest.raises(ValueError, match="does not support early_stopping=True"):
            model.partial_fit(X, Y, **classes)
        model.fit(X, Y)


@pytest.mark.parametrize("standardize", [True, False])
def test_a_run_that_diverges_gets_advice_that_it_can_follow(standardize):
    model = MLPRegressor(learning_rate_init=1e20, standardize=standardize)
    with pytest.raises(ValueError, match="diverged") as error:
        model.fit(X, Y)
    text = str(error.value)
    assert "smaller learning_rate_init" in text and "1e+20" in text
    assert ("standardize=True" in text) == (not standardize)


def test_custom_schedules_see_epochs_and_samples():
    seen = []

    class Watching(schedules.Schedule):
        def factors(self, epoch, epochs, samples, power):
            seen.append((epoch.min(), epochs, samples.min()))
            return np.ones_like(epoch)

    model = ours(learning_rate=Watching(), max_iter=7)
    for chunk in CHUNKS[:3]:
        model.partial_fit(X[chunk], Y[chunk], classes=range(3))
    assert [(int(e), n, s) for e, n, s in seen] == [(0, 7, 0), (1, 7, 40), (2, 7, 140)]
