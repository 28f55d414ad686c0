"""Sparse X: the model is that of the same X with its zeros."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from hogblock import (
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    load_model,
    methods,
    save_model,
)
from hogblock.asynchrony import EventDriven, check_assumptions
from hogblock.models import Dense, Dropout, Flatten, LayerNorm, Network

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}"
)

PLAN = dict(
    hidden_layer_sizes=(20, 7),
    max_iter=12,
    random_state=0,
    tol=0,
    learning_rate_init=0.1,
    batch_size=16,
    method="sgd",
    standardize=False,
)


@pytest.fixture(scope="module")
def problem():
    """Rows of odd lengths, one of them empty, and a column that is never there."""
    random = np.random.RandomState(0)
    X = sp.random(331, 93, 0.1, format="csr", random_state=random)
    X = X.multiply(np.arange(93) != 17).tocsr()
    X.data[X.indptr[5] : X.indptr[6]] = 0
    X.eliminate_zeros()
    return X, (X @ random.randn(93) > 0).astype(int)


def fitted(X, y, make=MLPClassifier, **changes):
    return make(**PLAN | changes).fit(X, y)


def assert_same(one, other, atol=5e-6):
    for left, right in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=atol)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict(momentum=0.0),
        dict(momentum=0.0, alpha=0.0),
        dict(momentum=0.99, learning_rate_init=0.02),
        dict(alpha=3.0, learning_rate="cosine"),
        dict(nesterovs_momentum=False, learning_rate="invscaling"),
        dict(max_grad_norm=0.1),
        dict(method=methods.Hogwild(atomic=True)),
        dict(method=methods.Hogwild(atomic=True), max_grad_norm=0.1),
        dict(activation="gelu", dropout=0.3),
        dict(
            batch_size=7, learning_rate_init=0.01
        ),  # rows miss more steps than are counted
    ],
    ids=str,
)
def test_the_same_as_with_zeros(problem, changes):
    """Rows of weights that a minibatch has no value for move all the same."""
    X, y = problem
    sparse, dense = fitted(X, y, **changes), fitted(X.toarray(), y, **changes)
    assert_same(sparse, dense)
    np.testing.assert_allclose(
        sparse.predict_proba(X), sparse.predict_proba(X.toarray()), rtol=1e-5
    )


def test_the_first_thinned_minibatches(problem):
    """Later on draws hang on the last bits."""
    X, y = problem
    how = dict(method="thinned", max_iter=1)
    assert_same(fitted(X, y, **how), fitted(X.toarray(), y, **how), atol=1e-4)


def test_regression_of_several_outputs(problem):
    X, _ = problem
    Y = np.column_stack([X.toarray().sum(axis=1), X[:, [3]].toarray()])
    how = dict(make=MLPRegressor, learning_rate_init=0.01)
    assert_same(fitted(X, Y, **how), fitted(X.toarray(), Y, **how))


@pytest.mark.parametrize(
    "form", [sp.csc_matrix, sp.csr_array, sp.coo_array, lambda X: X.astype("f4")]
)
def test_every_form_is_the_same(problem, form):
    X, y = problem
    assert_same(fitted(form(X), y, max_iter=2), fitted(X, y, max_iter=2))


def test_values_that_stand_twice_are_added(problem):
    X, y = problem
    twice = sp.csr_matrix(
        (np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), X.shape
    )
    before = twice.nnz
    assert_same(fitted(twice, y, max_iter=2), fitted(X, y, max_iter=2))
    assert twice.nnz == before  # of the user's matrix


def test_standardised_columns_keep_their_zeros(problem):
    """As after dividing each by its root mean square, or a fifth of its largest."""
    X, y = problem
    square = np.sqrt(X.multiply(X).mean(axis=0)).A1
    width = np.maximum(square, np.abs(X).max(axis=0).toarray()[0] / 5)
    scaled = X.multiply(np.where(width > 0, 1 / np.where(width > 0, width, 1), 0))
    model = fitted(X, y, standardize=True, max_iter=4)
    other = fitted(scaled.tocsr(), y, max_iter=4)
    np.testing.assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(
        model.predict_proba(X), other.predict_proba(scaled.tocsr()), rtol=1e-3
    )
    by_hand = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    by_hand = np.maximum(by_hand @ model.coefs_[1] + model.intercepts_[1], 0)
    by_hand = by_hand @ model.coefs_[2] + model.intercepts_[2]
    found = model.predict_log_proba(X)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], by_hand[:, 0], atol=1e-4)


def test_a_model_of_dense_rows_predicts_sparse_ones(problem):
    X, y = problem
    model = fitted(X.toarray() + 1.0, y, standardize=True, max_iter=2)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(
        X.toarray()))  # fmt: skip


@pytest.mark.parametrize("method", ["hogwild", "thinned", "passm", "passm+"])
def test_two_workers_learn_it_too(problem, method):
    X, y = problem
    model = fitted(X, y, method=method, n_jobs=2, max_iter=60)
    assert model.n_workers_ == 2
    assert model.score(X, y) > 0.95
    chances = model.predict_proba(X)[np.arange(len(y)), y]
    penalty = sum((w**2).sum() for w in model.coefs_) * 1e-4 / 2 / 16
    assert model.loss_ == pytest.approx(penalty - np.log(chances).mean(), abs=0.05)


def test_it_trains_on_and_stops_early_and_is_saved(problem, tmp_path):
    X, y = problem
    whole = fitted(X, y, max_iter=3)
    parts = MLPClassifier(**PLAN | dict(max_iter=3))
    for _ in range(3):
        parts.partial_fit(X, y, classes=[0, 1])
    assert parts.n_iter_ == whole.n_iter_
    np.testing.assert_allclose(parts.loss_curve_[0], whole.loss_curve_[0])
    early = fitted(X, y, early_stopping=True, n_iter_no_change=2)
    assert early.best_validation_score_ == max(early.validation_scores_)
    scored = MLPClassifier(**PLAN).fit(X, y, X_val=X[:50], y_val=y[:50])
    assert scored.validation_scores_[-1] == scored.score(X[:50], y[:50])
    save_model(early, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), early.predict_proba(X))


def test_a_fit_goes_on_from_its_checkpoint(problem, tmp_path):
    X, y = problem
    how = dict(max_iter=6, learning_rate="cosine")
    whole = fitted(X, y, **how)
    folder = tmp_path / "checkpoints"

    fitted(X, y, **how, checkpoint=folder, checkpoint_every=2, checkpoint_keep=10)
    newest = sorted(folder.iterdir())[-1]
    newest.unlink()
    again = fitted(X, y, **how, checkpoint=folder, resume=True)
    for left, right in zip(again.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(left, right)
    changed = X.copy()
    changed.data[3] += 1
    with pytest.raises(ValueError, match="X has other content"):
        fitted(changed, y, **how, checkpoint=folder, resume=True)


def test_in_a_grid_search(problem):
    X, y = problem
    search = GridSearchCV(MLPClassifier(**PLAN), {"alpha": [1e-4, 1.0]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.6


NETWORK = Network([LayerNorm(), Dense(1)], (93,))


@pytest.mark.parametrize(
    "make, options, message",
    [
        (MLPClassifier, dict(method="sync"), r"sparse, which method='sync' does not"),
        (MLPClassifier, dict(method="assm"), r"method='assm'.*hogwild"),
        (MLPClassifier, dict(method=methods.Hogwild(reads="copy")), r"reads='copy'"),
        (MLPClassifier, dict(schedule=EventDriven(2)), r"set schedule=None"),
        (CNNClassifier, {}, r"X is sparse, and images are not: pass X.toarray\(\)"),
        (NetworkClassifier, dict(network=NETWORK), r"layer 0 \(LayerNorm.*Dense"),
        (
            NetworkClassifier,
            dict(network=Network([Dropout(0.5), Dense(1)], (93,))),
            r"X is sparse, and layer 0 \(Dropout",
        ),
        (
            NetworkClassifier,
            dict(network=Network([Flatten(), Dense(1)], (31, 3, 1))),
            r"X is sparse, and images are not",
        ),
    ],
)
def test_what_does_not_take_it_says_so(problem, make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options).fit(*problem)


@pytest.mark.usefixtures("simulator")
def test_devices_and_gradients_say_so(problem):
    X, y = problem
    with pytest.raises(ValueError, match=r"sparse, which device='cuda' does not take"):
        fitted(X, y, device="cuda")
    model = fitted(X, y, max_iter=1)
    with pytest.raises(ValueError, match=r"X is sparse; pass X.toarray\(\)"):
        check_assumptions(model, X, y)


def test_bad_values(problem):
    X, y = problem
    bad = X.copy()
    bad.data[2] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        fitted(bad, y)
    with pytest.raises(ValueError, match="93 features"):
        fitted(X, y, max_iter=1).predict(X[:, :50])
