"""Checkpoints: what is in their files, and which fit may go on with one."""

import copy
import os

import numpy as np
import pytest
from sklearn.base import clone

from hogblock import MLPClassifier, NetworkClassifier, methods, models
from hogblock.asynchrony import Law
from hogblock.estimators.continued import Standing
from hogblock.estimators.targets import ClassTargets
from hogblock.saving.checkpoint import FOLLOWED, Checkpoint, followed_by
from hogblock.saving.checkpoints import Checkpoints
from hogblock.saving.facts import FREE, check_facts, facts_of
from hogblock.saving.file import reading, write
from hogblock.saving.folder import Folder
from hogblock.training.stopping import Monitor
from support.same import difference

pytestmark = pytest.mark.timeout(60)
X = np.random.default_rng(0).random((60, 6))
Y = np.arange(60) % 3
PLAIN = MLPClassifier(
    (5,), max_iter=3, learning_rate="cosine", random_state=0, batch_size=16
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoints of `PLAIN`."""
    path = tmp_path_factory.mktemp("plain")
    clone(PLAIN).set_params(checkpoint=path).fit(X, Y)
    return path


@pytest.fixture(scope="module")
def kept(folder):
    """The last one."""
    return Checkpoint.read(folder / "epoch-000003.safetensors")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoint") / "epoch"


def stored(checkpoint, path):
    write(path, *checkpoint.packed())
    return Checkpoint.read(path)


def test_all_of_it_is_in_the_file(kept, path):
    monitor = Monitor(None, 1.0, 1.0, 1.0, False, lambda params: 0.0, None)
    monitor.losses, monitor.best_loss, monitor.stalled = [0.5, 0.25, 0.1], 0.1, 2
    monitor.scores, monitor.best_score = [0.1] * 3, -np.inf
    monitor.best_params, monitor.converged = kept.state.params[::-1].copy(), True
    random = np.random.RandomState(3)
    whole = Checkpoint(
        kept.facts, kept.data, random, kept.state, followed_by(monitor), 2
    )
    assert difference(stored(whole, path), whole) is None
    assert kept.state.epochs == 3 and kept.state.losses != monitor.losses


def test_all_that_a_monitor_comes_to_is_kept():
    given = {"schedule", "rate", "tol", "patience", "early_stopping", "penalty"}
    given |= {"score", "report", "outputs_finite"}
    others = {"diverged", "finite_params"}  # none diverged; those of the state
    assert given | others | set(FOLLOWED) == set(Monitor.__dataclass_fields__)


def test_what_was_kept_does_not_change_later(kept):
    monitor = Monitor(None, 1.0, 1.0, 1.0, False, lambda params: 0.0, None)
    kept.restore(monitor)
    assert monitor.finite_params is kept.state.params
    followed = followed_by(monitor)
    monitor.losses.append(1.0)
    assert len(kept.followed["losses"]) == len(followed["losses"]) == 3


OTHERS = {
    "alpha": (dict(alpha=0.5), {}, "alpha was 0.0001, and is 0.5 now"),
    "layers": (dict(hidden_layer_sizes=(7,)), {},
        r"hidden_layer_sizes was \(5,\), and is \(7,\) now"),
    "method": (dict(method=methods.PASSMPlus(scope="suffix")), {},
        "method was 'auto', and is PASSMPlus"),
    "epochs of a plan": (dict(max_iter=7), {}, "max_iter was 3, and is 7 now"),
    "seed": (dict(random_state=1), {}, "random_state was 0, and is 1 now"),
    "RandomState": (dict(random_state=np.random.RandomState(0)), {},
        "random_state was 0, and is 'a RandomState' now"),
    "warm": (dict(warm_start=True), {}, "warm_start was False, and is True now"),
    "features": ({}, dict(X=X[:, :5]),
        r"shape of a sample was \(6,\), and is \(5,\) now"),
    "classes": ({}, dict(y=Y + 1), r"classes was .*\[0, 1, 2\].* is .*\[1, 2, 3\]"),
    "fewer classes": ({}, dict(y=Y % 2), "kind of targets was 'multiclass'"),
    "other X": ({}, dict(X=X + 1e-12), "X has other content than it had"),
    "other y": ({}, dict(y=Y[::-1].copy()), "y has other content than it had"),
    "weights": ({}, dict(sample_weight=np.ones(60)), "sample_weight had shape"),
    "validation": ({}, dict(X_val=X, y_val=Y), "X_val was not there, and is now"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "data", "what"), OTHERS.values(), ids=OTHERS)
def test_what_differs_is_named_and_nothing_changes(folder, options, data, what):
    model = clone(PLAIN).set_params(checkpoint=folder, resume=True, **options)
    before = {each: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(ValueError, match=rf"^checkpoint=.* is of another fit: {what}"):
        model.fit(**dict(X=X, y=Y) | data)
    assert not hasattr(model, "coefs_")
    assert before == {each: each.read_bytes() for each in folder.iterdir()}


FREELY = dict(
    n_jobs=1, verbose=False, tol=0.5, n_iter_no_change=3, checkpoint_every=2,
    checkpoint_keep=1, resume=True, max_worker_restarts=3, memmap_dir="/tmp",
    callbacks=[], max_iter=4, device="cpu", on_divergence="restore",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
def test_what_may_change_may_change(tmp_path):
    assert {*FREELY, "checkpoint"} == FREE
    model = clone(PLAIN).set_params(learning_rate="constant", checkpoint=tmp_path)
    model.fit(X, Y)
    assert model.set_params(**FREELY).fit(X, Y).n_iter_ == 4


def test_a_network_of_a_function_is_compared_and_the_function_is_not(tmp_path):
    def network(shape, n_outputs):
        return models.Network([models.Dense(n_outputs, "tanh")], shape)

    options = dict(max_iter=3, learning_rate="cosine", checkpoint=tmp_path)
    model = NetworkClassifier(network, **options).fit(X, Y)
    model.set_params(network=lambda *shapes: network(*shapes), resume=True)
    assert model.fit(X, Y).n_iter_ == 3
    model.network = lambda *_: models.Network([models.Dense(3)], (6,))
    with pytest.raises(ValueError, match=r"the network was .*tanh.*, and is .*identi"):
        model.fit(X, Y)


def test_a_fact_of_another_version_is_named(kept):
    for before, now in (kept.facts, {}), ({}, kept.facts), ({"alpha": 1}, kept.facts):
        with pytest.raises(ValueError, match=r"is known to one of the two versions"):
            check_facts(before, now)
    shown = {n: each | {"shown": "else"} for n, each in kept.facts.items()}
    check_facts(kept.facts, shown)


def test_what_cannot_be_stored_is_named():
    given = models.lenet5(), ClassTargets.of(Y), Standing(False, False), 0
    with pytest.raises(ValueError, match=r"^schedule=Law.* cannot be stored"):
        facts_of(MLPClassifier(schedule=Law(2)), *given)
    odd = np.random.RandomState(np.random.PCG64(0))
    with pytest.raises(ValueError, match=r"^random_state=.* cannot be stored"):
        facts_of(MLPClassifier(random_state=odd), *given)


def test_what_cannot_be_begun_holds_nothing(tmp_path):
    (tmp_path / "epoch-000001.safetensors").touch()
    with pytest.raises(ValueError, match="no whole checkpoint"):
        Checkpoints(tmp_path, 1, True)
    Folder(tmp_path, 1, True).close()
    assert os.listdir(tmp_path) == ["epoch-000001.safetensors"]


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
