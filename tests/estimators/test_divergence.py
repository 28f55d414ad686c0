"""Losses and parameters that are not finite: seen soon, and what is done then."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from hogblock import MLPClassifier, MLPRegressor
from hogblock.engines.cpu.run import Run

pytestmark = pytest.mark.timeout(60)

N = 400
EPOCHS = 30
LONG = 1500


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 5))
    return x, x @ rng.normal(size=5) + 0.1 * rng.normal(size=N)


def estimator(**changes):
    values = dict(hidden_layer_sizes=(8,), random_state=0, learning_rate="cosine")
    values |= dict(batch_size=20, max_iter=EPOCHS)
    return MLPRegressor(**(values | changes))


@pytest.fixture
def spoilt(monkeypatch):
    """``spoilt(epochs)``: a parameter becomes inf once so many epochs are judged."""
    left = []
    poll = Run.poll

    def polled(run):
        poll(run)
        if left and len(run.losses) >= left[0]:
            left.pop()
            run.arrays["params"][3] = np.inf

    monkeypatch.setattr(Run, "poll", polled)
    return left.append


def described(model, data):
    """The fitted attributes are of the model that predicts."""
    assert model.n_iter_ == len(model.loss_curve_)
    assert np.isfinite(model.loss_curve_).all()
    assert all(np.isfinite(c).all() for c in model.coefs_)
    assert np.isfinite(model.predict(data[0])).all()
    assert model.t_ == N * model.n_iter_


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_raise_leaves_the_estimator_as_it_was(data, spoilt, n_jobs):
    model = estimator(n_jobs=n_jobs, max_iter=LONG).fit(*data)
    before = dict(vars(model))
    spoilt(5)
    with pytest.raises(ValueError, match=r"not finite in epoch \d+\. Try a smaller"):
        model.fit(*data)
    assert vars(model) == before


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("method", ["hogwild", "sync", "passm"])
def test_restore_ends_with_the_last_finite_epoch(data, spoilt, method, n_jobs):
    spoilt(5)
    model = estimator(n_jobs=n_jobs, method=method, on_divergence="restore")
    model.set_params(max_iter=LONG)
    with pytest.warns(ConvergenceWarning, match=r"parameters of epoch (\d+) are rest"):
        model.fit(*data)
    described(model, data)
    # Held at no epoch, two workers may be some ahead of the moment.
    assert 5 <= model.n_iter_ < LONG
    assert model.score(*data) > 0.1


def test_a_restored_model_is_that_of_its_epoch(data, spoilt):
    spoilt(5)
    with pytest.warns(ConvergenceWarning, match="of epoch 5 are restored"):
        model = estimator(on_divergence="restore", learning_rate="constant").fit(*data)
    with pytest.warns(ConvergenceWarning, match="max_iter=5"):
        same = estimator(learning_rate="constant", max_iter=5).fit(*data)
    np.testing.assert_array_equal(model.coefs_[0], same.coefs_[0])
    assert model.loss_curve_ == same.loss_curve_
    assert model.loss_ == same.loss_


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_first_epoch_without_a_finite_loss_restores_the_start(data, n_jobs):
    model = estimator(n_jobs=n_jobs, learning_rate_init=1e30, on_divergence="restore")
    with pytest.warns(ConvergenceWarning, match="initial parameters are restored"):
        model.fit(*data)
    described(model, data)
    assert model.n_iter_ == 0 and model.loss_ == np.inf


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_reduce_lr_goes_on_to_the_end(data, n_jobs):
    """A rate that diverges at once, and its fifths one of which does not."""
    model = estimator(n_jobs=n_jobs, learning_rate_init=20.0, on_divergence="reduce_lr")
    with pytest.warns(ConvergenceWarning, match=r"goes on .* times 0\.2") as warned:
        model.fit(*data)
    assert 1 <= len(warned) <= 5
    described(model, data)
    assert model.n_iter_ == EPOCHS and model.score(*data) > 0.1


def test_reduce_lr_goes_on_from_the_epoch_before(data, spoilt):
    first = estimator().fit(*data)
    assert min(first.loss_curve_[:5]) == first.loss_curve_[4]
    spoilt(5)
    with pytest.warns(ConvergenceWarning, match="epoch 6: it goes on from .* epoch 5"):
        model = estimator(on_divergence="reduce_lr").fit(*data)
    assert model.loss_curve_[:5] == first.loss_curve_[:5]
    assert model.loss_curve_[5] != first.loss_curve_[5]
    assert model.n_iter_ == EPOCHS


def test_reduce_lr_goes_back_to_the_lowest_loss(data, spoilt, monkeypatch):
    """Epochs whose losses rose are trained anew, and count once."""
    ask, rising = Run._ask, [3, 4]

    def asked(run, epoch):
        if rising and epoch.index == rising[0]:
            epoch.loss += 10
            rising.pop(0)
        return ask(run, epoch)

    monkeypatch.setattr(Run, "_ask", asked)
    spoilt(5)
    model = estimator(on_divergence="reduce_lr", early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="epoch 6: it goes on from .* epoch 3"):
        model.fit(*data)
    assert model.n_iter_ == len(model.validation_scores_) == len(model.loss_curve_)
    assert model.n_iter_ == EPOCHS and max(model.loss_curve_) < 10


def test_reduce_lr_gives_up(data):
    model = estimator(learning_rate_init=1e30, on_divergence="reduce_lr")
    with pytest.warns(ConvergenceWarning) as warned:
        model.fit(*data)
    assert [("restored" in str(w.message)) for w in warned] == [False] * 5 + [True]


def test_a_loss_that_is_not_finite_ends_the_run_within_the_epoch(data):
    """It would take minutes."""
    x = np.tile(data[0], (500, 1)).astype(np.float32)
    y = np.tile(data[1], 500)
    model = estimator(
        learning_rate_init=1e30, batch_size=1, hidden_layer_sizes=(256, 256)
    )
    with pytest.raises(ValueError, match="not finite in epoch 1"):
        model.fit(x, y)


def test_a_last_step_into_the_boundless_is_seen(data, monkeypatch):
    """Parameters that are finite, whose outputs are not, and which no loss has met."""
    ask = Run._ask

    def asked(run, epoch):
        if epoch.index == EPOCHS - 1:
            epoch.params[:] = run.arrays["params"][:] = 1e30
        return ask(run, epoch)

    monkeypatch.setattr(Run, "_ask", asked)
    with pytest.warns(ConvergenceWarning, match=f"epoch {EPOCHS - 1} are restored"):
        model = estimator(on_divergence="restore").fit(*data)
    described(model, data)


def test_where_reduce_lr_cannot_go_on(data):
    from hogblock.asynchrony import Recording

    model = estimator(on_divergence="reduce_lr", schedule=Recording())
    with pytest.raises(ValueError, match=r"does not go with schedule=Recording"):
        model.fit(*data)


def test_a_classifier_diverges_too(data):
    model = MLPClassifier(
        learning_rate_init=1e30, on_divergence="restore", random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="restored"):
        model.fit(data[0], data[1] > 0)
    assert np.isfinite(model.predict_proba(data[0])).all()
