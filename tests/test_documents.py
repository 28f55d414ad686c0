"""Files and sections that texts name exist, and what the pages count is so."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hogblock import models
from hogblock.models.blocks import partition, step_cost, whole

ROOT = Path(__file__).parent.parent
SOURCES = ("kernels", "models", "hogblock", "tests", "examples", "benchmarks")
WRITTEN = (".py", ".md", ".toml", ".in", "Makefile", "run")
"""Ends of the names of files that people write."""

_PAGE = r"(?<![\w./:-])((?:[\w-]+/)*[\w-]+\.md)"
PAGE = re.compile(_PAGE + r"\b")
# In a comment or a docstring a citation may go on in the next line.
SECTION = re.compile(_PAGE + r"\)?,?[\s#]+section\s+([\d.]*\d)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SOURCE = re.compile(rf"(?<![\w./:-])((?:{'|'.join(SOURCES)})/[\w/]+\.py)\b")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def headings(page: Path) -> list[str]:
    return HEADING.findall(page.read_text())


def sections(page: Path) -> set[str]:
    """Numbers of a page's sections: "2", "5.1"."""
    numbered = (re.match(r"(\d+(?:\.\d+)*)[. ]", h) for h in headings(page))
    return {found[1] for found in numbered if found}


def anchors(page: Path) -> set[str]:
    """What a link may name behind "#", as GitHub makes it of the headings."""
    words = (re.sub(r"[^\w\- ]", "", h.lower()) for h in headings(page))
    return {each.replace(" ", "-") for each in words}


def faults(name: str, text: str, root: Path = ROOT) -> list[str]:
    """What the text of file `name` names and `root` does not have."""
    here = (root / name).parent

    def page_of(target):
        found = (base / target for base in (here, root) if (base / target).is_file())
        return next(found, None)

    missing = [f"{name}: {page}" for page in PAGE.findall(text) if not page_of(page)]
    for page, number in SECTION.findall(text):
        if (file := page_of(page)) and number not in sections(file):
            missing.append(f"{name}: {page}, section {number}")
    if not name.endswith(".md"):
        return missing
    for target in LINK.findall(text):
        path, _, anchor = target.partition("#")
        file = here / path if path else root / name
        if "://" in target:
            continue
        if not file.exists():
            missing.append(f"{name}: link to {target}")
        elif anchor and anchor not in anchors(file):
            missing.append(f"{name}: link to {target}")
    missing += [f"{name}: {s}" for s in SOURCE.findall(text) if not (root / s).exists()]
    return missing


@pytest.fixture(scope="module")
def written():
    """Names of the files of the repository that people write."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    names = [n for n in done.stdout.splitlines() if (ROOT / n).is_file()]
    if done.returncode or "pyproject.toml" not in names:
        pytest.skip("not a checkout of git")
    return [name for name in names if name.endswith(WRITTEN)]


def test_what_the_texts_name_exists(written):
    assert len(written) > 100
    found = [fault for n in written for fault in faults(n, (ROOT / n).read_text())]
    assert found == []


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "plan.py").touch()
    text = "# A page\n\n## 1. First, of two\n\n### 1.2 Part\n"
    (tmp_path / "docs" / "page").with_suffix(".md").write_text(text)
    return tmp_path


# Names are put together here, or this file would name what is missing.
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.py",
            "See docs/page.{md}, section 1, and docs/page.{md},\n    section 1.2.",
        ),
        ("a.py", "# docs/page.{md},\n# section 1.2"),
        ("a.py", "https://example.org/other.{md}"),
        ("docs/b.{md}", "[1](page.{md}#1-first-of-two), page.{md}, models/plan.py"),
        ("docs/b.{md}", "[far](https://example.org/x)"),
    ],
)
def test_what_exists_is_no_fault(tree, name, text):
    assert faults(name.format(md="md"), text.format(md="md"), tree) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.py", "(PAGE.{md} section 2)", "PAGE.{md}"),
        ("a.py", "see docs/other.{md}", "docs/other.{md}"),
        ("a.py", "docs/page.{md} section 3", "docs/page.{md}, section 3"),
        ("a.py", "docs/page.{md},\n    section 1.1", "docs/page.{md}, section 1.1"),
        ("b.{md}", "(docs/page.{md}), section 4", "docs/page.{md}, section 4"),
        ("b.{md}", "[there](docs)[here](images/x.png)", "link to images/x.png"),
        ("docs/b.{md}", "[p](page.{md}#2-second)", "link to page.{md}#2-second"),
        ("docs/b.{md}", "[p](#here)", "link to #here"),
        ("b.{md}", "`models/gone.py`", "models/gone.py"),
    ],
)
def test_what_is_missing_is_named(tree, name, text, fault):
    name, text, fault = (each.format(md="md") for each in (name, text, fault))
    (tree / name).touch()
    assert faults(name, text, tree) == [f"{name}: {fault}"]


NETWORKS = {
    "784-256-128-10": models.Network(
        [models.Dense(256, "relu"), models.Dense(128, "relu"), models.Dense(10)], (784,)
    ),
    "`small_convnet`": models.small_convnet((28, 28, 1), 10),
    "`lenet5`": models.lenet5((28, 28, 1), 10),
    "`resnet8`": models.resnet8((32, 32, 3), 10),
}


def costs(network, workers):
    """Cost of each worker's block over that of a full step."""
    full = step_cost(network, whole(network))
    return [step_cost(network, block) / full for block in partition(network, workers)]


@pytest.mark.parametrize("name", NETWORKS)
def test_costs_of_partial_steps_are_those_of_the_page(name):
    two, four = (costs(NETWORKS[name], workers) for workers in (2, 4))
    own = [sum(1 / c for c in each) / len(each) for each in (two, four)]
    both = [sum(2 / (1 + c) for c in each) / len(each) for each in (two, four)]
    row = [name, ", ".join(f"{c:.2f}" for c in two)]
    row += [" / ".join(f"{gain:.2f}" for gain in gains) for gains in (own, both)]
    page = (ROOT / "docs/method.md").read_text()
    assert f"| {' | '.join(row)} |" in page.splitlines()


def lives_in():
    """Words of the glossary, and where it says that each is."""
    for line in (ROOT / "docs/glossary.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[2] not in ("", "lives in"):
            word, _, homes = cells
            yield from ((word, home) for home in homes.split(", "))


def test_words_of_the_glossary_live_where_it_says():
    homes = [(w, h) for w, h in lives_in() if re.fullmatch(r"[a-z_.*]+", h)]
    assert len(homes) > 50
    missing = [
        f"{word}: {home}"
        for word, home in homes
        if not any(
            list(base.glob(home.replace(".", "/") + end))
            for base in (ROOT, ROOT / "hogblock")
            for end in ("", ".py")
        )
    ]
    assert missing == []
