"""How much memory there is for a run.

Shared memory that is reserved is there, or the kernel kills processes until it is. So
nothing is reserved that is not free.
"""

import contextlib
from math import inf
from pathlib import Path

from hogblock.engines.cpu.groups import ROOT, folders, number

KIB = 1024

_VERSIONS = (
    ("memory.max", "memory.current", ""),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
)
"""Of control groups: names of the limit and the use, and the prefix of statistics."""


def available_memory(root: Path = ROOT) -> float:
    """Bytes that can be taken without another process losing any.

    Parameters
    ----------
    root : Path
        Of the file system.

    Returns
    -------
    float
        Of the machine, without swap, or of a control group, if one has less; infinite
        where nobody says.
    """
    groups = folders("memory", root)
    return max(0.0, min([_of_machine(root), *map(_of_group, groups)]))


def _of_machine(root: Path) -> float:
    available = _fields(root / "proc/meminfo").get("MemAvailable:")
    return inf if available is None else available * KIB


def _of_group(folder: Path) -> float:
    """What its limit leaves, and the files that it keeps in memory for nobody."""
    rooms = [inf]
    for limit, used, prefix in _VERSIONS:
        files = _fields(folder / "memory.stat")
        names = [f"{prefix}{how}_file" for how in ("active", "inactive")]
        cached = sum(files.get(name, 0) for name in names)
        rooms.append(number(folder / limit) - number(folder / used, 0) + cached)
    return min(rooms)


def _fields(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    found = {}
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            name, value, *_ = line.split()
            found[name] = int(value)
    return found
