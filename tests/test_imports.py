"""Within hogblock modules never import each other in a circle.

Imports inside functions count too: they may spare a package, not hide a circle.
"""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "hogblock": ROOT / "hogblock",
    "hogblock.models": ROOT / "models",
    "hogblock.kernels": ROOT / "kernels",
}
"""Packages, from the top down."""


def modules():
    """Path of every module by its name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *parts]).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = modules()


def imported_by(name):
    """Modules of ours that a module names in an import, wherever it stands."""
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            wanted = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{each.name}" for each in node.names]
            wanted = [each if each in MODULES else node.module for each in inside]
        else:
            continue
        yield from (each for each in wanted if each in MODULES and each != name)


def test_hogblock_has_no_circle():
    graph = {
        name: {other for other in imported_by(name) if floor_of(other) == 0}
        for name in MODULES
        if floor_of(name) == 0
    }
    assert len(graph["hogblock.engines.registry"]) > 3
    TopologicalSorter(graph).prepare()  # raises, and names a circle
