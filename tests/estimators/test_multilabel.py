"""Multi-label targets: how they may come, and what they may hold."""

import re

import numpy as np
import pytest
from scipy import sparse

from hogblock import MLPClassifier, MLPRegressor

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 4))
Y = (X[:, :3] + 0.5 * X[:, 3:] > 0).astype(int)
CODED = {"-1 and 1": 2 * Y - 1, "1 and 2": Y + 1, "0 and 2": 2 * Y, "all 7": 0 * Y + 7}


def classifier(**options):
    plan = dict(max_iter=30, learning_rate="cosine", learning_rate_init=0.05)
    return MLPClassifier((10,), random_state=0, **plan | options)


def as_table(y):
    return pytest.importorskip("pandas").DataFrame(y, columns=list("abc"))


FORMS = [
    sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array,
    np.ndarray.tolist, as_table, lambda y: y.astype(bool), lambda y: y.astype(float),
    lambda y: sparse.csr_matrix(y.astype(bool)),
]  # fmt: skip


@pytest.mark.parametrize("n", [50, 120])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_zeros_and_ones(form, n):
    """Up to 64 samples are a single minibatch, which is sorted and merged."""
    x, y = X[:n], Y[:n]
    wanted = classifier().fit(x, y, X_val=x, y_val=y)
    model = classifier().fit(x, form(y), X_val=x, y_val=form(y))
    np.testing.assert_array_equal(model.predict_proba(x), wanted.predict_proba(x))
    assert model.validation_scores_ == wanted.validation_scores_
    assert model.score(x, form(y)) == wanted.score(x, y) > 0.5
    early = classifier(early_stopping=True).fit(x, form(y))
    assert early.best_validation_score_ > 0
    part = classifier().partial_fit(x, form(y)).partial_fit(x, form(y))
    assert part.predict(x).shape == (n, 3)


def test_sparse_targets_of_one_column_and_of_a_regressor():
    one = sparse.csr_matrix(Y[:, :1])
    with pytest.warns(UserWarning, match="column-vector"):
        model = classifier().fit(X, one)
    assert model.predict(X).shape == (120,)
    model = MLPRegressor((10,), max_iter=2, learning_rate="cosine", random_state=0)
    dense = model.fit(X[:50], Y[:50]).predict(X)
    found = model.fit(X[:50], sparse.csr_matrix(Y[:50])).predict(X)
    np.testing.assert_array_equal(found, dense)


@pytest.mark.parametrize("n", [50, 120])
@pytest.mark.parametrize("coded", CODED.values(), ids=CODED)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_other_codes_are_refused_by_value(form, coded, n):
    values = np.unique(coded)
    x, y, bad = X[:n], Y[:n], form(coded[:n])
    message = rf"values {re.escape(str(values.tolist()))}; allowed are 0 and 1"
    with pytest.raises(ValueError, match="^y .*" + message):
        classifier().fit(x, bad)
    with pytest.raises(ValueError, match="^y .*" + message):
        classifier().partial_fit(x, bad)
    with pytest.raises(ValueError, match="^y_val .*" + message):
        classifier().fit(x, y, X_val=x, y_val=bad)
    model = classifier().fit(x, y)
    with pytest.raises(ValueError, match="^y .*" + message):
        model.score(x, bad)
    before = model.predict_proba(x)
    with pytest.raises(ValueError, match="^y .*" + message):
        model.partial_fit(x, bad)
    np.testing.assert_array_equal(model.predict_proba(x), before)


def test_parts_whose_labels_are_all_the_same():
    y = np.zeros((120, 3), int)
    y[60:] = 1
    model = classifier().partial_fit(X[:60], y[:60]).partial_fit(X[60:], y[60:])
    assert model.predict(X).shape == (120, 3)


def test_numbers_of_labels_are_compared():
    model = classifier().fit(X, Y)
    for use in (model.partial_fit, model.score):
        with pytest.raises(ValueError, match=r"y has shape \(120, 2\)"):
            use(X, Y[:, :2])
    with pytest.raises(ValueError, match=r"y_val has shape \(120, 2\)"):
        model.fit(X, Y, X_val=X, y_val=Y[:, :2])
