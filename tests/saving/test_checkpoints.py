"""A fit and its folder of checkpoints."""

import os

import numpy as np
import pytest
from sklearn.base import clone

from hogblock import MLPClassifier
from hogblock.saving import folder
from hogblock.saving.checkpoints import Checkpoints
from support.resumed import following
from support.same import difference

pytestmark = pytest.mark.timeout(60)
X = np.random.default_rng(0).random((60, 6))
Y = np.arange(60) % 3
MODEL = MLPClassifier(
    (5,), max_iter=6, learning_rate="cosine", batch_size=16, early_stopping=True,
    on_divergence="reduce_lr",
)  # fmt: skip


class Stopped(Exception):
    """What ends a fit in its middle."""


def fitted(path, until=None, resume=True, **options):
    """A fit whose checkpoints are in a folder; ends after so many epochs."""
    with Checkpoints(path, 2, resume) as kept:

        def save(checkpoint, monitor):
            if checkpoint.state.epochs == until:
                raise Stopped
            kept.save(checkpoint.state, monitor)

        with following(save, kept.found, kept.begin):
            return clone(MODEL).set_params(**options).fit(X, Y)


def left(model):
    timed = ("training_seconds_",)
    return {n: v for n, v in sorted(vars(model).items()) if n not in timed}


def test_a_fit_that_is_stopped_twice_ends_as_one_that_never_was(tmp_path):
    np.random.seed(3)  # noqa: NPY002  (what random_state=None draws from)
    whole = clone(MODEL).fit(X, Y)
    np.random.seed(3)  # noqa: NPY002
    for until in 3, 5:
        with pytest.raises(Stopped):
            fitted(tmp_path / "fit", until)
        with folder.Folder(tmp_path / "fit", 1, True) as found:
            assert found.epochs()[-1] == until - 1
        np.random.seed(until)  # noqa: NPY002  (another program)
    rest = fitted(tmp_path / "fit")
    assert difference(left(rest), left(whole)) is None


def test_without_a_checkpoint_a_resumed_fit_begins(tmp_path):
    model = fitted(tmp_path / "fit", random_state=0)
    assert model.n_iter_ == 6
    assert max(os.listdir(tmp_path / "fit")) == "epoch-000006.safetensors"


def test_another_fit_is_refused_and_nothing_changes(tmp_path):
    with pytest.raises(Stopped):
        fitted(tmp_path, 3)
    before = {f: (tmp_path / f).read_bytes() for f in os.listdir(tmp_path)}
    with pytest.raises(
        ValueError, match=r"^checkpoint=.* is of another fit: alpha was"
    ):
        fitted(tmp_path, alpha=1.0)
    with pytest.raises(ValueError, match="pass resume=True"):
        fitted(tmp_path, resume=False)
    assert before == {f: (tmp_path / f).read_bytes() for f in os.listdir(tmp_path)}


def test_what_cannot_be_begun_holds_nothing(tmp_path):
    with pytest.raises(Stopped):
        fitted(tmp_path, 2)
    (damaged,) = tmp_path.iterdir()
    damaged.write_bytes(b"")
    with pytest.raises(ValueError, match="no whole checkpoint"):
        fitted(tmp_path)
    folder.Folder(tmp_path, 1, True).close()
