"""Files of models that somebody has changed: refused, by the name of the field."""

import copy
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogblock import NetworkClassifier, load_model, models, save_model
from hogblock.saving.file import reading, write
from support.edited import edited

ROWS = np.random.default_rng(0).random((60, 6))
CLASSES = np.arange(60) % 3
SEEDED = dict(max_iter=3, learning_rate="cosine", batch_size=16, random_state=0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file of a model: its description, and its arrays."""
    path = tmp_path_factory.mktemp("written") / "model"
    model = NetworkClassifier(
        models.Network([models.Dense(4, "tanh"), models.Dense(3)], (6,)), **SEEDED
    )
    save_model(model.fit(ROWS, CLASSES), path)
    with reading(path) as contents:
        return contents.about, {n: contents.array(n) for n in contents.shapes}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Where to write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # which takes its time
        yield tmp_path_factory.mktemp("edited") / "model"


def fitted(about):
    return about["fitted"]


def in_object(name, field, value):
    """An edit: another field of an attribute that is an object."""

    def edit(about, arrays):
        fitted(about)[name]["object"][1][field] = value

    return edit


def attribute(name, value):
    """An edit: another attribute."""

    def edit(about, arrays):
        fitted(about)[name] = value

    return edit


def array(name, value):
    """An edit: another array of the file; None takes it away."""

    def edit(about, arrays):
        arrays[name] = value
        if value is None:
            del arrays[name]
        elif name in fitted(about):
            kind = {"f": "F", "i": "I"}[value.dtype.kind]
            fitted(about)[name] = {"array": f"{kind}{8 * value.itemsize}"}

    return edit


def parameter(name, value):
    def edit(about, arrays):
        about["parameters"][name] = value

    return edit


def top(name, value):
    def edit(about, arrays):
        about[name] = value

    return edit


def dense(units):
    return {"object": ["hogblock.Dense", {"units": units}]}


TAMPERED = {
    "kind": (top("kind", "checkpoint"), "kind is 'checkpoint', and must be 'model'"),
    "class": (top("class", "hogblock.SVM"), "class 'hogblock.SVM' is unknown"),
    "class of no name": (top("class", ["x"]), r"class \['x'\] is unknown"),
    "other class": (top("class", "hogblock.NetworkRegressor"), "class_weight"),
    "no parameters": (top("parameters", None), "parameters are missing"),
    "parameters": (top("parameters", {}), "parameters: .* 'network'"),
    "fitted": (top("fitted", [1]), "fitted are missing"),
    "randoms": (top("randoms", None), "randoms are missing"),
    "unknown parameter": (parameter("gamma", 1), "gamma is no parameter of Network"),
    "impossible parameter": (parameter("alpha", -1), "'alpha' parameter of"),
    "no worker": (parameter("n_jobs", 0), "'n_jobs' parameter of"),
    "unknown attribute": (attribute("os_", 1), "os_ is no fitted attribute"),
    "surplus": (array("more", np.zeros(3)), "array 'more' belongs to nothing"),
    "missing array": (array("_params", None), "array '_params' is missing"),
    "parameters of another network": (
        array("_params", np.zeros(160, np.float32)),
        r"_params does not fit 6 features and a network of \d+ parameters .*: it is "
        r"float32 of shape \(160,\)",
    ),
    "type of parameters": (
        array("_params", np.zeros(192)), "_params does not fit .* float64",
    ),
    "shape of parameters": (
        array("_params", np.zeros((1, 192), np.float32)), "_params does not fit",
    ),
    "velocity": (
        array("_carried.velocity", np.zeros((2, 160), np.float32)),
        "_carried does not fit",
    ),
    "no velocity": (
        array("_carried.velocity", np.zeros((0, 192), np.float32)),
        "_carried does not fit",
    ),
    "layers": (
        in_object("_network", "layers", [dense(5), dense(3)]), "_params does not fit",
    ),
    "outputs": (
        in_object("_network", "layers", [dense(4), dense(2)]), "_targets does not fit",
    ),
    "outputs of as many parameters": (
        in_object("_network", "layers", [dense(4), dense(4)]), "_targets does not fit",
    ),
    "inputs": (
        in_object("_network", "input_shape", {"tuple": [7]}),
        "_network does not fit 7? ?.*6 features",
    ),
    "no network": (attribute("_network", None), "_network does not fit"),
    "features": (attribute("n_features_in_", 7), "_network does not fit 7 features"),
    "features as text": (attribute("n_features_in_", "6"), "n_features_in_ does not"),
    "names of features": (
        attribute("feature_names_in_", {"objects": [[2], ["a", "b"]]}),
        "feature_names_in_ does not fit 6 features",
    ),
    "class count": (
        array("_targets.classes", np.arange(4)),
        r"_targets does not fit .* outputs of shape \(3,\)",
    ),
    "two classes": (array("_targets.classes", np.arange(2)), "_targets does not fit"),
    "unordered classes": (
        array("_targets.classes", np.array([1, 0, 2])), "_targets does not fit",
    ),
    "targets": (in_object("_targets", "kind", "many"), "_targets does not fit"),
    "labels": (in_object("_targets", "kind", "binary"), "_targets does not fit"),
    "targets of a regressor": (
        attribute("_targets", {"object": ["hogblock.RealTargets",
            {"n_outputs": 3, "flat": False, "standard": None}]}),
        "_targets does not fit",
    ),
    "scaling": (array("_inputs.scale", np.ones(5)), "_inputs does not fit"),
    "standard": (array("_standard.rows", np.ones(6)), "'_standard.rows' is float64"),
    "mean": (array("_standard.statistics.mean", np.ones(5)), "_standard does not fit"),
    "channels": (in_object("_standard", "channels", 4), "_standard does not fit"),
    "shape": (attribute("_shape", {"tuple": [3, 3, 1]}), "_shape does not fit"),
    "scale": (attribute("_scale", "nits"), "_scale does not fit"),
    "values": (attribute("_values", {"dict": []}), "_values does not fit"),
    "curve": (attribute("loss_curve_", [1, 2]), "loss_curve_ does not fit"),
    "epochs": (attribute("n_iter_", -3), "n_iter_ does not fit"),
    "ages": (array("staleness_", np.zeros(3)), "staleness_ does not fit"),
    "seed": (attribute("_seed", "x"), "_seed does not fit"),
    "no random state": (attribute("_random_state", None), "_random_state does not"),
    "missing attribute": (
        lambda about, arrays: fitted(about).pop("t_"), "t_ is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "what"), TAMPERED.values(), ids=TAMPERED)
def test_a_file_that_was_tampered_with_is_refused(tmp_path, written, edit, what):
    about, arrays = copy.deepcopy(written)
    edit(about, arrays)
    write(tmp_path / "a", about, arrays)
    with pytest.raises(ValueError, match=rf"/a: .*{what}"):
        load_model(tmp_path / "a")


def test_what_is_not_tampered_with_is_loaded(tmp_path, written):
    write(tmp_path / "a", *copy.deepcopy(written))
    assert load_model(tmp_path / "a").score(ROWS, CLASSES) >= 0


@settings(max_examples=300, deadline=None, database=None)
@given(data=st.data())
def test_an_edited_model_is_refused_or_can_predict(written, elsewhere, data):
    about, arrays = written
    part = data.draw(st.sampled_from(["fitted", "parameters", "class", "randoms"]))
    changed = data.draw(edited({part: about[part]}))
    write(elsewhere, about | changed, arrays)
    try:
        model = load_model(elsewhere)
    except ValueError as error:
        assert str(elsewhere) in str(error)
    else:
        if model.__sklearn_is_fitted__():
            assert model.predict(ROWS).shape == (60,)
