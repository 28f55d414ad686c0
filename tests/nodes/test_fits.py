"""Fits on a real local cluster: what they leave, and what all nodes agree on."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor, load_model, save_model
from hogblock.distributed import Averaging, Ray
from hogblock.methods import Hogwild

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:max_iter"),
    pytest.mark.usefixtures("nodes"),
]

X, Y = load_digits(return_X_y=True)
ROWS = 1400
EPOCHS = 100
PLAN = dict(learning_rate="cosine", learning_rate_init=0.05, max_iter=EPOCHS)


def model(nodes=2, **changes):
    """A classifier on nodes of the cluster."""
    options = {n: changes.pop(n) for n in ("averaging", "sampling") if n in changes}
    plan = dict(device=Ray(nodes=nodes, **options), random_state=0) | PLAN
    return MLPClassifier((32,), **plan | changes)


def check(fitted, nodes, workers=1, epochs=EPOCHS, rows=ROWS):
    """Attributes describe the model: samples, steps, losses, reports."""
    assert fitted.n_iter_ == len(fitted.loss_curve_) == epochs
    assert fitted.device_ == "ray" and fitted.n_workers_ == nodes * workers
    assert fitted.t_ == rows * epochs == sum(n.samples for n in fitted.nodes_)
    assert [n.node for n in fitted.nodes_] == list(range(nodes))
    assert sum(n.steps for n in fitted.nodes_) == fitted.steps_per_worker_.sum()
    assert len(fitted.steps_per_worker_) == nodes * workers
    assert all(n.workers == workers and n.restarts == 0 for n in fitted.nodes_)
    rounds = fitted.rounds_
    assert (np.diff(rounds.seconds) >= 0).all() and (np.diff(rounds.bytes) >= 0).all()
    assert len(rounds.epoch_bytes) == len(rounds.epoch_seconds) == epochs
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]
    assert fitted.score(X[ROWS:], Y[ROWS:]) > 0.85


@pytest.mark.parametrize(
    "averaging",
    [
        Averaging(),
        Averaging(every=5),
        Averaging(every=5, compression="int8"),
        Averaging(every=5, compression="bfloat16"),
        Averaging(every=10, outer_momentum=0.4),
        Averaging(topology="ring", every=5),
        Averaging(topology="ring", every=5, compression="int8"),
    ],
    ids=str,
)
def test_every_way_of_averaging_trains(averaging):
    fitted = model(nodes=3, averaging=averaging).fit(X[:ROWS], Y[:ROWS])
    check(fitted, nodes=3)
    exchanges = [n.exchanges for n in fitted.nodes_]
    size = 4 * fitted._params.size
    each = {None: size, "bfloat16": size // 2, "int8": size / 4 + 4 * 3}
    least = min(exchanges) * each[averaging.compression]
    assert min(exchanges) > 0
    assert all(n.bytes_sent >= least * 0.99 for n in fitted.nodes_)
    assert all(n.seconds_waited == 0 for n in fitted.nodes_)


def test_several_workers_a_node_and_samples_of_their_own():
    fitted = model(n_jobs=2, sampling="own").fit(X[:ROWS], Y[:ROWS])
    check(fitted, nodes=2, workers=2)
    assert fitted.staleness_.shape == fitted.overlap_.shape
    halves = [n.samples for n in fitted.nodes_]
    assert halves == [EPOCHS * ROWS // 2] * 2


@pytest.mark.parametrize("method", ["sgd", "sync", "passm", Hogwild(atomic=True)])
def test_every_method_runs_on_nodes(method):
    workers = 1 if method == "sgd" else 2
    fitted = model(method=method, n_jobs=workers).fit(X[:ROWS], Y[:ROWS])
    check(fitted, nodes=2, workers=workers, rows=ROWS)


def test_one_node_without_company_is_the_fit_of_one_machine():
    """Its average is its own model: nothing is added to it."""
    alone = model(nodes=1, method="sgd").fit(X[:ROWS], Y[:ROWS])
    local = model(method="sgd", device="cpu").fit(X[:ROWS], Y[:ROWS])
    # But for the penalty, which is that of the average by then.
    np.testing.assert_allclose(alone.loss_curve_, local.loss_curve_, rtol=1e-2)
    for a, b in zip(alone.coefs_, local.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_images_and_regressions_train_too():
    images = CNNClassifier(
        ((8, 3),), hidden_layer_sizes=(16,), image_shape=(8, 8),
        device=Ray(), random_state=0, **PLAN | dict(max_iter=20),
    )  # fmt: skip
    assert images.fit(X[:ROWS], Y[:ROWS]).score(X[ROWS:], Y[ROWS:]) > 0.85
    values = X @ np.random.default_rng(0).normal(size=64)
    real = MLPRegressor((16,), device=Ray(), random_state=0, **PLAN)
    assert real.fit(X[:ROWS], values[:ROWS]).score(X[ROWS:], values[ROWS:]) > 0.9


def test_sample_weights_reach_the_nodes():
    doubled = np.where(Y == 3, 0.0, 1.0)
    fitted = model().fit(X[:ROWS], Y[:ROWS], sample_weight=doubled[:ROWS])
    assert not (fitted.predict(X) == 3).any()


def test_nodes_wait_for_each_other_where_an_epoch_decides():
    """With a validation set: scores are of the exact average."""
    fitted = model(learning_rate="constant", max_iter=6, early_stopping=True)
    fitted.fit(X[:ROWS], Y[:ROWS], X_val=X[ROWS:], y_val=Y[ROWS:])
    assert len(fitted.validation_scores_) == fitted.n_iter_ == 6
    best = max(fitted.validation_scores_)
    assert fitted.best_validation_score_ == best > 0.85
    assert fitted.score(X[ROWS:], Y[ROWS:]) == best


def test_tol_ends_all_nodes_at_the_same_epoch():
    fitted = model(learning_rate="constant", max_iter=300, tol=0.05, n_jobs=2)
    fitted.set_params(n_iter_no_change=2).fit(X[:ROWS], Y[:ROWS])
    assert fitted.n_iter_ < 300
    assert fitted.t_ == ROWS * fitted.n_iter_
    last = model(learning_rate="adaptive", max_iter=300, tol=0.05)
    last.set_params(n_iter_no_change=2).fit(X[:ROWS], Y[:ROWS])
    assert last.n_iter_ < 300 and last.t_ == ROWS * last.n_iter_
    assert last._carried.rate_factor < 1


def test_training_goes_on_from_call_to_call():
    fitted = model()
    for _ in range(3):
        fitted.partial_fit(X[:ROWS], Y[:ROWS], classes=np.arange(10))
    assert fitted.n_iter_ == 3 and fitted.t_ == 3 * ROWS


def test_divergence_is_seen():
    with pytest.raises(ValueError, match="training diverged"):
        model(learning_rate_init=1e4).fit(X[:ROWS], Y[:ROWS])


def test_checkpoints_are_of_the_average(tmp_path):
    plan = dict(checkpoint=tmp_path, checkpoint_every=3, max_iter=6, batch_size=16)
    first = model(**plan).fit(X[:ROWS], Y[:ROWS])
    check(first, nodes=2, epochs=6)
    again = model(**plan, resume=True).fit(X[:ROWS], Y[:ROWS])
    assert again.loss_curve_ == first.loss_curve_
    for a, b in zip(again.coefs_, first.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    longest = max(tmp_path.glob("*"))
    longest.unlink()
    again = model(**plan, resume=True).fit(X[:ROWS], Y[:ROWS])
    assert again.loss_curve_[:3] == first.loss_curve_[:3] and again.n_iter_ == 6


def test_reports_and_options_are_saved(tmp_path):
    device = Ray(averaging=Averaging(every=7, compression="bfloat16"), min_nodes=2)
    fitted = clone(model()).set_params(device=device, max_iter=2)
    fitted.fit(X[:ROWS], Y[:ROWS])
    save_model(fitted, tmp_path / "model")
    found = load_model(tmp_path / "model")
    assert found.device == device and found.nodes_ == fitted.nodes_
    np.testing.assert_array_equal(found.rounds_.bytes, fitted.rounds_.bytes)
    np.testing.assert_array_equal(found.predict(X), fitted.predict(X))


def test_nodes_train_on_cards():
    """Simulated ones."""
    device = Ray(device="cuda", averaging=Averaging(every=2))
    fitted = MLPClassifier(
        (4,), device=device, n_jobs=1, max_iter=2, learning_rate="cosine",
        batch_size=16, random_state=0,
    ).fit(X[:64, :4], Y[:64])  # fmt: skip
    assert fitted.n_iter_ == 2 and fitted.t_ == 2 * 64
    assert fitted.method_ == "passm+" and fitted.device_ == "ray"
    assert [node.samples for node in fitted.nodes_] == [2 * 32] * 2
