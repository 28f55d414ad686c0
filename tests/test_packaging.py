"""What is published: the source distribution is the whole tree, the wheel all code."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from hogblock.estimators.docs import DOCUMENTATION

ROOT = Path(__file__).parent.parent
BUILD = """
from setuptools.build_meta import build_sdist, build_wheel
build_sdist("dist")
build_wheel("dist")
"""
CODE = {
    "hogblock": "hogblock",
    "kernels": "hogblock/kernels",
    "models": "hogblock/models",
}
RUBBISH = (
    "tests/support/__pycache__/naive.cpython-311.pyc",
    "results/demo.png",
    "docs/gallery/plot_images.rst",
    "docs/api/generated/hogblock.Cuda.rst",
    "benchmarks/results/amd-2-cores/2024-06-07-gpu.png",
    ".venv/x.py",
)


def _tracked():
    """Files of the repository; an unpacked source distribution is none."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    names = [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]
    if done.returncode or "pyproject.toml" not in names:
        pytest.skip("not a checkout of git")
    return names


@pytest.fixture(scope="module")
def tracked():
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    return _tracked()


@pytest.fixture(scope="module")
def built(tracked, tmp_path_factory):
    """Folder with a source distribution and a wheel, built where work was done."""
    folder = tmp_path_factory.mktemp("tree")
    for name in [*tracked, *RUBBISH]:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"" if name in RUBBISH else (ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "dist"


def test_the_source_distribution_is_the_whole_tree(built, tracked):
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        members = [m.name.split("/", 1) for m in archive.getmembers() if m.isfile()]
    names = {name for _, name in members}
    made = {n for n in names if n.startswith("hogblock.egg-info/")}
    assert names - made - {"PKG-INFO", "setup.cfg"} == set(tracked)


def test_the_wheel_has_all_code_and_nothing_else(built, tracked):
    (file,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(file).namelist())
    wanted = {
        f"{CODE[top]}/{rest}"
        for top, _, rest in (name.partition("/") for name in tracked)
        if top in CODE
    }
    made = {name for name in names if ".dist-info/" in name}
    assert names - made == wanted


def test_what_is_supported_is_what_is_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    systems = [c for c in project["classifiers"] if c.startswith("Operating System")]
    assert systems == ["Operating System :: POSIX :: Linux"]


def test_pages_of_estimators_are_where_the_documentation_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Documentation"] == DOCUMENTATION


def test_links_of_the_readme_work_on_a_package_index():
    text = (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert targets
    assert [t for t in targets if not t.startswith("https://")] == []


def test_what_the_readme_names_is_in_the_source_distribution(built):
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"`((?:docs|examples|benchmarks)/[\w/.]+)`", text)
    assert len(named) > 5
    (file,) = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert [name for name in named if name.rstrip("/") not in names] == []
