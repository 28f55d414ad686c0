"""Checkpoints: a fit goes on from its file as if it had never been stopped."""

import copy

import numpy as np
import pytest
from sklearn.base import clone

from hogblock import (
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    methods,
    models,
)
from hogblock.asynchrony import Law
from hogblock.estimators.continued import Standing
from hogblock.estimators.targets import ClassTargets
from hogblock.saving.checkpoint import FOLLOWED, Checkpoint, random_before
from hogblock.saving.facts import FREE, facts_of
from hogblock.saving.file import reading, write
from hogblock.training.stopping import Monitor
from support.resumed import following
from support.same import difference

pytestmark = pytest.mark.timeout(100)
RANDOM = np.random.default_rng(0)
X = RANDOM.random((60, 6))
Y = np.arange(60) % 3
IMAGES = RANDOM.random((40, 6, 6)).astype(np.float32)
HELD = dict(on_divergence="reduce_lr", batch_size=16)  # states of all epochs are kept
PLAIN = MLPClassifier((5,), max_iter=6, learning_rate="cosine", random_state=0, **HELD)
FITS = {
    "plain": (PLAIN, X, Y, {}),
    "adaptive": (
        MLPRegressor((5,), "tanh", learning_rate="adaptive", tol=0.1, max_iter=40,
            n_iter_no_change=2, method=methods.PASSMPlus(), dropout=0.2,
            random_state=np.random.RandomState(3), **HELD),
        X, X.sum(1), {"sample_weight": np.arange(60.0)},
    ),
    "scored": (
        MLPClassifier((5,), early_stopping=True, max_iter=30, n_iter_no_change=4,
            class_weight="balanced", **HELD),
        X, np.array(["a", "b"])[Y % 2], {},
    ),
    "images": (
        CNNClassifier(((4, 3),), hidden_layer_sizes=(), max_iter=5,
            learning_rate="step", random_state=1, **HELD),
        IMAGES, Y[:40], {"X_val": IMAGES[:10], "y_val": Y[:10]},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoint") / "epoch"


def fitted(model, *data, resumed=None, **others):
    """A fit of a copy, and its checkpoints."""
    checkpoints = []
    with following(lambda each, monitor: checkpoints.append(each), resumed):
        model = copy.deepcopy(model)
        return model.fit(*data, **others), checkpoints


def stored(checkpoint, path):
    write(path, *checkpoint.packed())
    return Checkpoint.read(path)


def left(model):
    timed = ("training_seconds_",)
    return {n: v for n, v in sorted(vars(model).items()) if n not in timed}


@pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("model", "x", "y", "others"), FITS.values(), ids=FITS)
def test_a_fit_goes_on_bit_for_bit(path, model, x, y, others):
    whole, checkpoints = fitted(model, x, y, **others)
    assert len(checkpoints) == whole.n_iter_ > 4
    found = stored(checkpoints[2], path)
    assert difference(found.state.arrays, checkpoints[2].state.arrays) is None
    assert difference(found.followed, checkpoints[2].followed) is None
    assert difference(found.random, checkpoints[2].random) is None
    rest, further = fitted(model, x, y, resumed=found, **others)
    assert [each.state.epochs for each in further] == [*range(4, whole.n_iter_ + 1)]
    assert difference(left(rest), left(whole)) is None


def test_all_that_a_monitor_comes_to_is_kept():
    given = {"schedule", "rate", "tol", "patience", "early_stopping", "penalty"}
    given |= {"score", "report", "outputs_finite"}
    others = {"diverged", "finite_params"}  # none diverged; those of the state
    assert given | others | set(FOLLOWED) == set(Monitor.__dataclass_fields__)


def test_what_was_kept_does_not_change_later(path):
    _, checkpoints = fitted(PLAIN, X, Y)
    assert [len(each.followed["losses"]) for each in checkpoints] == [1, 2, 3, 4, 5, 6]
    monitor = Monitor(None, 1.0, 1.0, 1.0, False, lambda params: 0.0, None)
    checkpoints[1].restore(monitor)
    monitor.losses.append(1.0)
    assert len(checkpoints[1].followed["losses"]) == 2
    assert monitor.finite_params is checkpoints[1].state.params


def test_a_number_is_its_own_random_state():
    assert random_before(3) is None and random_before(np.int64(3)) is None
    own = np.random.RandomState(3)
    before = random_before(own)
    assert before is not own and difference(before, own) is None
    assert difference(random_before(None), np.random.mtrand._rand) is None


@pytest.fixture(scope="module")
def kept(path):
    """A checkpoint that was read."""
    return stored(fitted(PLAIN, X, Y)[1][2], path)


OTHERS = {
    "alpha": (dict(alpha=0.5), {}, "alpha was 0.0001, and is 0.5 now"),
    "layers": (dict(hidden_layer_sizes=(7,)), {},
        r"hidden_layer_sizes was \(5,\), and is \(7,\) now"),
    "method": (dict(method=methods.PASSMPlus(scope="suffix")), {},
        "method was 'auto', and is PASSMPlus"),
    "epochs of a plan": (dict(max_iter=7), {}, "max_iter was 6, and is 7 now"),
    "seed": (dict(random_state=1), {}, "random_state was 0, and is 1 now"),
    "RandomState": (dict(random_state=np.random.RandomState(0)), {},
        "random_state was 0, and is 'a RandomState' now"),
    "features": ({}, dict(X=X[:, :5]),
        r"shape of a sample was \(6,\), and is \(5,\) now"),
    "classes": ({}, dict(y=Y + 1), r"classes was .*\[0, 1, 2\].* is .*\[1, 2, 3\]"),
    "fewer classes": ({}, dict(y=Y % 2), "kind of targets was 'multiclass'"),
    "other X": ({}, dict(X=X + 1e-12), "X has other content than it had"),
    "other y": ({}, dict(y=Y[::-1].copy()), "y has other content than it had"),
    "weights": ({}, dict(sample_weight=np.ones(60)), "sample_weight was not there"),
    "validation": ({}, dict(X_val=X, y_val=Y), "X_val was not there, and is now"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "data", "what"), OTHERS.values(), ids=OTHERS)
def test_what_differs_is_named_before_anything_is_done(kept, options, data, what):
    model = clone(PLAIN).set_params(**options)
    with pytest.raises(ValueError, match=rf"(?s)^{what}"):
        fitted(model, **dict(X=X, y=Y) | data, resumed=kept)
    assert not hasattr(model, "coefs_")


def test_a_warm_start_is_another_fit(kept):
    model = clone(PLAIN).set_params(warm_start=True)
    with pytest.raises(ValueError, match=r"^warm_start was False, and is True now"):
        fitted(model, X, Y, resumed=kept)
    cold = stored_fit(model)
    with pytest.raises(ValueError, match=r"^warm of the model before the fit was Fal"):
        fitted(model.fit(X, Y), X, Y, resumed=cold)


def stored_fit(model):
    return fitted(clone(model), X, Y)[1][2]


FREELY = dict(
    n_jobs=1, verbose=False, tol=0.5, n_iter_no_change=3, checkpoint="x",
    checkpoint_every=2, checkpoint_keep=1, resume=True, max_worker_restarts=3,
    memmap_dir="/tmp", max_iter=4, device="cpu", on_divergence="reduce_lr",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
def test_what_may_change_may_change():
    assert FREELY.keys() == FREE
    model = clone(PLAIN).set_params(learning_rate="constant", max_iter=3)
    checkpoint = stored_fit(model)
    rest, _ = fitted(model.set_params(**FREELY), X, Y, resumed=checkpoint)
    assert rest.n_iter_ == 4


def test_a_network_of_a_function_is_compared_and_the_function_is_not(path):
    def network(shape, n_outputs):
        return models.Network([models.Dense(n_outputs, "tanh")], shape)

    model = NetworkClassifier(network, max_iter=5, learning_rate="cosine", **HELD)
    found = stored(fitted(model, X, Y)[1][2], path)
    model.network = lambda *shapes: network(*shapes)
    assert fitted(model, X, Y, resumed=found)[0].n_iter_ == 5
    model.network = lambda *_: models.Network([models.Dense(3)], (6,))
    with pytest.raises(ValueError, match=r"^the network was .*tanh.*, and is .*ident"):
        fitted(model, X, Y, resumed=found)


def test_what_cannot_be_stored_is_named():
    given = models.lenet5(), ClassTargets.of(Y), Standing(False, False), 0
    with pytest.raises(ValueError, match=r"^schedule=Law.* cannot be stored"):
        facts_of(MLPClassifier(schedule=Law(2)), *given)
    with pytest.raises(ValueError, match=r"^random_state=.* cannot be stored"):
        random_before(np.random.RandomState(np.random.PCG64(0)))


def changed(name, value):
    def edit(about, arrays):
        about[name] = value

    return edit


def in_state(name, value):
    def edit(about, arrays):
        arrays[name] = value

    return edit


TAMPERED = {
    "kind": (changed("kind", "model"), "kind is 'model', and must be 'checkpoint'"),
    "epochs": (changed("epochs", -1), "epochs is impossible: -1"),
    "other epochs": (changed("epochs", 4), "losses are of 3 epochs, and epochs are 4"),
    "losses": (changed("losses", [1]), r"losses is impossible: \[1\]"),
    "seconds": (changed("seconds", "1"), "seconds is impossible"),
    "arrays": (changed("arrays", []), "arrays is impossible"),
    "monitor": (changed("monitor", {"dict": []}), "monitor is impossible"),
    "random": (changed("random", 3), "random is impossible: 3"),
    "reductions": (changed("reductions", None), "reductions is impossible"),
    "facts": (changed("facts", []), "facts are missing"),
    "data": (changed("data", None), "data are missing"),
    "fingerprint": (changed("data", {"X": {"shape": []}}), "X of the data is no fing"),
    "shape": (
        changed("data", {"X": dict(shape=3, dtype="", content="")}),
        "shape of X of the data is missing",
    ),
    "parameters": (in_state("params", np.zeros(3)), "'params' is float64, and must"),
    "surplus": (in_state("more", np.zeros(3)), "array 'more' belongs to nothing"),
    "missing": (lambda about, arrays: about.pop("seconds"), "seconds is missing"),
}


@pytest.mark.parametrize(("edit", "what"), TAMPERED.values(), ids=TAMPERED)
def test_a_file_that_was_tampered_with_is_refused(path, kept, edit, what):
    about, arrays = kept.packed()
    about, arrays = copy.deepcopy(about), dict(arrays)
    edit(about, arrays)
    write(path, about, arrays)
    with pytest.raises(ValueError, match=rf"epoch: .*{what}"):
        Checkpoint.read(path)


def test_the_file_names_its_versions(path, kept):
    stored(kept, path)
    with reading(path) as contents:
        assert contents.about["versions"].keys() == {"hogblock", "numpy", "python"}
