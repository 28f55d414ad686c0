"""A file in `memmap_dir` takes the place of memory that is not there."""

import errno
import os
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hogblock import MLPClassifier
from hogblock.engines.cpu import pool, reserve
from hogblock.engines.cpu.run import Run
from hogblock.errors import SharedMemoryError
from support.refusals import refused
from support.segments import segments

pytestmark = pytest.mark.timeout(60)

X = np.random.default_rng(0).normal(size=(4000, 100)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
OPTIONS = dict(method="sync", n_jobs=2, random_state=0, max_iter=3)
OPTIONS |= dict(learning_rate="cosine")
SIZE = r"needs 1\.6 MiB of shared memory"


def model(**changes):
    return MLPClassifier((8,), **(OPTIONS | changes))


@pytest.fixture
def scarce(monkeypatch):
    """Memory has room for the workers, and not for what they share."""
    monkeypatch.setattr(reserve, "available_memory", lambda: 2**20)
    monkeypatch.setattr("hogblock.engines.cpu.training.WORKER_BYTES", 0)


def test_the_model_is_the_same(scarce, tmp_path, monkeypatch):
    seen, start = {}, Run.start

    def started(run):  # all have attached
        for pid in (os.getpid(), *(w.process.pid for w in pool.running())):
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
            seen[pid] = [line.split()[1] for line in lines if str(tmp_path) in line]
        assert os.listdir(tmp_path) == []
        start(run)

    monkeypatch.setattr(Run, "start", started)
    message = rf"{SIZE}, and 1\.0 MiB of memory are free: .* memmap_dir='{tmp_path}'"
    with pytest.warns(RuntimeWarning, match=message):
        there = model(memmap_dir=tmp_path).fit(X, Y)
    assert list(seen.values()) == [["rw-s"]] * 3
    assert segments() == set() and os.listdir(tmp_path) == []
    monkeypatch.undo()
    here = model(memmap_dir=tmp_path).fit(X, Y)  # without a warning
    for one, other in zip(there.coefs_, here.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_file_is_this_user_s(scarce, tmp_path):
    with pytest.warns(RuntimeWarning, match="memmap_dir"):
        descriptor = reserve.reserve(2 * 2**20, folder=tmp_path)
    about = os.fstat(descriptor)
    os.close(descriptor)
    assert (about.st_mode & 0o777, about.st_nlink) == (0o600, 0)
    assert about.st_size == 2 * 2**20 <= about.st_blocks * 512


def test_memory_that_the_system_refuses_after_all(tmp_path, monkeypatch):
    refusals = [OSError(errno.ENOSPC, "full")]
    fallocate = os.posix_fallocate

    def once(*arguments):
        if refusals:
            raise refusals.pop()
        fallocate(*arguments)

    monkeypatch.setattr(os, "posix_fallocate", once)
    with pytest.warns(RuntimeWarning, match=r"no room for it \(full\): .* memmap_dir"):
        assert model(memmap_dir=str(tmp_path)).fit(X, Y).n_workers_ == 2


def test_a_disk_that_is_too_small(scarce, tmp_path, monkeypatch):
    fit = partial(model(memmap_dir=tmp_path).fit, X, Y)
    full = SimpleNamespace(free=2**19)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: full)
        message = (
            rf"{SIZE}; 1\.0 MiB of memory are free, and memmap_dir='{tmp_path}' has"
        )
        refused(fit, SharedMemoryError, rf"{message} 0\.5 MiB.*n_jobs=1")

    def quota(*_):
        raise OSError(errno.EDQUOT, "Quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", quota)
    with pytest.warns(RuntimeWarning, match="memmap_dir"):
        refused(fit, SharedMemoryError, r"does not take it \(Quota exceeded\)")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "what"), [("missing", "is missing"), ("file", "is no folder")]
)
def test_a_folder_that_is_none(tmp_path, name, what):
    """Whether it is needed or not."""
    (tmp_path / "file").touch()
    folder = tmp_path / name
    for n_jobs in (1, 2):
        fit = partial(model(n_jobs=n_jobs, memmap_dir=folder).fit, X, Y)
        refused(fit, ValueError, f"memmap_dir='{folder}' {what}")


def test_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    access = os.access
    if os.geteuid() == 0:  # who may write anywhere
        monkeypatch.setattr(
            os,
            "access",
            lambda path, how: how != os.W_OK | os.X_OK and access(path, how),
        )
    tmp_path.chmod(0o500)
    fit = partial(model(memmap_dir=tmp_path).fit, X, Y)
    refused(fit, ValueError, f"memmap_dir='{tmp_path}' may not be written to")
