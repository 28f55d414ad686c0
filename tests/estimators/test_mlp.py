"""The estimators: contracts of scikit-learn, and agreement with its MLP."""

import pickle

import joblib
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.utils.estimator_checks import estimator_checks_generator

from hogblock import MLPClassifier, MLPRegressor, methods, schedules

PLANNED = dict(learning_rate="cosine", random_state=0)  # never a ConvergenceWarning


@pytest.fixture(scope="module")
def digits():
    x, y = datasets.load_digits(return_X_y=True)
    return train_test_split(x, y, random_state=0, stratify=y)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_scikit_learns_checks_pass(kind, n_jobs):
    failed = []
    for estimator, check in estimator_checks_generator(kind(n_jobs=n_jobs)):
        try:
            check(estimator)
        except Exception as error:
            if type(error).__name__ != "SkipTest":
                failed.append((check.func.__name__, error))
    assert failed == []


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("nesterov", "weighted"), [(True, False), (False, True)])
@pytest.mark.parametrize("activation", ["relu", "tanh", "identity", "logistic"])
@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel", "real"])
def test_sgd_takes_scikit_learns_steps(problem, activation, nesterov, weighted):
    """Same initial weights, same minibatch order: float32 apart after 8 epochs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(230, 9))
    score = x @ rng.normal(size=(9, 4))
    y = {
        "binary": (score[:, 0] > 0).astype(int),
        "multiclass": score.argmax(1),
        "multilabel": (score[:, :3] > 0).astype(int),
        "real": score[:, :2],
    }[problem]
    weight = rng.integers(1, 4, len(x)).astype(float) if weighted else None
    ours, theirs = (
        (MLPRegressor, SklearnRegressor)
        if problem == "real"
        else (MLPClassifier, SklearnClassifier)
    )
    shared = dict(
        hidden_layer_sizes=(19, 11),
        activation=activation,
        alpha=0.003,
        batch_size=32,
        learning_rate_init=0.02,
        max_iter=8,
        shuffle=False,
        momentum=0.9,
        nesterovs_momentum=nesterov,
        random_state=3,
    )
    got = ours(method="sgd", standardize=False, **shared).fit(x, y, weight)
    wanted = theirs(solver="sgd", **shared).fit(x, y, weight)
    for a, b in zip(got.coefs_, wanted.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)
    for a, b in zip(got.intercepts_, wanted.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)
    # The penalty of an epoch is that of its last weights here, and scikit-learn's
    # curve weighs minibatches by their length, not by their sample weights.
    if not weighted:
        np.testing.assert_allclose(
            got.loss_curve_, wanted.loss_curve_, rtol=5e-3, atol=1e-3
        )
    assert got.n_iter_ == wanted.n_iter_ and got.t_ == wanted.t_
    if problem == "real":
        np.testing.assert_allclose(got.predict(x), wanted.predict(x), atol=1e-4)
        return
    assert got.out_activation_ == wanted.out_activation_
    np.testing.assert_array_equal(got.classes_, wanted.classes_)
    assert (got.predict(x) == wanted.predict(x)).mean() > 0.99
    for name in ("predict_proba", "predict_log_proba"):
        a, b = getattr(got, name)(x), getattr(wanted, name)(x)
        np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["digits", "wine", "breast_cancer"])
def test_defaults_are_no_worse_than_scikit_learns(name):
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    parts = train_test_split(x, y, random_state=0, stratify=y, test_size=0.4)
    x_train, x_test, y_train, y_test = parts
    ours = MLPClassifier(random_state=0).fit(x_train, y_train)
    theirs = SklearnClassifier(random_state=0).fit(x_train, y_train)
    noise = 1 / len(y_test) ** 0.5 / 5
    assert ours.score(x_test, y_test) >= theirs.score(x_test, y_test) - noise


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("method", list(methods.METHODS))
def test_every_method_learns_digits(digits, method, n_jobs):
    x_train, x_test, y_train, y_test = digits
    model = MLPClassifier(method=method, n_jobs=n_jobs, max_iter=30, **PLANNED)
    model.fit(x_train, y_train)
    assert model.score(x_test, y_test) > 0.92
    assert model.n_workers_ == (1 if method == "sgd" else n_jobs)
    assert model.updates_per_block_.shape == (model.n_workers_,)
    assert model.staleness_.shape == (model.n_workers_, 64)


def test_one_job_is_bit_reproducible(digits):
    x_train, _, y_train, _ = digits
    fits = [
        MLPClassifier(n_jobs=1, max_iter=3, dropout=0.2, **PLANNED).fit(
            x_train, y_train
        )
        for _ in range(2)
    ]
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(fits[0], name), getattr(fits[1], name), strict=True):
            np.testing.assert_array_equal(a, b)
    assert fits[0].loss_curve_ == fits[1].loss_curve_


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int32])
def test_storage_of_x_does_not_matter(digits, kind):
    x_train, x_test, y_train, y_test = digits
    model = MLPClassifier(max_iter=20, **PLANNED).fit(x_train.astype(kind), y_train)
    assert model.score(x_test.astype(kind), y_test) > 0.95
    reference = MLPClassifier(max_iter=20, **PLANNED).fit(x_train, y_train)
    np.testing.assert_allclose(
        model.predict_proba(x_test.astype(kind)),
        reference.predict_proba(x_test),
        atol=2e-3,
    )


def test_coefs_are_those_of_the_raw_features(digits):
    x_train, x_test, y_train, _ = digits
    model = MLPClassifier((30,), max_iter=10, **PLANNED).fit(x_train, y_train)
    hidden = np.maximum(x_test @ model.coefs_[0] + model.intercepts_[0], 0)
    outputs = hidden @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_array_equal(outputs.argmax(1), model.predict(x_test))
    x, y = datasets.load_diabetes(return_X_y=True)
    model = MLPRegressor((30,), max_iter=10, **PLANNED).fit(x, y)
    hidden = np.maximum(x @ model.coefs_[0] + model.intercepts_[0], 0)
    outputs = hidden @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(outputs[:, 0], model.predict(x), rtol=1e-3)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_raw_scales_do_not_matter(n_jobs):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    y = 3e4 + 1e4 * np.sin(x[:, 0]) + 1e3 * x[:, 1]
    wild = x * [1.0, 1e3, 1e-6, 1e6, 1e-3] + [1e9, 1e6, 1e-4, -1e7, 5.0]
    model = MLPRegressor(
        n_jobs=n_jobs, max_iter=150, learning_rate_init=0.03, **PLANNED
    )
    assert model.fit(wild, y).score(wild, y) > 0.98
    both = np.c_[y, -1e-3 * y]
    assert model.fit(wild, both).score(wild, both) > 0.98
    assert model.predict(wild).shape == (400, 2)


def test_partial_fit_learns_and_keeps_momentum(digits):
    x_train, x_test, y_train, y_test = digits
    model = MLPClassifier(random_state=0)
    for k in range(12):
        model.partial_fit(x_train, y_train, classes=np.arange(10) if k == 0 else None)
    assert model.n_iter_ == 12 and len(model.loss_curve_) == 12
    assert model.t_ == 12 * len(x_train)
    assert model.score(x_test, y_test) > 0.95
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(x_train, y_train, classes=np.arange(9))
    with pytest.raises(ValueError, match=r"classes \[77\]"):
        model.partial_fit(x_train[:5], np.full(5, 77))
    with pytest.raises(ValueError, match="classes must be passed"):
        MLPClassifier().partial_fit(x_train, y_train)


def test_partial_fit_of_multilabel_and_real_targets():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    labels = (x[:, :3] > 0).astype(int)
    model = MLPClassifier(random_state=0)
    for _ in range(60):
        model.partial_fit(x, labels)
    assert model.score(x, labels) > 0.9
    assert model.predict_proba(x).shape == (300, 3)
    real = MLPRegressor(random_state=0)
    for _ in range(60):
        real.partial_fit(x, x[:, :2])
    assert real.score(x, x[:, :2]) > 0.9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_goes_on_from_the_last_fit(digits):
    x_train, _, y_train, _ = digits
    model = MLPClassifier(max_iter=3, warm_start=True, random_state=0)
    first = model.fit(x_train, y_train).loss_
    assert model.fit(x_train, y_train).loss_curve_[3] < first
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(x_train, y_train + 1)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_early_stopping_keeps_the_best_snapshot(digits, n_jobs):
    x_train, x_test, y_train, y_test = digits
    model = MLPClassifier(
        early_stopping=True,
        n_iter_no_change=3,
        n_jobs=n_jobs,
        learning_rate_init=0.05,
        random_state=0,
    ).fit(x_train, y_train, X_val=x_test, y_val=y_test)
    assert len(model.validation_scores_) == model.n_iter_ < 200
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.score(x_test, y_test) == pytest.approx(model.best_validation_score_)
    assert max(model.validation_scores_[-4:]) < model.best_validation_score_ + 1e-4


def test_early_stopping_sets_a_part_aside(digits):
    x_train, _, y_train, _ = digits
    model = MLPClassifier(
        early_stopping=True, validation_fraction=0.2, n_iter_no_change=2, random_state=0
    ).fit(x_train, y_train)
    assert model.t_ == model.n_iter_ * int(0.8 * len(x_train))
    assert model.best_validation_score_ > 0.9


def test_validation_set_alone_only_records(digits):
    x_train, x_test, y_train, y_test = digits
    model = MLPClassifier(max_iter=4, **PLANNED)
    model.fit(x_train, y_train, X_val=x_test, y_val=y_test)
    assert len(model.validation_scores_) == model.n_iter_ == 4
    assert model.score(x_test, y_test) == pytest.approx(model.validation_scores_[-1])


def test_sample_weight_and_class_weight_act_alike(digits):
    x_train, x_test, y_train, _ = digits
    by_class = {k: 1.0 + k for k in range(10)}
    weight = np.array([by_class[k] for k in y_train])
    model = MLPClassifier(max_iter=5, **PLANNED)
    a = clone(model).fit(x_train, y_train, weight)
    b = clone(model).set_params(class_weight=by_class).fit(x_train, y_train)
    np.testing.assert_allclose(a.predict_proba(x_test), b.predict_proba(x_test))
    plain = clone(model).fit(x_train, y_train)
    assert not np.allclose(a.predict_proba(x_test), plain.predict_proba(x_test))


def test_samples_of_weight_zero_do_not_count(digits):
    x_train, x_test, y_train, y_test = digits
    wrong = np.r_[y_train, (y_train + 1) % 10]
    weight = np.r_[np.ones(len(y_train)), np.zeros(len(y_train))]
    model = MLPClassifier(max_iter=30, **PLANNED)
    model.fit(np.r_[x_train, x_train], wrong, weight)
    assert model.score(x_test, y_test) > 0.95


def test_balanced_class_weight_finds_the_rare_class():
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.03).astype(int)
    x = rng.normal(size=(2000, 2)) + 1.2 * y[:, None]
    plain = MLPClassifier(max_iter=20, **PLANNED).fit(x, y)
    fair = MLPClassifier(max_iter=20, class_weight="balanced", **PLANNED).fit(x, y)
    assert (fair.predict(x)[y == 1] == 1).mean() > 0.6
    assert (plain.predict(x)[y == 1] == 1).mean() < 0.4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("schedule", [*schedules.SCHEDULES, schedules.Cosine(0.0)])
def test_every_schedule_trains(digits, schedule):
    x_train, x_test, y_train, y_test = digits
    model = MLPClassifier(learning_rate=schedule, learning_rate_init=0.05, max_iter=25)
    model.set_params(power_t=0.1, random_state=0).fit(x_train, y_train)
    assert model.score(x_test, y_test) > 0.94


def test_adaptive_rate_ends_the_fit(digits):
    x_train, _, y_train, _ = digits
    model = MLPClassifier(
        learning_rate="adaptive", tol=1.0, n_iter_no_change=1, random_state=0
    ).fit(x_train, y_train)
    # 0.01 / 5**6 is the first rate of at most 1e-6; two stalled epochs for each.
    assert 12 <= model.n_iter_ <= 16


def test_unfinished_fit_warns(digits):
    x_train, _, y_train, _ = digits
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        MLPClassifier(max_iter=2, random_state=0).fit(x_train, y_train)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    "failing",
    [
        dict(learning_rate_init=1e30, standardize=False),  # diverges
        dict(hidden_layer_sizes=(0,)),  # X has been looked at by then
    ],
)
def test_a_fit_that_fails_leaves_everything_as_it_was(kind, failing):
    rng = np.random.default_rng(0)
    x, wider = rng.normal(size=(50, 3)), 1e3 * rng.normal(size=(50, 70))
    y = np.arange(50) % 2
    frame = pytest.importorskip("pandas").DataFrame(x, columns=list("abc"))
    model = kind((4,), max_iter=3, **PLANNED)
    for broken in (clone(model), model.fit(frame, y)):
        before, fine = dict(vars(broken)), broken.get_params()
        with pytest.raises(ValueError, match=r"diverged|hidden_layer_sizes"):
            broken.set_params(**failing).fit(wider, y)
        broken.set_params(**fine)
        assert vars(broken).keys() == before.keys()
        assert all(vars(broken)[name] is before[name] for name in before)
    assert len(model.predict(frame)) == 50


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_pickle_and_clone(digits, n_jobs):
    x_train, x_test, y_train, _ = digits
    model = MLPClassifier(
        max_iter=3, n_jobs=n_jobs, method=methods.Hogwild(), **PLANNED
    )
    model.fit(x_train, y_train)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict_proba(x_test), model.predict_proba(x_test)
    )
    assert clone(model).get_params() == model.get_params()


def test_grid_search_in_parallel(digits, tmp_path):
    x_train, _, y_train, _ = digits
    model = MLPClassifier(max_iter=8, **PLANNED)
    with joblib.parallel_config("loky", temp_folder=str(tmp_path)):
        search = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=2, n_jobs=2)
        search.fit(x_train, y_train)
    assert search.best_score_ > 0.8
    get_reusable_executor().shutdown(wait=True)


def test_string_classes_and_feature_names():
    pandas = pytest.importorskip("pandas")
    x, y = datasets.load_iris(return_X_y=True)
    table = pandas.DataFrame(x, columns=list("abcd"))
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = MLPClassifier(max_iter=100, **PLANNED).fit(table, names)
    assert list(model.feature_names_in_) == list("abcd")
    assert model.score(table, names) > 0.93
    np.testing.assert_allclose(model.predict_proba(table).sum(axis=1), 1, rtol=1e-5)


def test_verbose_shows_a_bar(digits, capsys):
    x_train, _, y_train, _ = digits
    MLPClassifier(max_iter=3, verbose=True, **PLANNED).fit(x_train, y_train)
    assert "loss" in capsys.readouterr().err


def test_small_data_use_fewer_workers():
    x, y = datasets.load_iris(return_X_y=True)
    model = MLPClassifier(n_jobs=2, max_iter=5, **PLANNED).fit(x, y)
    assert model.n_workers_ == 1 and model.n_jobs == 2
