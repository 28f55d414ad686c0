"""Docstrings, README, guide: what they say of parameters is so, what they show runs."""

import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from numpydoc.validate import validate
from sklearn.utils import Bunch

import hogblock
from hogblock import datasets
from support.public_names import NAMES, public

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs/index.md"]
PAGES += sorted(ROOT.glob("docs/guide/*.md"))
CHECKS = {
    "GL03", "GL08",  # no blank lines that double; there is one
    "PR01", "PR02", "PR03", "PR04", "PR05", "PR10",  # the signature's, with types
    "RT01",  # what is returned
    "SS01", "SS03", "SS04",  # a summary, a sentence
    "YD01",
}  # fmt: skip
"""Of numpydoc: those by which a docstring is true and whole, not the ones of taste."""
ELSEWHERE = ('device="cuda"', "device=Ray(")
"""In blocks of the pages that need a GPU, or that `tests/nodes` runs."""
KINDS = (property, classmethod, staticmethod)


def documented():
    """Public classes, functions and their methods: dotted name -> object."""
    objects = {}
    for module, name in NAMES:
        each = public(module, name)
        if inspect.isclass(each) or inspect.isroutine(each):
            objects[f"{module}.{name}"] = each
        if inspect.isclass(each):
            for method in {m for c in each.__mro__ if ours(c) for m in vars(c)}:
                value = inspect.getattr_static(each, method)
                is_method = inspect.isfunction(value) or isinstance(value, KINDS)
                if is_method and not method.startswith("_"):
                    objects[f"{module}.{name}.{method}"] = value
    # What classes share is looked at once.
    return dict({id(value): (name, value) for name, value in objects.items()}.values())


def ours(kind):
    return kind.__module__.partition(".")[0] == "hogblock"


def faults(name):
    """Sorted texts of what numpydoc finds."""
    return sorted(
        f"{code} {text}"
        for code, text in validate(name)["errors"]
        if code in CHECKS and not of_private_names(code, text)
    )


def of_private_names(code, text):
    """Whether only fields with an underscore lack a description."""
    return code == "PR01" and all(n[0] == "_" for n in re.findall(r"'(\w+)'", text))


def inherits_its_docstring(name, value):
    return not value.__doc__ and inspect.getdoc(attribute(name))


def attribute(name):
    path, _, method = name.rpartition(".")
    kind = public(*path.rsplit(".", 1))
    return getattr(kind, method)


def test_docstrings_are_whole_and_true():
    wrong = {
        name: faults(name)
        for name, value in documented().items()
        if not inherits_its_docstring(name, value)
    }
    assert len(wrong) > 100
    assert {name: each for name, each in wrong.items() if each} == {}


def untrue(rows, columns=1):
    """Sum them

    Parameters
    ----------
    columns : int
    rest
    """
    return rows + columns


def test_what_is_wrong_is_found(monkeypatch):
    monkeypatch.setattr(hogblock, "untrue", untrue, raising=False)
    codes = {each[:4] for each in faults("hogblock.untrue")}
    assert codes == {"PR01", "PR02", "PR04", "RT01", "SS03"}


FINDER = doctest.DocTestFinder()
EXAMPLES = [
    example
    for module, name in NAMES
    for example in FINDER.find(public(module, name), name, module=False, globs={})
    if example.examples and callable(public(module, name))
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_examples_say_what_comes(example, capsys):
    ran = doctest.DocTestRunner().run(example)
    assert ran.attempted > 1 and ran.failed == 0, capsys.readouterr().out


def test_every_estimator_has_an_example():
    names = {example.name for example in EXAMPLES}
    assert {"MLPClassifier", "MLPRegressor", "CNNClassifier", "CNNRegressor"} <= names


def few_images():
    """In the form of Fashion-MNIST, which a test cannot count on."""
    random = np.random.default_rng(0)
    target = np.arange(200) % 10
    rows = random.integers(0, 99, (200, 784), np.uint8) + 15 * target[:, None]
    rows = rows.astype(np.uint8)
    return Bunch(
        data=rows, target=target, data_test=rows, target_test=target,
        image_shape=(28, 28, 1),
    )  # fmt: skip


BLOCKS = {
    page.relative_to(ROOT).with_suffix("").as_posix(): re.findall(
        r"^```python\n(.*?)^```", page.read_text(), re.M | re.S
    )
    for page in PAGES
}


@pytest.mark.parametrize("page", [name for name, blocks in BLOCKS.items() if blocks])
def test_what_the_pages_show_runs(page, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)  # they save
    monkeypatch.setattr(datasets, "load_fashion_mnist", few_images)
    names = {}
    for block in BLOCKS[page]:
        if not any(device in block for device in ELSEWHERE):
            exec(block, names)
    if page == "docs/guide/images":
        assert "multiply-adds" in capsys.readouterr().out


def test_pages_show_programs():
    shown = {name.rpartition("/")[2] for name, blocks in BLOCKS.items() if blocks}
    assert {"README", "index", "first_fit", "images", "long_runs"} <= shown
