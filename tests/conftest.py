"""Fixtures of all tests."""

import os

os.environ.update(  # before NumPy is imported: one core a process
    {
        f"{library}_NUM_THREADS": "1"
        for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM")
    }
)

if os.environ.get("HOGBLOCK_TEST_DEVICE") != "cuda":
    # Before Numba is imported: CUDA is simulated, and its arrays are NumPy's.
    os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

import gc
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from hogblock.engines.cpu import pool
from hogblock.kernels.cpu.warmup import warm_up
from support.aligned import Aligned
from support.behind import Running
from support.ptx import cuda_compilers
from support.segments import segments

settings.register_profile(
    "hogblock", derandomize=True, deadline=None, max_examples=50, database=None
)
settings.load_profile("hogblock")

# A shell that starts the suite in the background has it ignore Ctrl-C: tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind():
    """The whole suite leaves no worker, and no shared memory."""
    yield
    pool.close()
    gc.collect()
    assert segments() == set()


def run_script(folder, module, *arguments):
    """Run a module in a folder by itself, where CUDA is not simulated.

    It is one of ``support`` or of the checkout's ``benchmarks``.
    """
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    home = TESTS if module.startswith("support.") else TESTS.parent
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        env=cuda_compilers() | env | {"PYTHONPATH": str(home)},
        capture_output=True, text=True, cwd=folder, timeout=300, check=False,
    )  # fmt: skip


WITHOUT_KERNELS = ("models", "datasets", "cuda")
"""Rooms of tests that need the kernels of the host late, or never."""


ALL = 1000
"""Tests from which the whole suite runs."""


def pytest_collection_modifyitems(config, items):
    """Nobody waits for what runs behind: compiling at first, the scripts, clusters.

    Tests that need no kernels of the host come first, those that wait last. Those of
    clusters run in a process of their own, if the whole suite runs.
    """
    whole = len(items) > ALL

    def runs_elsewhere(item):
        if item.path.name == "test_behind.py":
            return not whole
        return whole and item.get_closest_marker("ray") is not None

    config.hook.pytest_deselected(items=list(filter(runs_elsewhere, items)))
    items[:] = [item for item in items if not runs_elsewhere(item)]
    waits = ("script", "behind")
    items.sort(
        key=lambda item: (
            any(item.get_closest_marker(name) for name in waits),
            item.path.parent.name not in WITHOUT_KERNELS,
        )
    )


def fill_kernel_cache():
    """Compile what the cache of the host's kernels lacks, in another process."""
    lines = [
        "import numpy as np",
        "from hogblock.asynchrony import Law, NetworkProblem, simulate",
        "from hogblock.kernels.cpu.warmup import warm_up",
        "from hogblock.models import Dense, Network",
        "warm_up(images=True)",
        "problem = NetworkProblem(Network([Dense(2)], (1,)), np.eye(2)[:, :1], [0, 1])",
        "simulate(problem, Law(), 1)",
    ]
    work = "\n".join(lines)
    subprocess.run([sys.executable, "-c", work], capture_output=True, check=False)


def work_of(items, folder):
    """What tests are marked with: scripts by module and arguments, and functions.

    Scripts write into the folder; a function gets one of its own below it.
    """
    work = {}
    if len(items) > ALL:  # some tests compile what they need
        work[fill_kernel_cache] = fill_kernel_cache
    for mark in (m for item in items for m in item.iter_markers()):
        if mark.name == "script":
            work[mark.args] = partial(run_script, folder, *mark.args)
        elif mark.name == "behind" and mark.args[0] not in work:
            (own := folder / str(len(work))).mkdir()
            work[mark.args[0]] = partial(mark.args[0], own)
    return work


@pytest.fixture(scope="session", autouse=True)
def running(request, tmp_path_factory):
    """Futures of what runs behind the tests; `folder` is where scripts write."""
    folder = tmp_path_factory.mktemp("behind")
    running = Running(work_of(request.session.items, folder))
    running.folder = folder
    yield running
    running.close()


@pytest.fixture
def aligned():
    """An `Aligned`; the test fails if a kernel wrote outside its arrays."""
    maker = Aligned()
    yield maker
    maker.check()


@pytest.fixture
def simulator():
    """Kernels run in Numba's simulator, if they do: see ``simulated``."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
        yield
        return
    from support.simulated import simulation

    with simulation():
        yield


@pytest.fixture
def random():
    """Random numbers, the same in every run."""
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def compiled():
    """All kernels of the host are ready: no word about compiling on stderr."""
    warm_up(images=True)
