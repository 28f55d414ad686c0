"""Compile or load the entry points before anything is timed or any worker starts."""

import contextlib
import os
import subprocess
import threading
import time
from typing import NamedTuple

import numpy as np

from hogblock.kernels import child
from hogblock.kernels import counters as c
from hogblock.kernels import ops as op
from hogblock.kernels.cache import announce, is_cached
from hogblock.kernels.cpu import job, run, space, watch
from hogblock.kernels.cpu.augment import AUGMENT_WIDTH
from hogblock.kernels.cpu.image_ops import image_op_address, run_image_op
from hogblock.kernels.cpu.jit import check_runnable

WATCH_SECONDS = 0.5

_warm: set[bool] = set()  # of `images`, see `warm_up`


class CacheState(NamedTuple):
    """Where the compiled kernels lie, and whether all are there."""

    path: str | None
    complete: bool


def cache_state(images: bool = True) -> CacheState:
    """State of the disk cache of the kernels, with or without those for images."""
    entries = (run.run_steps, run.run_forward, watch.sum_epoch)
    path = getattr(entries[0]._cache, "cache_path", None)
    wanted = (*entries, run_image_op) if images else entries
    return CacheState(path, all(is_cached(e) for e in wanted))


def empty_arguments() -> tuple[job.Worker, job.Plans, job.Samples, job.UpdateRule]:
    """Arguments of the right types with nothing in them; not to be run."""

    def floats(*shape):
        return np.zeros(shape, np.float32)

    def words(*shape):
        return np.zeros(shape, np.int64)

    plans = job.Plans(
        ops=words(1, 1, space.ROW_WIDTH),
        reals=floats(1, 1, op.REAL_WIDTH),
        n_forward=words(1),
        n_ops=words(1),
        tensors=words(1, 1, 3),
        kept=words(1, 1, 2),
        writes=np.zeros((1, 1), np.uint8),
        stretch_start=words(1),
        stretch_plans=words(1, 1),
        stretch_length=words(1),
        stretch_random=np.zeros(1, np.uint8),
    )
    none = words(AUGMENT_WIDTH)
    scaling = floats(0), floats(0), np.zeros(0), np.zeros(0)
    samples = job.Samples(0, 0, 0, 0, 0, *scaling, 0, floats(0), 0, 1, 0, 1, 0, 0, none)
    zero = np.float32(0)
    rule = job.UpdateRule(0, 0, 0, floats(1), 1, floats(1), zero, 0, zero, zero)
    worker = job.Worker(
        params=floats(0),
        counters=words((c.BLOCKS + 1) * c.STRIDE),
        gradients=floats(0, 0),
        record=np.zeros((1, c.RECORD_WIDTH)),
        staleness=words(c.AGES, 1, c.STALENESS_BINS),
        log=np.zeros((0, c.log_width(1)), np.int32),
        velocity=floats(0),
        gradient=floats(0),
        copy=floats(0),
        work=floats(0),
        zeros=floats(0),
        indices=words(0),
        kept=words(0),
        norms=floats(0),
        seen=words(1),
        coefficients=floats(4),
        sparse=words(0),
        state=words(job.STATE_WIDTH),
        rank=0,
        workers=1,
        key=0,
        image_op=0,
    )
    return worker, plans, samples, rule


@contextlib.contextmanager
def _one_compiler(path: str | None):
    """Let one process at a time write the cache: Numba's index has no lock."""
    try:
        import fcntl

        os.makedirs(path, exist_ok=True)
        lock = open(os.path.join(path, "hogblock.lock"), "w")
    except (ImportError, OSError, TypeError):
        yield
        return
    with lock:
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def warm_up(images: bool = False) -> None:
    """Make the entry points ready; says so on stderr when it has to compile.

    Operations on images take longest to compile: without `images` they are left out.

    Raises
    ------
    ImportError
        If kernels cannot run here, see ``jit.check_runnable``.
    """
    if images in _warm:
        return
    check_runnable()
    path, complete = cache_state(images)
    with contextlib.ExitStack() as stack:
        if not complete:
            stack.enter_context(_one_compiler(path))
            if not cache_state(images).complete:
                announce("its kernels for this machine", path)
                if path is not None:
                    _compile_elsewhere(images)
        if False not in _warm:
            _load_entry_points()
        if images:
            image_op_address()
    _warm.update({False, images})


def _compile_elsewhere(images: bool) -> None:
    """Fill the cache from a process of its own; without success this one compiles.

    A process that compiles binds calls to other copies of the callees than one that
    loads the same kernels from the cache, and these may round in another way: the seed
    of a fit would not determine the last bits of the model.
    """
    call = f"from {__name__} import fill_cache; fill_cache({images}, {os.getpid()})"
    arguments = child.command(call)
    if arguments is None:
        return
    with contextlib.suppress(OSError):  # the interpreter cannot be started
        subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def fill_cache(images: bool, parent: int) -> None:
    """Compile what the cache lacks, for a process that waits for it."""
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    _load_entry_points()
    if images:
        image_op_address()


def _leave_with(parent: int) -> None:
    """End this process when nobody waits for it any more."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _load_entry_points() -> None:
    worker, plans, samples, rule = empty_arguments()
    run.run_steps(worker, plans, samples, rule, 0)
    watch.write_counter(worker.counters, c.STOP, 0)
    watch.read_counter(worker.counters, c.STOP)
    watch.sum_epoch(worker.record[None], 0)
    watch.add_atomic(worker.params, worker.params)
    watch.settle_rows(
        worker.params, worker.velocity, 0, 1, np.zeros(0, np.int32), np.zeros((0, 4)),
        worker.state,
    )  # fmt: skip
    out = np.zeros((0, 1), np.float32)
    run.run_forward(
        plans.ops[0], plans.reals[0], 0, worker.params, worker.work, worker.zeros,
        samples, 0, 0, out, 0,
    )  # fmt: skip
