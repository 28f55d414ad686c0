"""Where programs and the package may lie, and how Python may be started."""

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from hogblock.engines.cpu import bootstrap
from hogblock.errors import WorkerError
from support.archive import copy_kernels, make_archive
from support.behind import behind
from support.programs import END_SECONDS, MOST_SECONDS, Program, killed_in_the_end

pytestmark = pytest.mark.timeout(60)

LEAVE_SECONDS = 10
"""Less than compiling takes."""

FIT = """
import json, os, sys
sys.path[:0] = {paths}
os.rmdir(os.getcwd())
import numpy as np
import hogblock
from hogblock.engines.cpu import pool
from hogblock.kernels.cache import SOURCE_STAMP
x = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
model = hogblock.MLPClassifier(
    hidden_layer_sizes=(8,), n_jobs=2, max_iter=20, learning_rate="cosine",
    batch_size=16, random_state=0,
).fit(x, (x[:, 0] > 0).astype(int))
score = model.score(x, (x[:, 0] > 0).astype(int))
print(json.dumps([hogblock.__file__, SOURCE_STAMP, len(pool.running()), score > 0.9]))
"""


@behind
def test_a_package_in_an_archive_a_program_from_standard_input_and_no_folder(folder):
    """Nor is there a home, nor anything that Python itself would find."""
    from hogblock.kernels.cache import SOURCE_STAMP

    archive = folder / "Archiv für alle's Räume" / "日本.zip"
    archive.parent.mkdir()
    (here := folder / "gone").mkdir()
    make_archive(archive)
    copy_kernels(archive, folder / "cache")
    paths = [str(archive), str(Path(np.__file__).parents[1])]
    environment = {"HOME": None, "XDG_CACHE_HOME": str(folder / "cache")}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    run = Program(
        [sys.executable, "-I", "-S", "-W", "error", "-"],
        environment | {"NUMBA_CACHE_DIR": None},
        cwd=here,
        text=True,
        **pipes,
    )
    with killed_in_the_end(run):
        said, complaint = run.process.communicate(
            FIT.format(paths=paths), timeout=MOST_SECONDS
        )
        assert complaint == "", complaint  # nothing was compiled
        name, *found = json.loads(said)
        assert name == str(archive / "hogblock" / "__init__.py")
        assert found == [SOURCE_STAMP, 2, True]
        run.leaves_nothing()


CHILD = """
    import json, os, subprocess, sys
    sys.path[:0] = ["own"]
    from hogblock.kernels import child
    os.chdir("/")
    code = "import module; print(module.__file__); print(list(sys.flags))"
    print(list(sys.flags))
    sys.stdout.flush()
    subprocess.run(child.command(code), check=True)
"""


@pytest.mark.parametrize("flags", [["-I", "-OO", "-B"], ["-E", "-s", "-P", "-O"], []])
def test_processes_of_ours_import_what_this_one_does(tmp_path, flags):
    """Though a path is relative, and the current folder is another one now."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "module.py").write_text("")
    done = subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(CHILD)],
        cwd=tmp_path, capture_output=True, text=True, timeout=50, check=True,
    )  # fmt: skip
    ours, name, theirs = done.stdout.splitlines()
    assert Path(name) == tmp_path / "own" / "module.py"
    assert theirs == ours


def test_a_program_that_is_no_python_starts_none(monkeypatch):
    from hogblock.kernels import child

    assert child.command("pass")[0] == sys.executable
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child.command("pass") is None
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr("multiprocessing.spawn._python_exe", None)
    assert child.command("pass") is None
    with pytest.raises(WorkerError, match=r"no Python interpreter.* n_jobs=1"):
        bootstrap.command(3, None)


WARM_UP = "from hogblock.kernels.cpu.warmup import warm_up; warm_up()"


@behind
def test_who_compiles_for_a_process_goes_with_it(folder):
    words = [sys.executable, "-c", WARM_UP]
    run = Program(words, {"NUMBA_CACHE_DIR": str(folder)}, stderr=subprocess.PIPE)
    with killed_in_the_end(run):
        assert b"compiling" in run.process.stderr.readline()
        deadline = time.monotonic() + END_SECONDS
        while not run.alive("fill_cache") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert run.alive("fill_cache")
        run.process.kill()
        run.process.wait()
        run.leaves_nothing(LEAVE_SECONDS)
