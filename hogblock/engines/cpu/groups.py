"""Control groups of Linux that this process is in: the limits of its container, say."""

import contextlib
from math import inf
from pathlib import Path

ROOT = Path("/")


def folders(controller: str, root: Path = ROOT) -> list[Path]:
    """Of the groups with a controller: the process's own, and those around it.

    Parameters
    ----------
    controller : str
        "memory" or "pids"; of version 1 or 2.
    root : Path
        Of the file system.
    """
    with contextlib.suppress(OSError, ValueError):
        return [
            folder
            for path, version in _paths(controller, root)
            for folder in _outwards(path, *_mount(controller, version, root), root)
        ]
    return []


def number(path: Path, unknown: float = inf) -> float:
    """What such a file says; infinite for "max"."""
    with contextlib.suppress(OSError, ValueError):
        return float(path.read_text().replace("max", "inf"))
    return unknown


def _paths(controller: str, root: Path):
    """Path of the process's group in each version's tree, and the version."""
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            yield path, 2
        elif controller in controllers.split(","):
            yield path, 1


def _mount(controller: str, version: int, root: Path) -> tuple[str, str]:
    """Which group the tree is mounted from, and where; nowhere is ("", "")."""
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        place, _, what = line.partition(" - ")
        kind, _, options = what.split(" ", 2)
        first = kind == "cgroup" and controller in options.split(",")
        if first if version == 1 else kind == "cgroup2":
            top, point = place.split(" ")[3:5]
            return top, point
    return "", ""


def _outwards(path: str, top: str, point: str, root: Path) -> list[Path]:
    if not point:
        return []
    outermost = root / point.strip("/")
    # A container may see the paths of its host, and only its own part of the tree.
    inside = Path(path).is_relative_to(top)
    inner = outermost / Path(path).relative_to(top) if inside else outermost
    around = [each for each in inner.parents if each.is_relative_to(outermost)]
    return [inner, *around]
