"""X that lies in a file: mapped by all who read it, copied by nobody."""

import contextlib
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from hogblock import MLPClassifier, MLPRegressor
from hogblock.engines.cpu import pool, training
from hogblock.engines.cpu.mapped import mapped_file
from hogblock.engines.cpu.run import Run
from support.limits import descriptors, limit, memory
from support.segments import segments

pytestmark = pytest.mark.timeout(60)

MIB = 2**20
ROWS, COLUMNS = 1000, 20
TYPES = ["f4", "f8", "u1"]
WAYS = [dict(n_jobs=1, method="sgd"), dict(n_jobs=2, method="sync")]
"""Whose models are determined by the seed."""

FOREVER = dict(max_iter=10**5, learning_rate="step")

Y = np.arange(ROWS) % 3


def values(dtype):
    x = np.random.default_rng(0).normal(128, 30, (ROWS, COLUMNS)).clip(0, 255)
    x[:, 0] = 40 * Y
    return x.astype(dtype)


def saved(folder, x, offset=0):
    """The path of a file that holds x from an offset."""
    path = folder / "x.bin"
    path.write_bytes(b"\7" * offset + x.tobytes())
    return path


def mapped(path, x, mode="r", offset=0):
    return np.memmap(path, x.dtype, mode, offset, x.shape)


def model(**changes):
    options = dict(hidden_layer_sizes=(8,), random_state=0, max_iter=3)
    options |= dict(learning_rate="cosine", n_jobs=2)
    return MLPClassifier(**(options | changes))


@pytest.fixture
def shared(monkeypatch):
    """Names of the arrays that runs put into shared memory."""
    names = []

    class Segment(training.Segment):
        def __init__(self, specification, *others, **options):
            names.append(set(specification))
            super().__init__(specification, *others, **options)

    monkeypatch.setattr(training, "Segment", Segment)
    return names


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("standardize", [True, False])
def test_the_model_is_that_of_the_same_array_in_memory(
    tmp_path, shared, dtype, standardize
):
    x = values(dtype)
    options = dict(standardize=standardize, learning_rate_init=1e-3)
    for rows, offset, mode in [
        (slice(None), 0, "r"),
        (slice(3, 777), 3 * 4096 + 16, "r+"),
        (slice(100, None), 13, "r"),  # no address of a number
    ]:
        there = mapped(saved(tmp_path, x, offset), x, mode, offset)[rows]
        for way in WAYS:
            one = model(**way, **options).fit(there, Y[rows])
            other = model(**way, **options).fit(x[rows].copy(), Y[rows])
            for a, b in zip(one.coefs_, other.coefs_, strict=True):
                np.testing.assert_array_equal(a, b)
    assert ["x" in names for names in shared] == [False, True] * 3


def test_files_that_are_written_through_the_map(tmp_path, shared):
    x = values("f4")
    there = np.memmap(tmp_path / "x.bin", x.dtype, "w+", shape=x.shape)
    there[:] = x  # not flushed
    regressor = MLPRegressor((8,), n_jobs=2, max_iter=60, learning_rate="cosine")
    assert regressor.fit(there, x[:, 0]).score(x, x[:, 0]) > 0.9
    assert "x" not in shared[0]


def path_of(array):
    """The file that workers would map, or None; it is closed again."""
    before = descriptors()
    with mapped_file(array) as file:
        path = file and os.readlink(f"/proc/self/fd/{file.descriptor}")
    assert descriptors() <= before
    return path


def test_what_is_mapped_and_what_is_not(tmp_path):
    x = values("f4")
    path = saved(tmp_path, x)
    there = mapped(path, x)
    assert path_of(there) == path_of(np.asarray(there)[5:]) == str(path)
    assert path_of(x) is None
    assert path_of(mapped(path, x, "c")) is None
    os.link(path, tmp_path / "other")
    path.unlink()
    assert path_of(there) is None
    path.write_bytes(x.tobytes())
    assert path_of(there) is None
    deleted = Path(f"{path} (deleted)")  # as the system shows the one that is gone
    deleted.write_bytes(x.tobytes())
    assert path_of(there) is None
    again = mapped(path, x)
    assert path_of(again) == str(path)
    (tmp_path / "new").write_bytes(x.tobytes())
    os.replace(tmp_path / "new", path)
    assert path_of(again) is None


@pytest.mark.parametrize("how", ["deleted", "columns", "float16", "validation"])
def test_what_cannot_be_mapped_is_copied(tmp_path, shared, how):
    x = values("f2" if how == "float16" else "f4")
    path = saved(tmp_path, x)
    there = mapped(path, x)
    if how == "deleted":
        path.unlink()
    if how == "columns":
        there = there[:, :7]
    fitted = model(early_stopping=how == "validation", max_iter=30).fit(there, Y)
    assert "x" in shared[0]
    assert fitted.score(there, Y) > 0.9


def test_a_file_that_was_cut_is_an_error(tmp_path):
    x = values("u1")
    path = saved(tmp_path, x)
    there = mapped(path, x)
    os.truncate(path, x.nbytes - 4096)
    before = descriptors()
    message = rf"{path}, which must have 20000 bytes for it and has 15904"
    with pytest.raises(ValueError, match=message) as error, mapped_file(there):
        pass
    assert descriptors() <= before
    del error  # whose traceback holds what it can


@pytest.mark.parametrize("dtype", TYPES)
def test_x_takes_no_memory(tmp_path, dtype):
    """Memory of each process, and what they share, is far less than X."""
    size, most = 96 * MIB, 40 * MIB  # of which stacks of threads take some
    rows = size // (784 * np.dtype(dtype).itemsize)
    x = np.memmap(tmp_path / "x.bin", dtype, "w+", shape=(rows, 784))
    x[::1000] = np.arange(784) % 200
    y = np.arange(rows) % 2
    options = dict(max_iter=1, batch_size=256, early_stopping=True)
    models = [model(**options, **way) for way in WAYS]
    for each in models:
        each.fit(values(dtype), Y)
    shmem = []
    poll = Run.poll
    workers = [worker.process.pid for worker in pool.running()]

    def polled(run):
        shmem.extend(memory("RssShmem", pid) for pid in [os.getpid(), *workers])
        poll(run)

    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(Run, "poll", polled)
        for pid in [os.getpid(), *workers]:
            data = memory("VmData", pid) + most
            stack.enter_context(limit(resource.RLIMIT_DATA, data, pid))
        for each in models:
            each.fit(x, y, X_val=x[: rows // 4], y_val=y[: rows // 4])
            each.predict(x)
    assert max(shmem) < most
    assert [each.n_workers_ for each in models] == [1, 2]


@pytest.mark.parametrize("method", ["sync", "hogwild"])
def test_another_worker_maps_the_same_file(tmp_path, monkeypatch, method):
    """Though it has no name any more."""
    x = values("f4")
    path = saved(tmp_path, x)
    poll, dead = Run.poll, []

    def maps(pid):
        with contextlib.suppress(OSError):
            return path.name in Path(f"/proc/{pid}/maps").read_text()

    def polled(run):
        poll(run)
        workers = [worker.process.pid for worker in pool.running()]
        if len(run.losses) >= 20 and not dead:
            path.unlink()
            dead.append(workers[0])
            os.kill(dead[0], signal.SIGKILL)
        elif dead and dead[0] not in workers and all(map(maps, workers)):
            run.stop()

    monkeypatch.setattr(Run, "poll", polled)
    with pytest.warns(RuntimeWarning, match="Another one"):
        fitted = model(method=method, **FOREVER).fit(mapped(path, x), Y)
    assert 20 <= fitted.n_iter_ < FOREVER["max_iter"]
    assert fitted.n_worker_restarts_ == 1 and fitted.n_workers_ == 2
    assert fitted.score(x, Y) > 0.9
    assert segments() == set()
