"""Sample and class weights: in training, in validation, and in partial_fit."""

import numpy as np
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.class_weight import compute_sample_weight

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor, NetworkClassifier
from hogblock.models import Dense, Network

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 5))
Y = (X[:, :3] + 0.5 * RANDOM.normal(size=(240, 3))).argmax(1)
LABELS = (X[:, :3] > 0.5).astype(int)
REAL = X @ RANDOM.normal(size=5)
X_VAL = RANDOM.normal(size=(80, 5))
Y_VAL = X_VAL[:, :3].argmax(1)
PLAN = dict(hidden_layer_sizes=(8,), max_iter=4, learning_rate="cosine", random_state=0)


def classifier(**changes):
    return MLPClassifier(**(PLAN | changes))


def regressor(**changes):
    return MLPRegressor(**(PLAN | changes))


def refused(message, train, *args, **kwargs):
    """Nothing is trained before the error."""
    with pytest.raises(ValueError, match=message):
        train(*args, **kwargs)


# The validation score ---------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_validation_weights_count(n_jobs):
    weight = RANDOM.random(80) * (Y_VAL > 0)
    model = classifier(n_jobs=n_jobs, batch_size=8).fit(
        X, Y, X_val=X_VAL, y_val=Y_VAL, sample_weight_val=weight
    )
    wanted = accuracy_score(Y_VAL, model.predict(X_VAL), sample_weight=weight)
    assert model.validation_scores_[-1] == pytest.approx(wanted)
    assert wanted != pytest.approx(model.score(X_VAL, Y_VAL))
    real = regressor().fit(
        X, REAL, X_val=X_VAL, y_val=X_VAL[:, 0], sample_weight_val=weight
    )
    wanted = r2_score(X_VAL[:, 0], real.predict(X_VAL), sample_weight=weight)
    assert real.validation_scores_[-1] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_the_scale_of_validation_weights_does_not_count(scale):
    weight = RANDOM.random(80)
    scores = [
        classifier()
        .fit(X, Y, X_val=X_VAL, y_val=Y_VAL, sample_weight_val=w)
        .validation_scores_
        for w in (weight, scale * weight)
    ]
    np.testing.assert_allclose(*scores)


@pytest.mark.parametrize("class_weight", [{0: 5.0, 1: 0.2}, "balanced"])
def test_class_weights_count_in_validation_as_sample_weights_do(class_weight):
    rare = Y != 0
    rare[:40] = True
    x, y = X[rare], Y[rare]
    weight = RANDOM.random(len(y)) + 0.1
    found = compute_weights(class_weight, y, weight)
    by_class = np.array([found[y == k][0] for k in range(3)])
    given = RANDOM.random(80)
    held = dict(X_val=X_VAL, y_val=Y_VAL)
    a = classifier(class_weight=class_weight).fit(
        x, y, weight, **held, sample_weight_val=given
    )
    b = classifier().fit(
        x, y, weight * found, **held, sample_weight_val=given * by_class[Y_VAL]
    )
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_)
    np.testing.assert_allclose(a.predict_proba(x), b.predict_proba(x), atol=1e-5)
    assert a.score(X_VAL, Y_VAL) != pytest.approx(a.validation_scores_[-1])


def compute_weights(class_weight, y, weight):
    if class_weight != "balanced":
        return compute_sample_weight(class_weight, y)
    total = np.bincount(y, weight)
    return (total.sum() / (3 * total))[y]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [classifier, regressor])
def test_junk_of_weight_zero_changes_no_split_and_no_score(kind):
    """The part set aside is that of the data without the junk."""
    y = Y if kind is classifier else REAL
    junk = RANDOM.random(300) < 0.2
    x_all, y_all = np.zeros((300, 5)), np.zeros(300, y.dtype)
    clean = ~junk
    x_all[clean], y_all[clean] = X[: clean.sum()], y[: clean.sum()]
    x_all[junk] = RANDOM.normal(size=(junk.sum(), 5))
    y_all[junk] = Y[: junk.sum()] if kind is classifier else 1e3
    options = dict(early_stopping=True, max_iter=40, learning_rate="constant")
    options |= dict(learning_rate_init=0.05, batch_size=500)  # the same steps
    a = kind(**options).fit(x_all, y_all, clean.astype(float))
    b = kind(**options).fit(x_all[clean], y_all[clean])
    assert a.n_iter_ == b.n_iter_
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_, atol=1e-4)
    assert a.best_validation_score_ > 0.6


def test_validation_without_anything_to_score_is_refused():
    zero = np.zeros(80)
    held = dict(X_val=X_VAL, y_val=Y_VAL)
    for model in (classifier(n_jobs=2), regressor(n_jobs=2)):
        fit = model.fit
        refused("sample_weight_val is zero", fit, X, Y, **held, sample_weight_val=zero)
        for wrong, message in [
            (zero - 1, "Negative values in data passed to `sample_weight_val`"),
            (np.ones(79), "sample_weight_val.shape"),
            (zero * np.nan, "sample_weight_val contains NaN"),
        ]:
            refused(message, fit, X, Y, **held, sample_weight_val=wrong)
        refused("X_val is missing", fit, X, Y, sample_weight_val=zero + 1)
    only_first = {0: 0.0, 1: 1.0, 2: 1.0}
    model = classifier(class_weight=only_first)
    refused("no sample of positive", model.fit, X, Y, X_val=X, y_val=np.zeros(240, int))


def test_r2_of_one_sample_is_refused():
    one = np.eye(80)[3]
    fit = regressor(n_jobs=2).fit
    refused("R.2", fit, X, REAL, X_val=X_VAL[:1], y_val=REAL[:1])
    held = dict(X_val=X_VAL, y_val=X_VAL[:, 0])
    refused("R.2", fit, X, REAL, **held, sample_weight_val=one)
    early = regressor(early_stopping=True, validation_fraction=0.1)
    refused("validation_fraction=0.1.* one sample", early.fit, X[:10], REAL[:10])
    few = np.r_[np.ones(10), np.zeros(230)]
    refused("validation_fraction=0.1.* one sample", early.fit, X, REAL, few)
    alone = np.eye(240)[7]
    refused("1 of 240 has a positive weight", early.fit, X, REAL, alone)
    early.set_params(validation_fraction=0.2).fit(X, REAL, few)
    classifier().fit(X, Y, X_val=X_VAL[:1], y_val=Y_VAL[:1])


def test_images_take_validation_weights():
    images, y = X[:, :4].reshape(-1, 2, 2), (X[:, 0] > 0).astype(int)
    weight = RANDOM.random(240) * y
    network = Network([Dense(3, "relu"), Dense(1)], (5,))
    for model, x in [
        (CNNClassifier(((2, 1),), 1, (4,), max_iter=2, learning_rate="cosine"), images),
        (NetworkClassifier(network, max_iter=2, learning_rate="cosine"), X),
    ]:
        model.fit(x, y, X_val=x, y_val=y, sample_weight_val=weight)
        wanted = accuracy_score(y, model.predict(x), sample_weight=weight)
        assert model.validation_scores_[-1] == pytest.approx(wanted)


# Class weights ----------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 1, 1: 2}, "balanced", None]])
def test_balanced_is_refused_in_partial_fit_in_scikit_learns_words(class_weight):
    y = LABELS if isinstance(class_weight, list) else Y
    options = {} if isinstance(class_weight, list) else dict(classes=range(3))
    model = classifier(class_weight=class_weight)
    words = "is not supported for partial_fit. In order to use 'balanced' weights, use "
    words += "compute_class_weight('balanced', classes=classes, y=y)."
    for _ in range(2):
        with pytest.raises(ValueError) as error:
            model.partial_fit(X, y, **options)
        assert words in str(error.value)
        model.fit(X, y)
    with pytest.raises(ValueError) as error:
        SGDClassifier(class_weight="balanced").partial_fit(X, Y, classes=range(3))
    assert words in str(error.value)


def test_balanced_counts_by_sample_weight():
    weight = RANDOM.integers(0, 3, 240)
    repeated = np.repeat(np.arange(240), weight)
    options = dict(class_weight="balanced", batch_size=1000)
    a = classifier(**options).fit(X, Y, weight)
    b = classifier(**options).fit(X[repeated], Y[repeated])
    c = classifier(**options).fit(X, Y)
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)
    assert not np.allclose(a.predict_proba(X), c.predict_proba(X), atol=1e-3)


def test_balanced_ignores_rows_of_weight_zero():
    weight = np.where((Y == 0) & (np.arange(240) < 200), 0.0, 1.0)
    options = dict(class_weight="balanced", batch_size=240)
    a = classifier(**options).fit(X, Y, weight)
    b = classifier(**options).fit(X[weight > 0], Y[weight > 0])
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)
    # Nor is a class without any weight one among which to balance.
    of_two = np.where(Y == 2, 0.0, 1.0)
    a = classifier(**options, alpha=10.0).fit(X, Y, of_two)
    balanced = np.zeros(240)
    balanced[Y < 2] = compute_sample_weight("balanced", Y[Y < 2])
    b = classifier(batch_size=240, alpha=10.0).fit(X, Y, balanced)
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("names", [[0, 1, 2], ["a", "b", "c"], ["1", "2", "3"]])
def test_a_partial_dict_does_where_a_class_is_missing(names):
    y = np.array(names)[Y]
    model = classifier(class_weight={names[2]: 3.0})
    twin = classifier()
    for chunk in (y != names[2], y != names[0], y == names[2]):
        weight = np.where(y[chunk] == names[2], 3.0, 1.0)
        model.partial_fit(X[chunk], y[chunk], classes=names)
        twin.partial_fit(X[chunk], y[chunk], weight, classes=names)
    np.testing.assert_allclose(model.predict_proba(X), twin.predict_proba(X))
    held = Y_VAL != 2
    fitted = classifier(class_weight={names[2]: 3.0}).fit(
        X, y, X_val=X_VAL[held], y_val=np.array(names)[Y_VAL[held]]
    )
    assert len(fitted.validation_scores_) == 4


@pytest.mark.parametrize(
    ("y", "class_weight", "message"),
    [
        (Y, {0: 1.0, 7: 2.0}, r"classes, \[1, 2\], are not in class_weight"),
        (Y, {"0": 1.0}, r"classes, \[0, 1, 2\], are not in class_weight"),
        (Y, {0: -1.0}, "class_weight has the weight -1"),
        (Y, {0: np.nan}, "class_weight has the weight nan"),
        (Y, {0: "much"}, "class_weight has the weight 'much'"),
        (Y, {0: 0, 1: 0, 2: 0}, "zero everywhere"),
        (Y, [{0: 1.0}], "for multi-label y"),
        (LABELS, {0: 1.0}, "class_weight should be a list of dicts"),
        (LABELS, [{0: 1.0}], r"Got 1 element\(s\) while having 3 outputs"),
        (LABELS, [{0: 1.0}, {}, "fair"], "class_weight has 'fair'"),
    ],
)
def test_class_weights_that_do_not_fit(y, class_weight, message):
    refused(message, classifier(class_weight=class_weight, n_jobs=2).fit, X, y)


def test_unknown_classes_beside_all_known_ones_are_allowed():
    """As in scikit-learn: the weights of a larger problem may be reused."""
    a = classifier(class_weight={0: 1, 1: 2, 2: 3, 3: 4}).fit(X, Y)
    b = classifier(class_weight={0: 1, 1: 2, 2: 3}).fit(X, Y)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.parametrize(
    "class_weight", ["balanced", [{1: 4.0}, {0: 2.0, 1: 0.5}, {0: 3.0}]]
)
def test_class_weights_of_labels_are_multiplied(class_weight):
    whole = class_weight
    if isinstance(class_weight, list):  # scikit-learn wants them all
        whole = [{0: 1.0, 1: 1.0} | one for one in class_weight]
    weight = compute_sample_weight(whole, LABELS)
    a = classifier(class_weight=class_weight).fit(X, LABELS)
    b = classifier().fit(X, LABELS, weight)
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-5)
    if isinstance(class_weight, list):
        chunk = LABELS[:, 0] == 0
        classifier(class_weight=class_weight).partial_fit(X[chunk], LABELS[chunk])
