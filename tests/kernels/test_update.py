"""Updates from a gradient vector, atomic words, and the spin lock."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import njit

from hogblock.kernels.cpu.jit import FASTMATH
from hogblock.kernels.cpu.memory import (
    atomic_add,
    atomic_claim,
    atomic_load,
    atomic_store,
    pause,
    yield_core,
)
from hogblock.kernels.cpu.update import (
    acquire,
    column_sums,
    momentum_step,
    release,
    subtract,
    subtract_atomic,
)
from support import naive

SIZES = [1, 2, 7, 13, 16, 17, 31, 33, 64, 65, 100]
F32 = np.float32
THREADS = 2
# Loops below last for several time slices, so that threads meet even on a busy machine.
compiled = njit(nogil=True, error_model="numpy", fastmath=FASTMATH)


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("rows", [0, 1, 3, 9, 64, 65])
def test_column_sums(aligned, normal, rows, width):
    dy = normal(rows, width)
    source = aligned(dy, rows=rows + 1)
    source[rows:] = np.nan  # not part of the minibatch
    out = aligned.zeros(width)
    out[:] = np.nan
    column_sums(source.ctypes.data, source.shape[1], rows, out)
    np.testing.assert_allclose(out[:width], naive.column_sums(dy), rtol=1e-5, atol=1e-5)
    assert not out[width:].any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("decays", [False, True])
@pytest.mark.parametrize("step", [(0, 0.1, 0.5, 0), (0.9, 0.1, 0.2, 0.5)], ids=str)
def test_momentum_step(normal, step, decays, size):
    step = np.array(step, F32)
    g, w, u = normal(size), normal(size), normal(size)
    m, decay, along_g, along_u = naive.f64(step)
    expected, new_u = naive.momentum_step(
        g, w, u, m, decay if decays else 0, along_g, along_u
    )
    before = w.copy()
    momentum_step(g, w, u, step, decays)
    np.testing.assert_allclose(g, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(u, new_u, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(w, before)


@pytest.mark.parametrize("write", [subtract, subtract_atomic])
@pytest.mark.parametrize("size", SIZES)
def test_subtract(normal, write, size):
    w, step = normal(size), normal(size)
    expected = w - step
    write(w, step)
    np.testing.assert_array_equal(w, expected)


@compiled
def _meet(gate):
    """Return when all threads are here: they start within nanoseconds."""
    atomic_add(gate, 1)
    spins = 0
    while atomic_load(gate) < THREADS:
        pause()
        spins += 1
        if spins % 64 == 0:
            yield_core()


@compiled
def _subtract_often(gate, w, step, times):
    _meet(gate)
    for _ in range(times):
        subtract_atomic(w, step)


@compiled
def _count_often(gate, address, times):
    _meet(gate)
    for _ in range(times):
        atomic_add(address, 1)


@compiled
def _count_under_lock(gate, lock, abort, plain, times):
    """plain[0] and plain[8] are read, and written later: only the lock protects them.

    Counts how often they were seen to differ.
    """
    torn = 0
    _meet(gate)
    for _ in range(times):
        acquire(lock, 7, abort)
        first = plain[0]
        if plain[8] != first:
            torn += 1
        plain[0] = first + 1
        for k in range(16, 48):  # some work, so that others have time to come in
            plain[k] += first
        plain[8] = first + 1
        release(lock)
    return torn


def in_threads(call, *arguments):
    """Results of ``call(gate, *arguments)`` in threads that start together."""
    gate = np.full(1, THREADS, np.int64)
    call(gate.ctypes.data, *arguments[:-1], 0)  # compile
    gate[0] = 0
    with ThreadPoolExecutor(THREADS) as executor:
        work = [
            executor.submit(call, gate.ctypes.data, *arguments) for _ in range(THREADS)
        ]
        return [w.result() for w in work]


def test_atomic_subtraction_loses_nothing(aligned):
    """Sums stay below 2**24, where float32 counts exactly."""
    w, step, times = aligned.zeros(16)[:2], -np.ones(2, F32), 4_000_000
    in_threads(_subtract_often, w, step, times)
    np.testing.assert_array_equal(w, THREADS * times)


def test_atomic_add_loses_nothing():
    word, times = np.zeros(1, np.int64), 20_000_000
    in_threads(_count_often, word.ctypes.data, times)
    assert word[0] == THREADS * times


def test_spin_lock_excludes():
    lock, plain, times = np.zeros(1, np.int64), np.zeros(48, np.int64), 400_000
    abort = np.zeros(1, np.int64)
    torn = in_threads(
        _count_under_lock, lock.ctypes.data, abort.ctypes.data, plain, times
    )
    assert sum(torn) == 0
    assert plain[0] == plain[8] == THREADS * times
    assert lock[0] == 0


@pytest.mark.timeout(20, method="thread")
def test_nobody_waits_for_the_lock_of_an_aborted_run():
    """A worker that was killed while it held the lock never frees it."""
    lock, abort = np.ones(1, np.int64), np.ones(1, np.int64)
    assert not acquire(lock.ctypes.data, 2, abort.ctypes.data)


def test_a_lock_names_its_owner():
    lock, abort = np.zeros(1, np.int64), np.ones(1, np.int64)
    assert acquire(lock.ctypes.data, 3, abort.ctypes.data)
    assert not acquire(lock.ctypes.data, 2, abort.ctypes.data)
    assert lock[0] == 3


def test_words_one_at_a_time():
    @compiled
    def use(address):
        claimed = atomic_claim(address, 5), atomic_claim(address, 6)
        before = atomic_add(address, -7)
        held = atomic_load(address)
        atomic_store(address, 2**40)
        return claimed, before, held

    word = np.array([0, 22], np.int64)
    assert use(word.ctypes.data) == ((True, False), 5, -2)
    assert word.tolist() == [2**40, 22]
