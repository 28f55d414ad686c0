"""The site has a page of every public name, a drawing of every method, a gallery."""

import re
import runpy
from pathlib import Path

import pytest

from hogblock.methods import METHODS
from support.public_names import MODULES, NAMES, public

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = sorted((ROOT / "examples" / "gallery").glob("plot_*.py"))


@pytest.fixture(scope="module")
def listed():
    """Full names on the pages of the API."""
    names = set()
    for page in (DOCS / "api").glob("*.rst"):
        text = page.read_text()
        module = re.search(r"^\.\. currentmodule:: (\S+)$", text, re.M)
        blocks = re.findall(r"^\.\. autosummary::\n((?:   .*\n|\n)+)", text, re.M)
        found = re.findall(r"^   (\w+)$", "".join(blocks), re.M)
        found += re.findall(r"^\.\. py:data:: (\w+)$", text, re.M)
        assert module or not found, page
        names |= {f"{module[1]}.{name}" for name in found}
    return names


def home(module, name):
    """Where a class that is public at two places says that it is."""
    found = public(module, name)
    return f"{getattr(found, '__module__', module)}.{name}"


def test_every_public_name_is_on_a_page_of_the_api(listed):
    missing = [
        f"{module}.{name}"
        for module, name in NAMES
        if not {f"{module}.{name}", home(module, name)} & listed
    ]
    assert missing == []


def test_pages_of_the_api_name_public_names_only(listed):
    assert listed - {f"{module}.{name}" for module, name in NAMES} == set()


def test_every_public_module_has_a_page():
    index = (DOCS / "api" / "index.rst").read_text().split()
    assert set(MODULES) <= set(index)


def test_estimators_are_at_the_address_that_they_name():
    text = (DOCS / "api" / "estimators.rst").read_text()
    assert "currentmodule:: hogblock\n" in text and ":toctree: generated/" in text


def test_drawings_are_those_of_the_script():
    drawn = runpy.run_path(str(DOCS / "drawings.py"))["drawings"]()
    assert {file.name for file in (DOCS / "images").iterdir()} == set(drawn)
    for name, text in drawn.items():
        assert (DOCS / "images" / name).read_text() == text, name


def test_every_method_is_drawn_in_the_guide():
    text = (ROOT / "docs/guide/methods.md").read_text()
    for method in METHODS:
        file = f"method-{method.replace('+', '-plus')}.svg"
        assert re.search(
            rf"^## {re.escape(method)}\n\n!\[[^]]+\]\(.*{file}\)", text, re.M
        )


@pytest.fixture(scope="module")
def links():
    return runpy.run_path(str(DOCS / "site_links.py"))["of_the_site"]


# Names are put together here, or this file would name what is missing.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](../../examples/gallery/plot_x.py)", "[a](../gallery/plot_x.rst)"),
        ("[a](../../CONTRIBUTING.{md})", "[a](../contributing.{md})"),
        ("[a](../../benchmarks/README.{md})", "a"),
        ("[a](../method.{md}#9-x)", "[a](../method.{md}#9-x)"),
        ("![a](../images/x.svg)", "![a](../images/x.svg)"),
        ("[a](https://example.org)", "[a](https://example.org)"),
        ("[a](#here)", "[a](#here)"),
    ],
)
def test_links_of_the_repository_become_those_of_the_site(links, text, expected):
    found = links("docs/guide/methods.md", text.format(md="md"))
    assert found == expected.format(md="md")


def test_the_gallery_has_examples_of_one_screen():
    assert len(EXAMPLES) >= 8
    for file in EXAMPLES:
        text = file.read_text()
        assert re.match(r'"""\n(.+)\n=+\n\n', text), file.name
        assert "one learns here" in " ".join(text.split('"""')[1].split()), file.name
        assert len(text.splitlines()) < 100, file.name
