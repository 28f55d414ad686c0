"""Models in files: what is loaded predicts and trains on as what was saved."""

import os
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skops import io as skops

from hogblock import (
    Augmentation,
    CNNClassifier,
    CNNRegressor,
    Cuda,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    load_model,
    methods,
    models,
    save_model,
    schedules,
)
from hogblock.asynchrony import Law, Recording
from hogblock.saving.fitted import DERIVED, OPTIONAL, STORED
from support.same import difference

pytestmark = pytest.mark.timeout(100)
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.random((60, 6))
IMAGES = RANDOM.random((40, 6, 6))
CLASSES = np.arange(60) % 3
PIXELS = (IMAGES * 255).astype(np.uint8)
BRIEF = dict(max_iter=3, learning_rate="cosine", batch_size=16)
SEEDED = BRIEF | dict(random_state=0)
TRUTHS = {
    "MLPClassifier": (MLPClassifier((5,), **SEEDED), ROWS, CLASSES),
    "two classes": (MLPClassifier((5,), **SEEDED), ROWS, CLASSES > 0),
    "texts": (
        MLPClassifier((5,), **SEEDED), ROWS, np.array(["a", "bb", "\u00e9"])[CLASSES],
    ),
    "objects": (
        MLPClassifier((5,), **SEEDED), ROWS,
        np.array(["a", "bb", "c"], object)[CLASSES],
    ),
    "labels": (
        MLPClassifier((5,), **SEEDED), ROWS, np.eye(3, dtype=int)[CLASSES],
    ),
    "weighted": (
        MLPClassifier((), class_weight={0: 1, 1: 2.5, 2: np.float32(0.1)},
            early_stopping=True, tol=0.0, n_iter_no_change=np.inf, alpha=0,
            **BRIEF, random_state=np.random.RandomState(1)),
        ROWS.astype(np.float32), CLASSES,
    ),
    "MLPRegressor": (MLPRegressor((5, 4), **SEEDED), ROWS, ROWS @ np.ones((6, 2))),
    "one output": (
        MLPRegressor(5, "gelu", loss=models.Huber(0.5), standardize=False,
            dropout=0.1, momentum=0, **SEEDED),
        ROWS, ROWS.sum(1),
    ),
    "CNNClassifier": (
        CNNClassifier(((4, 3),), hidden_layer_sizes=5, **SEEDED,
            augmentation=Augmentation(1, True)),
        PIXELS, CLASSES[:40],
    ),
    "CNNRegressor": (
        CNNRegressor([(4, (3, 3))], 1, (), image_shape=(-1, 6), **SEEDED),
        IMAGES.reshape(40, -1), IMAGES.sum((1, 2)),
    ),
    "NetworkClassifier": (
        NetworkClassifier(
            models.Network(
                [models.Conv2D(4, 3), models.GroupNorm(2), models.Flatten(),
                 models.Dropout(0.1), models.Dense(3)], (6, 6, 1)),
            method=methods.PASSMPlus(scope=methods.From(-1)), **SEEDED),
        IMAGES, CLASSES[:40],
    ),
    "NetworkRegressor": (
        NetworkRegressor(models.Network([models.Dense(1)], (6,)), n_jobs=np.int64(1),
            learning_rate=schedules.Step((0.5,), 0.3), max_iter=2, random_state=3),
        ROWS, ROWS.sum(1),
    ),
    "two workers": (
        MLPClassifier((5,), n_jobs=2, schedule=Recording(), batch_size=4, max_iter=2,
            learning_rate="cosine", method="hogwild"),
        ROWS, CLASSES,
    ),
}  # fmt: skip


def named(model):
    """Attributes of a model by name, but for its time."""
    return {n: v for n, v in sorted(vars(model).items()) if n != "training_seconds_"}


def trained_on(model, X, y):
    """Attributes after two more calls of ``partial_fit``, and after a warm start."""
    np.random.seed(5)  # noqa: NPY002  (what random_state=None draws from)
    model.set_params(early_stopping=False, schedule=None, max_iter=9, n_jobs=1)
    model.partial_fit(X, y).partial_fit(X[:20], y[:20])
    after = named(model)
    return after, named(model.set_params(warm_start=True).fit(X, y))


@pytest.mark.parametrize(("model", "X", "y"), TRUTHS.values(), ids=TRUTHS)
def test_what_is_loaded_is_what_was_saved(tmp_path, model, X, y):
    path = tmp_path / "model.safetensors"
    model = clone(model).fit(X, y)
    save_model(model, path)
    copy = load_model(path)
    assert difference(named(copy), named(model)) is None
    assert copy.training_seconds_ == model.training_seconds_
    for face in ("predict", "predict_proba", "predict_log_proba"):
        if hasattr(model, face):
            found = getattr(copy, face)(X), getattr(model, face)(X)
            assert difference(*found) is None
    assert difference(trained_on(copy, X, y), trained_on(model, X, y)) is None


def test_all_that_a_fit_leaves_is_stored_or_follows():
    model = MLPClassifier((5,), **SEEDED).fit(ROWS, CLASSES)
    left = vars(model).keys() - model.get_params().keys()
    assert left == {*STORED, *DERIVED} - {*OPTIONAL}
    assert not {*STORED} & {*DERIVED}


def test_names_of_features_are_kept(tmp_path):
    frame = pytest.importorskip("pandas").DataFrame(ROWS, columns=[*"abcdef"])
    model = MLPClassifier((5,), **SEEDED).fit(frame, CLASSES)
    save_model(model, tmp_path / "a")
    found = load_model(tmp_path / "a")
    assert difference(found.feature_names_in_, model.feature_names_in_) is None
    with pytest.raises(ValueError, match="feature names"):
        found.predict(frame[[*"bacdef"]])


def test_a_model_that_is_not_fitted_is_its_parameters(tmp_path):
    model = CNNRegressor([(3, 5)], device=Cuda(1), loss=models.Huber(2), verbose=2)
    save_model(model, str(tmp_path / "a"))
    found = load_model(str(tmp_path / "a"))
    assert difference(named(found), named(model)) is None
    with pytest.raises(NotFittedError):
        found.predict(IMAGES)


def test_nothing_else_is_stored(tmp_path):
    model = MLPRegressor((5,), **SEEDED).fit(ROWS, CLASSES)
    model.note = "mine"
    save_model(model, tmp_path / "a")
    assert not hasattr(load_model(tmp_path / "a"), "note")


def test_a_network_that_a_function_made_takes_its_place(tmp_path):
    def network(shape, n_outputs):
        return models.Network([models.Dense(n_outputs)], shape)

    model = NetworkRegressor(network, max_iter=2, learning_rate="cosine")
    with pytest.raises(ValueError, match=r"^network=<function .* cannot be stored"):
        save_model(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []
    save_model(model.fit(ROWS, CLASSES), tmp_path / "a")
    found = load_model(tmp_path / "a")
    assert found.network.layers == model._network.layers and model.network is network
    model.set_params(max_iter=5).partial_fit(ROWS, CLASSES)
    found.set_params(max_iter=5).partial_fit(ROWS, CLASSES)
    assert difference(found.coefs_, model.coefs_) is None


def test_random_states_stay_one_object(tmp_path):
    random = np.random.RandomState(3)
    model = MLPClassifier((5,), **BRIEF, random_state=random).fit(ROWS, CLASSES)
    save_model(model, tmp_path / "a")
    found = load_model(tmp_path / "a")
    assert found.random_state is found._seed is found._random_state is not random
    model = MLPClassifier((5,), **BRIEF).fit(ROWS, CLASSES)
    save_model(model, tmp_path / "a")
    assert load_model(tmp_path / "a")._random_state is model._random_state


@dataclass(frozen=True)
class Twice(models.Dense):
    """A layer from outside the package."""

    times: int = 2


@dataclass(frozen=True)
class Slow(methods.SGD):
    """A method from outside the package."""


class Mine(MLPRegressor):
    """An estimator from outside the package."""


@pytest.mark.parametrize(
    ("model", "others"),
    [
        (NetworkRegressor(models.Network([Twice(1)], (6,)), **SEEDED), [Twice]),
        (MLPRegressor((5,), method=Slow(), **SEEDED), [Slow]),
        (Mine((5,), **SEEDED), [Mine]),
    ],
    ids=["layer", "method", "estimator"],
)
def test_classes_from_outside_have_to_be_given(tmp_path, model, others):
    model = clone(model).fit(ROWS, ROWS.sum(1))
    save_model(model, tmp_path / "a")
    name = others[0].__name__
    with pytest.raises(
        ValueError, match=rf"/a: .*class '?{name}'? is unknown.*classes"
    ):
        load_model(tmp_path / "a")
    found = load_model(tmp_path / "a", classes={Twice, Slow, Mine})
    assert difference(named(found), named(model)) is None


WRONG = {
    "no estimator": (models.lenet5(), "is no estimator of hogblock"),
    "a class": (MLPClassifier, "is no estimator of hogblock"),
    "parameter": (MLPClassifier(alpha=-1), "'alpha' parameter of MLPClassifier"),
    "scheduler": (MLPClassifier(schedule=Law(2)), "^schedule=.* cannot be stored"),
}


@pytest.mark.parametrize(("model", "what"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_stored_is_named(tmp_path, model, what):
    with pytest.raises(ValueError, match=what):
        save_model(model, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_skops_stores_models_too():
    model = MLPClassifier((5,), **SEEDED).fit(ROWS, CLASSES)
    stored = skops.dumps(model)
    trusted = skops.get_untrusted_types(data=stored)
    ours = [name for name in trusted if name.startswith("hogblock.")]
    assert set(trusted) - set(ours) == {"builtins.frozenset"}
    found = skops.loads(stored, trusted=trusted)
    assert difference(named(found), named(model)) is None
    assert difference(found.predict_proba(ROWS), model.predict_proba(ROWS)) is None
    continued = (trained_on(each, ROWS, CLASSES) for each in (found, model))
    assert difference(*continued) is None
