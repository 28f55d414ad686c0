"""What is public: the names, where they say they are from, and pickles of them."""

import ast
import importlib
import inspect
import io
import pickle
import pickletools
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone

import hogblock
from hogblock import (
    Augmentation,
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    errors,
    models,
)
from support.behind import behind
from support.public_names import MODULES, NAMES, public

PRIVATE_STATE = re.compile(r"hogblock\.(estimators|models|training)\.\w+")
X = np.random.default_rng(0).random((40, 144), np.float32)
Y = np.arange(40) % 3


def test_public_modules():
    assert MODULES == sorted(MODULES) and "errors" in MODULES
    for name in MODULES:
        assert getattr(hogblock, name).__doc__


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda n: n)
def test_a_public_name_is_there_and_documented(module, name):
    found = public(module, name)
    assert name in dir(importlib.import_module(module))
    if inspect.isclass(found):
        assert vars(found).get("__doc__")
        assert (found.__module__, found.__qualname__) in NAMES
        assert public(found.__module__, found.__qualname__) is found
    elif inspect.isroutine(found):
        assert found.__doc__


def test_a_star_brings_all_public_names():
    names = {}
    exec("from hogblock import *", names)
    assert set(hogblock.__all__) <= set(names)


def test_type_checkers_see_all_public_names():
    tree = ast.parse(Path(hogblock.__file__).read_text())
    seen = {
        alias.asname: importlib.import_module(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert set(seen) == set(hogblock.__all__)
    for name, module in seen.items():
        assert getattr(module, name) is getattr(hogblock, name)


def test_an_unknown_name_is_named():
    with pytest.raises(AttributeError, match=r"'hogblock' has no attribute 'Nothing'"):
        hogblock.Nothing  # noqa: B018


def test_all_errors_are_at_the_top_too():
    for name in errors.__all__:
        assert getattr(hogblock, name) is getattr(errors, name)
        assert name in hogblock.__all__


def test_texts_import_public_names_only():
    root = Path(__file__).parent.parent
    texts = [root / "README.md", *root.glob("docs/guide/*.md")]
    texts += [*root.glob("examples/*.py"), *root.glob("examples/gallery/*.py")]
    found = [
        (module, name)
        for text in texts
        for module, names in re.findall(
            r"^ *from (hogblock[\w.]*) import ([\w, ]+)", text.read_text(), re.M
        )
        for name in names.split(", ")
    ]
    assert len(found) > 10
    modules = [("hogblock", name) for name in MODULES]
    assert [each for each in found if each not in NAMES + modules] == []


def test_parameters_are_told_by_public_names():
    model = CNNClassifier(augmentation=1)
    with pytest.raises(ValueError, match=r"instance of 'hogblock\.Augmentation'"):
        model.fit(X, Y)


PLANNED = dict(max_iter=1, learning_rate="cosine", random_state=0)
MODELS = {
    "mlp": lambda: MLPClassifier((4,), **PLANNED),
    "regressor": lambda: MLPRegressor((4,), **PLANNED),
    "cnn": lambda: CNNClassifier(augmentation=Augmentation(pad=1), **PLANNED),
    "function": lambda: NetworkClassifier(models.lenet5, **PLANNED),
    "network": lambda: NetworkClassifier(
        models.Network(
            [models.Conv2D(4, 3), models.Flatten(), models.Dense(3)], (12, 12, 1)
        ),
        **PLANNED,
    ),
}


def names_in(packed):
    """Pairs of module and name in a pickle of protocol 2."""
    found = [op[1] for op in pickletools.genops(packed) if op[0].name == "GLOBAL"]
    return {tuple(each.split(" ")) for each in found}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_pickles_go_by_public_names(make):
    model = make()
    given = X.reshape(-1, 12, 12) if isinstance(model, NetworkClassifier) else X
    names = names_in(pickle.dumps(model, protocol=2))
    ours = {each for each in names if each[0].startswith("hogblock")}
    parts = {each for each in ours if PRIVATE_STATE.match(each[0])}
    assert ours - parts <= set(NAMES) and ("hogblock", type(model).__name__) in ours

    model.fit(given, Y)
    expected = model.predict(given)
    stored = io.BytesIO()
    joblib.dump(model, stored)
    stored.seek(0)
    for copy in (
        pickle.loads(pickle.dumps(model)),
        joblib.load(stored),
        clone(model).fit(given, Y),
    ):
        assert type(copy) is type(model)
        np.testing.assert_array_equal(copy.predict(given), expected)


@behind
def test_processes_of_joblib_know_the_same_classes(folder):
    code = """
import joblib, numpy as np
from hogblock import Augmentation, Cuda, MLPClassifier, errors, models

X, y = np.eye(6), np.arange(6) % 2
model = MLPClassifier((4,), max_iter=1, learning_rate="cosine").fit(X, y)
for found in joblib.Parallel(2)([joblib.delayed(model.predict)(X)] * 2):
    np.testing.assert_array_equal(found, model.predict(X))
kinds = [MLPClassifier, Augmentation, Cuda, models.Conv2D, errors.WorkerError]
assert joblib.Parallel(2)(joblib.delayed(lambda k: k)(k) for k in kinds) == kinds
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_page_of_an_estimator_shows():
    model = MLPClassifier()
    page = "https://hogblock.readthedocs.io/en/latest/api/generated/"
    assert f'href="{page}hogblock.MLPClassifier.html"' in model._repr_html_()
    assert repr(MLPClassifier) == "<class 'hogblock.MLPClassifier'>"
