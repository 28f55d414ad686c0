"""The tree tells where things are: who imports whom, length of files, rooms."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HIGHEST = 400  # lines of a file
LAYERS = ("kernels", "models", "hogblock")  # each imports only those before it
FOLDERS = {"kernels": "hogblock.kernels", "models": "hogblock.models"}
ALLOWED = {  # what else of hogblock a layer imports
    "kernels": {"hogblock.kernels"},
    "models": {"hogblock.kernels", "hogblock.models"},
}
ROOMS = {  # of the tests, and what they test
    "asynchrony": ("hogblock/asynchrony", "hogblock/scheduling", "kernels/events"),
    "benchmarks": ("benchmarks",),
    "cli": ("hogblock/cli",),
    "cuda": ("kernels/cuda", "hogblock/engines/cuda"),
    "datasets": ("hogblock/datasets",),
    "nodes": ("hogblock/distributed",),
    "engines": ("hogblock/engines",),
    "estimators": ("hogblock/estimators",),
    "kernels": ("kernels",),
    "models": ("models",),
    "reliability": ("hogblock", "kernels"),
    "report": ("hogblock/report",),
    "methods": ("hogblock/methods",),
    "saving": ("hogblock/saving",),
    "training": ("hogblock/training",),
}
NOT_SHIPPED = {"benchmarks", "conftest", "examples", "support", "tests"}


def modules(*folders):
    """Python files below some folders."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert files
    return sorted(file for file in files if "__pycache__" not in file.parts)


def package_of(file):
    """Dotted name of the package that a file's relative imports start from."""
    folder = file.relative_to(ROOT).parent.parts
    return ".".join([FOLDERS.get(folder[0], folder[0]), *folder[1:]])


@cache
def nodes_of(text):
    """Import statements of a source."""
    kinds = ast.Import | ast.ImportFrom
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def imported(file):
    """Names of the modules that a file imports anywhere, those in functions too."""
    for node in nodes_of(file.read_text()):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            base = node.module or ""
            if node.level:
                parts = package_of(file).split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, *filter(None, [node.module])])
            # Of a bare package, such as hogblock, its modules are meant.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name, packages):
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def test_imports_are_seen_wherever_they_stand(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    file = tmp_path / "models" / "layers" / "new.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import numpy\n"
        "def f():\n"
        "    from hogblock import estimators\n"
        "    from ..plan import make_plan\n"
        "    from . import base\n"
    )
    assert list(imported(file)) == [
        "numpy",
        "hogblock.estimators",
        "hogblock.models.plan.make_plan",
        "hogblock.models.layers.base",
    ]


@pytest.mark.parametrize("layer", ALLOWED)
def test_nothing_imports_against_the_layers(layer):
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules(layer)
        for name in imported(file)
        if within(name, ["hogblock", *LAYERS]) and not within(name, ALLOWED[layer])
    ]
    assert wrong == []


def test_modules_import_each_other_in_no_circle():
    files = {}
    for file in modules("kernels", "hogblock"):  # a network can sum itself up
        files[f"{package_of(file)}.{file.stem}".removesuffix(".__init__")] = file

    def module_of(name):
        return name if name in files else name.rpartition(".")[0]

    graph = {
        name: {module_of(each) for each in imported(file)} & files.keys() - {name}
        for name, file in files.items()
    }
    assert len(graph["hogblock.engines.registry"]) > 3
    TopologicalSorter(graph).prepare()  # raises, and names a circle


def test_the_package_imports_nothing_that_is_not_in_it():
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules(*LAYERS)
        for name in imported(file)
        if within(name, NOT_SHIPPED)
    ]
    assert wrong == []


def test_hogblock_has_no_circle():
    """Imports inside functions count: they may spare a package, not hide a circle."""
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file
        for file in modules("hogblock")
    }
    graph = {
        name: {
            module
            for wanted in imported(file)
            for module in (wanted, wanted.rpartition(".")[0])
            if module in files and module != name
        }
        for name, file in files.items()
    }
    assert "hogblock.engines.devices" in graph["hogblock.engines.locations"]
    TopologicalSorter(graph).prepare()  # raises, and names a circle


def test_files_are_short():
    files = modules(*LAYERS, "benchmarks", "examples", "tests")
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for file in files
    }
    assert {name: n for name, n in lengths.items() if n > HIGHEST} == {}


def test_every_room_of_the_tests_has_a_counterpart():
    rooms = {f.parent.name for f in modules("tests") if f.name.startswith("test_")}
    assert rooms - {"tests"} == set(ROOMS)
    for room, tested in ROOMS.items():
        for folder in tested:
            assert (ROOT / folder).is_dir(), f"tests/{room} tests {folder}"


def test_every_room_of_the_package_has_tests():
    folders = {path.relative_to(ROOT) for path in (ROOT / "hogblock").iterdir()}
    rooms = {str(f) for f in folders if (ROOT / f / "__init__.py").is_file()}
    assert rooms - {folder for tested in ROOMS.values() for folder in tested} == set()
