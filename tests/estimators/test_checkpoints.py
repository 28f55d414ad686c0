"""Fits that are stopped, and go on from their checkpoints as if they had not been."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor, load_model, save_model
from hogblock.asynchrony import Recording
from hogblock.engines.cpu.run import Run
from support.behind import behind

pytestmark = pytest.mark.timeout(60)

EPOCHS, STOPPED = 12, 7
OWN = {"training_seconds_", "_random_state", "_seed"}
"""Attributes that tell of the process, not of the model."""


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    return x, (x[:, 0] > 0).astype(int)


@pytest.fixture
def stopped(monkeypatch):
    """``stopped(epochs)``: the next run ends with an error after so many."""
    left = []
    poll = Run.poll

    def polled(run):
        if left and len(run.losses) >= left[0]:
            left.pop()
            raise InterruptedError
        poll(run)

    monkeypatch.setattr(Run, "poll", polled)
    return left.append


def classifier(**changes):
    values = dict(hidden_layer_sizes=(8,), random_state=0, learning_rate="cosine")
    values |= dict(batch_size=20, max_iter=EPOCHS)
    return MLPClassifier(**(values | changes))


def epochs_in(folder):
    return sorted(int(path.stem[-6:]) for path in Path(folder).glob("epoch-*"))


def same(model, other):
    """All fitted attributes are equal."""
    for name, value in vars(other).items():
        if name.endswith("_") and name not in OWN:
            found = getattr(model, name)
            if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
                for a, b in zip(found, value, strict=True):
                    np.testing.assert_array_equal(a, b, err_msg=name)
            else:
                np.testing.assert_array_equal(found, value, err_msg=name)


CASES = {
    "planned": dict(),
    "passm+": dict(method="passm+", nesterovs_momentum=False),
    "adaptive": dict(learning_rate="adaptive", tol=0.1, n_iter_no_change=1),
    "invscaling": dict(learning_rate="invscaling", tol=0.0),
    "early stopping": dict(early_stopping=True, learning_rate="constant", dropout=0.2),
    "generator": dict(random_state=3, early_stopping=True, tol=0.0),
    "every third": dict(checkpoint_every=3),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES)
def test_one_worker_goes_on_bit_for_bit(data, stopped, tmp_path, case):
    def make(**changes):
        options = CASES[case] | changes
        if case == "generator":
            options["random_state"] = np.random.RandomState(options["random_state"])
        return classifier(**options)

    whole = make().fit(*data)
    stopped(STOPPED)
    with pytest.raises(InterruptedError):
        make(checkpoint=tmp_path).fit(*data)
    # The state of another generator is not looked at: that of the first fit is kept.
    model = make(checkpoint=tmp_path, resume=True).fit(*data)
    same(model, whole)
    assert model.n_iter_ > STOPPED or case == "adaptive"


def test_images_and_regressions_go_on_bit_for_bit(data, stopped, tmp_path):
    x = np.random.default_rng(1).integers(0, 256, (120, 6, 6), np.uint8)
    y = np.arange(120) % 3
    cnn = dict(conv_layers=((4, 3),), random_state=0, learning_rate="cosine")
    real = dict(learning_rate="cosine", random_state=0, loss="huber")
    for k, (make, options, given) in enumerate(
        [(CNNClassifier, cnn, (x, y)), (MLPRegressor, real, (data[0], data[0].T[0]))]
    ):
        whole = make(max_iter=6, **options).fit(*given)
        folder = tmp_path / str(k)
        stopped(3)
        with pytest.raises(InterruptedError):
            make(max_iter=6, checkpoint=folder, **options).fit(*given)
        same(
            make(max_iter=6, checkpoint=folder, resume=True, **options).fit(*given),
            whole,
        )


@pytest.mark.parametrize("method", ["sync", "thinned"])
def test_two_workers_go_on(data, stopped, tmp_path, method):
    options = dict(method=method, n_jobs=2)
    whole = classifier(checkpoint=tmp_path / "whole", **options).fit(*data)
    options["checkpoint"] = tmp_path / "stopped"
    stopped(STOPPED)
    with pytest.raises(InterruptedError):
        classifier(**options).fit(*data)
    model = classifier(resume=True, **options).fit(*data)
    assert model.n_iter_ == EPOCHS and model.t_ == EPOCHS * 300
    assert model.steps_per_worker_.sum() == whole.steps_per_worker_.sum()
    assert model.score(*data) > 0.8
    if method == "sync":
        same(model, whole)


def test_without_a_random_state_a_fit_goes_on_with_what_was_drawn(
    data, stopped, tmp_path
):
    options = dict(random_state=None, early_stopping=True, checkpoint=tmp_path)
    stopped(STOPPED)
    with pytest.raises(InterruptedError):
        classifier(**options).fit(*data)
    # The seed of the run and the validation set are facts, which are compared.
    model = classifier(resume=True, **options).fit(*data)
    assert STOPPED < model.n_iter_ <= EPOCHS


def test_the_last_few_are_kept(data, tmp_path):
    """Where epochs are shorter than a write, some have none."""
    classifier(checkpoint=tmp_path, checkpoint_keep=2, checkpoint_every=5).fit(*data)
    epochs = epochs_in(tmp_path)
    assert epochs[-1] == EPOCHS and len(epochs) <= 2 and set(epochs) <= {5, 10, 12}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_is_over_is_what_it_was_or_goes_further(data, tmp_path):
    options = dict(learning_rate="constant", tol=0.0, n_iter_no_change=10**6)
    whole = classifier(**options).fit(*data)
    first = classifier(checkpoint=tmp_path, max_iter=5, **options).fit(*data)
    again = classifier(checkpoint=tmp_path, max_iter=5, resume=True, **options)
    same(again.fit(*data), first)
    further = classifier(checkpoint=tmp_path, resume=True, **options).fit(*data)
    same(further, whole)
    shorter = classifier(checkpoint=tmp_path, resume=True, max_iter=2, **options)
    same(shorter.fit(*data), whole)


def test_a_fit_that_converged_stays_so(data, tmp_path):
    options = dict(learning_rate="constant", tol=10.0, n_iter_no_change=2)
    whole = classifier(checkpoint=tmp_path, **options).fit(*data)
    again = classifier(checkpoint=tmp_path, resume=True, max_iter=500, **options)
    same(again.fit(*data), whole)
    assert whole.n_iter_ < EPOCHS


def test_resume_begins_where_there_is_nothing(data, tmp_path):
    model = classifier(checkpoint=tmp_path / "new", resume=True).fit(*data)
    same(model, classifier().fit(*data))


def test_reduced_rates_stay_reduced(data, stopped, tmp_path):
    options = dict(on_divergence="reduce_lr", learning_rate_init=20.0, batch_size=20)

    def make(**changes):
        return MLPRegressor(
            (8,), random_state=0, max_iter=EPOCHS, learning_rate="cosine",
            **(options | changes),
        )  # fmt: skip

    given = data[0], data[0][:, 0] * 3
    with pytest.warns(ConvergenceWarning, match="goes on"):
        whole = make().fit(*given)
    stopped(STOPPED)
    with (
        pytest.warns(ConvergenceWarning, match="goes on"),
        pytest.raises(InterruptedError),
    ):
        make(checkpoint=tmp_path).fit(*given)
    same(make(checkpoint=tmp_path, resume=True).fit(*given), whole)


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """Checkpoints of a fit that is over."""
    path = tmp_path_factory.mktemp("checkpoints")
    classifier(checkpoint=path).fit(*data)
    return path


X, Y = np.random.default_rng(1).normal(size=(300, 6)), np.arange(300) % 2


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        (dict(hidden_layer_sizes=(9,)), {}, r"hidden_layer_sizes was \(8,\), and is"),
        (dict(alpha=0.1), {}, "alpha was 0.0001, and is 0.1"),
        (dict(max_iter=20), {}, "max_iter was 12, and is 20"),
        (dict(random_state=1), {}, "random_state was 0"),
        (dict(learning_rate="constant"), {}, "learning_rate was 'cosine'"),
        ({}, dict(X=X), "X has other content"),
        ({}, dict(X=np.hstack([X, X])), r"shape of a sample was \(6,\), and is"),
        ({}, dict(y=Y), "y has other content"),
        ({}, dict(y=Y + 1), "classes was"),
        ({}, dict(sample_weight=np.ones(300)), r"sample_weight had shape \(0,\)"),
        ({}, dict(X_val=X, y_val=Y), "X_val was not there"),
    ],
)
def test_checkpoints_of_another_fit_are_refused(data, folder, changes, given, message):
    model = classifier(checkpoint=folder, resume=True, **changes)
    before, files = dict(vars(model)), epochs_in(folder)
    with pytest.raises(ValueError, match=message):
        model.fit(**(dict(X=data[0], y=data[1]) | given))
    assert vars(model) == before and epochs_in(folder) == files


def test_a_folder_with_checkpoints_is_never_written_over(data, folder):
    files = epochs_in(folder)
    with pytest.raises(ValueError, match=r"holds checkpoints of another fit.*resume=T"):
        classifier(checkpoint=folder).fit(*data)
    assert epochs_in(folder) == files


def test_a_damaged_checkpoint_is_left_out(data, tmp_path):
    whole = classifier(checkpoint=tmp_path).fit(*data)
    whole_one = tmp_path / "epoch-000012.safetensors"
    (tmp_path / "epoch-000013.safetensors").write_bytes(whole_one.read_bytes()[:-9])
    with pytest.warns(UserWarning, match=r"epoch-000013\.safetensors.*after epoch 12"):
        model = classifier(checkpoint=tmp_path, resume=True).fit(*data)
    same(model, whole)


def test_two_fits_never_share_a_folder(data, tmp_path):
    found = []

    def fit_too(run, *arguments):
        monkeypatch.undo()
        try:
            classifier(checkpoint=tmp_path, resume=True).fit(*data)
        except ValueError as error:
            found.append(str(error))
        return Run.poll(run, *arguments)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Run, "poll", fit_too)
        classifier(checkpoint=tmp_path).fit(*data)
    assert len(found) == 1 and "is in use by another fit" in found[0]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_full_disk_ends_no_training(data, tmp_path, monkeypatch, n_jobs):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="could not be written, and training goes on"):
        model = classifier(checkpoint=tmp_path, n_jobs=n_jobs).fit(*data)
    assert model.n_iter_ == EPOCHS
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_the_model_and_a_checkpoint(data, tmp_path):
    options = dict(checkpoint=tmp_path, learning_rate="constant", max_iter=10**6)
    options |= dict(tol=0.0, n_iter_no_change=np.inf)
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = classifier(**options).fit(*data)
    assert epochs_in(tmp_path)[-1] == model.n_iter_
    options["max_iter"] = model.n_iter_ + 3
    with pytest.warns(ConvergenceWarning):
        further = classifier(resume=True, **options).fit(*data)
    assert further.loss_curve_[: model.n_iter_] == model.loss_curve_


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(checkpoint=None, resume=True), "resume=True needs checkpoint="),
        (dict(schedule=Recording()), r"does not go with schedule=Recording"),
    ],
)
def test_fits_that_have_no_checkpoints(data, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        classifier(**(dict(checkpoint=tmp_path) | changes)).fit(*data)


def test_partial_fit_has_none(data, tmp_path):
    with pytest.raises(ValueError, match="partial_fit does not support checkpoint="):
        classifier(checkpoint=tmp_path).partial_fit(*data, classes=[0, 1])


def test_a_saved_model_trains_on_from_its_file(data, tmp_path):
    """A warm start is another fit than a cold one, also in its checkpoints."""
    first = classifier(warm_start=True).fit(*data)
    save_model(first, tmp_path / "model.safetensors")
    folder = tmp_path / "checkpoints"
    whole = first.set_params(checkpoint=folder).fit(*data)
    (folder / "epoch-000012.safetensors").unlink()
    again = load_model(tmp_path / "model.safetensors")
    again.set_params(checkpoint=folder, resume=True).fit(*data)
    same(again, whole)
    with pytest.raises(ValueError, match="warm of the model before the fit was True"):
        classifier(warm_start=True, checkpoint=folder, resume=True).fit(*data)


SCRIPT = """
import sys, numpy as np
from hogblock import MLPClassifier
x = np.random.default_rng(0).normal(size=(300, 6))
model = MLPClassifier(
    (8,), random_state=0, learning_rate="cosine", max_iter=int(sys.argv[2]),
    checkpoint=sys.argv[1], resume=True, n_jobs=int(sys.argv[3]),
)
print("begins", flush=True)
model.fit(x, x[:, 0] > 0)
np.save(sys.argv[4], np.concatenate([c.ravel() for c in model.coefs_]))
"""


@behind
def test_a_killed_program_goes_on_bit_for_bit(folder):
    def program(checkpoints, out):
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, checkpoints, "3000", "1", out],
            stdout=subprocess.PIPE,
            text=True,
        )

    program(folder / "whole", folder / "whole.npy").wait(50)
    for _ in range(4):
        process = program(folder / "killed", folder / "killed.npy")
        process.stdout.readline()
        before = epochs_in(folder / "killed")
        while epochs_in(folder / "killed") == before and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate()
    program(folder / "killed", folder / "killed.npy").wait(50)
    np.testing.assert_array_equal(
        np.load(folder / "killed.npy"), np.load(folder / "whole.npy")
    )
