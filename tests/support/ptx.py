"""PTX of kernels: compiled in a process of its own, taken apart, assembled."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

LABEL = re.compile(r"(\$\w+):")
BRANCH = re.compile(r"(@!?%p\d+\s+)?bra(?:\.uni)?\s+(\$\w+);")
WIDE = re.compile(r"%rd\d+")
WORDS_OF_AN_ARRAY = 7  # arguments of a kernel; the address is the fifth


def cuda_compilers():
    """Where pip has put CUDA's compilers: variables of the environment."""
    for folder in sys.path:
        home = Path(folder) / "nvidia" / "cu13"
        if home.is_dir():
            return {"CUDA_HOME": str(home)}
    return {}


def compile_elsewhere(*command, seconds):
    """JSON lines of a Python script that compiles kernels."""
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, command)],
        env=cuda_compilers() | env, capture_output=True, text=True, timeout=seconds,
        check=False,
    )  # fmt: skip
    return lines_of(done)


def lines_of(done):
    """JSON lines that a process which compiled kernels has printed."""
    for missing in ("DynamicLibNotFoundError", "NvvmSupportError"):
        if missing in done.stderr:
            pytest.skip("CUDA's compilers are not installed")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ptxas(text, capability, folder):
    """What ptxas says about the resources of a kernel; None if it is not installed."""
    home = cuda_compilers().get("CUDA_HOME", "")
    program = shutil.which("ptxas", path=f"{home}/bin") or shutil.which("ptxas")
    if program is None:
        return None
    file = folder / "kernel.ptx"
    file.write_text(text)
    arch = "sm_{}{}".format(*capability)
    done = subprocess.run(
        [program, "-v", f"-arch={arch}", str(file), "-o", os.devnull],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


class Listing:
    """The instructions of a kernel.

    Attributes
    ----------
    lines : list of str
    depths : int array
        Loops around each line: those that the control flow goes round, wherever the
        compiler has put their blocks.
    """

    def __init__(self, text):
        body = text[text.index(".entry") :]
        body = body[body.index("{") + 1 :]
        self.lines = [line.strip() for line in body.splitlines() if line.strip()]
        assert not any(line.startswith("brx") for line in self.lines)
        self.depths = self._depths()

    def _depths(self):
        """By the strongly connected parts of the flow graph, each without its entry."""
        count, places = len(self.lines), {}
        for i, line in enumerate(self.lines):
            if label := LABEL.match(line):
                places[label[1]] = i
        edges = []
        for i, line in enumerate(self.lines):
            branch = BRANCH.match(line)
            if branch:
                edges.append((i, places[branch[2]]))
            if not line.startswith(("bra", "ret", "exit", "trap")) and i + 1 < count:
                edges.append((i, i + 1))
        depths, edges = np.zeros(count, int), np.array(edges)
        while len(edges):
            ones = np.ones(len(edges))
            graph = coo_array((ones, edges.T), (count, count))
            _, part = connected_components(graph, connection="strong")
            inside = part[edges[:, 0]] == part[edges[:, 1]]
            entries = {0, *edges[~inside, 1]}
            edges = edges[inside]
            depths[np.unique(edges)] += 1
            edges = edges[[target not in entries for target in edges[:, 1]]]
        return depths

    def depths_of(self, instruction):
        """Depths of the lines that contain a text."""
        found = [
            d for line, d in zip(self.lines, self.depths, strict=True)
            if instruction in line
        ]  # fmt: skip
        return np.array(found, int)

    def accesses(self, argument):
        """Memory instructions whose address may come from an array, by its number."""
        wanted = f"_param_{WORDS_OF_AN_ARRAY * argument + 4}]"
        pointers: set[str] = set()
        while True:
            before = len(pointers)
            for line in self.lines:
                target, *sources = WIDE.findall(line)[:4] or [""]
                loads = line.startswith("ld.") or "[" in line
                if line.startswith("ld.param") and line.split(";")[0].endswith(wanted):
                    pointers.add(target)
                elif not loads and pointers & set(sources):
                    pointers.add(target)
            if len(pointers) == before:
                break
        found = []
        for line in self.lines:
            addresses = {a for part in re.findall(r"\[(.*?)\]", line)
                         for a in WIDE.findall(part)}  # fmt: skip
            if addresses & pointers:
                found.append(line)
        return found
