"""Shared memory that cannot be had: the error says how much, why, and what helps."""

import errno
import gc
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from unittest import mock

import pytest

from hogblock.engines.cpu.memory import Segment
from hogblock.errors import SharedMemoryError
from support.segments import segments

SPECIFICATION = {"params": ((3 * 2**18,), "f4")}
SIZE = r"needs 3\.0 MiB of shared memory"


def descriptors():
    return set(os.listdir("/proc/self/fd"))


@contextmanager
def limit(which, value):
    """A limit of this process."""
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))


def failing(function, number):
    """A function that `SharedMemory` calls fails."""

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return mock.patch(f"multiprocessing.shared_memory.{function}", fail)


def refused(message, limited):
    """The segment is refused with a message, and nothing of it is left."""
    Segment(SPECIFICATION).release()  # the tracker is up
    before = descriptors()
    with pytest.raises(SharedMemoryError, match=f"(?s){SIZE}.*{message}"), limited:
        Segment(SPECIFICATION)
    gc.collect()
    assert segments() == set()
    assert descriptors() == before


def test_a_limit_on_the_size_of_files():
    refused(r"ulimit -f.*n_jobs=1", limit(resource.RLIMIT_FSIZE, 2**20))


def test_a_limit_on_open_files():
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    refused("ulimit -n", limit(resource.RLIMIT_NOFILE, free))


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "may not be written"),
        (errno.ENOENT, "is missing"),
        (errno.ENOSPC, "--shm-size"),
        (errno.ENFILE, "too many files"),
        (errno.ENOSYS, "n_jobs=1"),
    ],
)
def test_a_name_that_cannot_be_made(number, advice):
    refused(advice, failing("_posixshmem.shm_open", number))


def test_memory_that_cannot_be_mapped():
    refused("ulimit -v", failing("mmap.mmap", errno.ENOMEM))


def test_no_failure_makes_the_tracker_complain():
    script = f"""
import resource
from hogblock.errors import SharedMemoryError
from hogblock.engines.cpu.memory import Segment
Segment({SPECIFICATION}).release()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
try:
    Segment({SPECIFICATION})
except SharedMemoryError:
    print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_a_segment_that_nobody_released_has_no_name_left():
    segment = Segment(SPECIFICATION)
    assert len(segments()) == 1
    del segment
    assert segments() == set()
