"""Where kernels cannot run, one error says so; where NumPy moved on, they still do."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from hogblock import MLPClassifier
from support.behind import MOST_SECONDS, behind
from support.ptx import compile_elsewhere

# Importing works, whatever comes of it: other projects' suites collect their tests so.
TRY = """
import sys, warnings
import joblib, numba, numpy as np
from sklearn.base import clone
import multiprocessing.shared_memory, joblib.externals.loky
{before}
import hogblock, hogblock.engines.cpu.engine
from hogblock.models import lenet5
model = joblib.load(sys.argv[1])
x = np.zeros((200, 64), np.float32)
y = np.arange(200) % 2
image_model = hogblock.NetworkClassifier(lenet5, max_iter=1)
tries = dict(
    fit=lambda: clone(model).fit(x, y),
    workers=lambda: clone(model).set_params(n_jobs=2).fit(x, y),
    partial=lambda: clone(model).partial_fit(x, y, classes=[0, 1]),
    raw=lambda: clone(model).set_params(standardize=False).fit(x, y),
    images=lambda: image_model.fit(np.zeros((200, 28, 28), np.uint8), y),
    predict=lambda: model.predict(x),
)
for name, attempt in tries.items():
    try:
        attempt()
    except ImportError as error:
        print(name, error, sep=": ")
from hogblock.engines.cpu import pool
assert pool.running() == []
"""
TRIES = ["fit", "workers", "partial", "raw", "images", "predict"]


def run(*arguments, folder, seconds=100, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def saved_in(folder):
    """File of a fitted model; it is made here, where kernels can be."""
    code = """
import sys
import joblib, numpy as np
from hogblock import MLPClassifier
x, y = np.random.default_rng(0).normal(size=(200, 64)), np.arange(200) % 2
model = MLPClassifier(max_iter=1, learning_rate="cosine").fit(x, y)
joblib.dump(model, sys.argv[1])
"""
    file = folder / "model.joblib"
    assert not run(
        "-W", "ignore", "-c", code, file, folder=folder, seconds=300
    ).returncode
    return file


def obstacles(folder):
    """What comes of each way in which kernels cannot run, by its name."""
    saved, nothing = saved_in(folder), dict(NUMBA_DISABLE_JIT="1")
    plain, on_windows = (
        TRY.format(before=before) for before in ("", "sys.platform = 'win32'")
    )
    return {
        "no compiler": run("-c", plain, saved, folder=folder, **nothing),
        "Windows": run("-c", on_windows, saved, folder=folder),
        "train": run(
            "-m", "hogblock.cli", "train", "digits", "--epochs", "1",
            folder=folder, **nothing,
        ),
        "info": run("-m", "hogblock.cli", "info", folder=folder, **nothing),
    }  # fmt: skip


def errors_of(done):
    """What each attempt says, all of it the same."""
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [line.split(": ", 1) for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == TRIES
    (text,) = {text for _, text in lines}
    return text


@pytest.mark.timeout(MOST_SECONDS)
@pytest.mark.behind.with_args(obstacles)
def test_without_the_compiler_one_error_says_so(running):
    done = running[obstacles].result()["no compiler"]
    assert "NUMBA_DISABLE_JIT" in errors_of(done)


@pytest.mark.timeout(MOST_SECONDS)
@pytest.mark.behind.with_args(obstacles)
def test_on_windows_one_error_says_so(running):
    text = errors_of(running[obstacles].result()["Windows"])
    assert "Windows" in text and "WSL" in text


@pytest.mark.timeout(MOST_SECONDS)
@pytest.mark.behind.with_args(obstacles)
def test_the_command_line_says_so_in_a_line(running):
    done = running[obstacles].result()["train"]
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("hogblock: error: ") and "NUMBA_DISABLE_JIT" in line


@pytest.mark.timeout(MOST_SECONDS)
@pytest.mark.behind.with_args(obstacles)
def test_info_tells_why_kernels_do_not_run(running):
    done = running[obstacles].result()["info"]
    assert done.returncode == 0, done.stderr
    facts = {line[:20].strip(): line[20:] for line in done.stdout.splitlines()}
    assert "NUMBA_DISABLE_JIT" in facts["kernels"]
    assert facts["processor"] and facts["memory for workers"] and facts["GPU"]


def test_several_workers_need_no_reservation(monkeypatch, random):
    """As on macOS, which backs shared memory by its pager and not by a file system."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    x = random.normal(size=(600, 5))
    y = (x[:, 0] > 0).astype(int)
    model = MLPClassifier(n_jobs=2, max_iter=20, learning_rate="cosine").fit(x, y)
    assert model.n_workers_ == 2
    assert model.score(x, y) > 0.9


# CUDA with a NumPy that has no row_stack ----------------------------------------------

ROW_STACK = """
import json
import numpy as np
if hasattr(np, "row_stack"):
    del np.row_stack
    np.__all__.remove("row_stack")
from hogblock.kernels.cuda.jit import kernel
from numba import cuda, types

def stacked(out):
    out[0] = np.float32(1)

kept = hasattr(np, "row_stack")
text, _ = cuda.compile(
    kernel(stacked).py_func, (types.float32[::1],), cc=(9, 0), device=False,
    abi="numba", output="ptx",
)
print(json.dumps([text, kept]))
"""


@pytest.mark.skipif(not find_spec("numba_cuda"), reason="numba-cuda is not installed")
@behind
def test_cuda_kernels_compile_where_numpy_has_no_row_stack(folder):
    file = folder / "script.py"
    file.write_text(ROW_STACK)
    ((text, kept),) = compile_elsewhere(file, seconds=100)
    assert "st.global" in text or "st.f32" in text
    assert not kept  # NumPy is as it was
