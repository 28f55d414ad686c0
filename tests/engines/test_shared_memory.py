"""Shared memory of a run: private, without a name, and refused in words."""

import errno
import gc
import os
import resource
import stat
import subprocess
import sys
from contextlib import nullcontext
from unittest import mock

import pytest

from hogblock.engines.cpu import reserve
from hogblock.engines.cpu.mapped import Place
from hogblock.engines.cpu.memory import Segment, attached
from hogblock.errors import SharedMemoryError
from support.behind import behind
from support.limits import descriptors, limit, memory
from support.segments import segments

pytestmark = pytest.mark.timeout(60)

SPECIFICATION = {"params": ((3 * 2**18,), "f4")}
LARGE = {"params": ((2**26,), "f4")}
SIZE = r"needs 3\.0 MiB of shared memory"


def failing(function, number):
    """A function of the system fails."""

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return mock.patch(function, fail)


def refused(message, limited, specification=SPECIFICATION, size=SIZE):
    """The segment is refused with a message, and nothing of it is left."""
    Segment(specification).release()
    before = descriptors()
    match = f"(?s){size}.*{message}"
    with pytest.raises(SharedMemoryError, match=match) as error, limited:
        Segment(specification)
    assert segments() == set()
    assert descriptors() <= before
    del error  # whose traceback holds what it can


def test_a_limit_on_the_size_of_files():
    refused(r"ulimit -f.*n_jobs=1", limit(resource.RLIMIT_FSIZE, 2**20))


def test_a_limit_on_open_files():
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    refused("ulimit -n", limit(resource.RLIMIT_NOFILE, free))


def test_a_limit_on_addresses():
    room = memory("VmSize") + 2**26
    refused("ulimit -v", limit(resource.RLIMIT_AS, room), LARGE, r"needs 256\.0 MiB")


@pytest.mark.parametrize(
    ("function", "number", "advice"),
    [
        ("os.memfd_create", errno.ENOSYS, "n_jobs=1"),
        ("os.memfd_create", errno.ENFILE, "too many files"),
        ("os.ftruncate", errno.EFBIG, "ulimit -f"),
        ("os.posix_fallocate", errno.ENOSPC, "no room.*memmap_dir"),
        ("mmap.mmap", errno.ENOMEM, "ulimit -v"),
    ],
)
def test_what_the_system_refuses(function, number, advice):
    refused(advice, failing(function, number))


def test_what_is_not_free_is_not_reserved(monkeypatch):
    monkeypatch.setattr(reserve, "available_memory", lambda: 3 * 2**20 - 1)
    monkeypatch.setattr(os, "memfd_create", lambda *_: pytest.fail("it was reserved"))
    with pytest.raises(SharedMemoryError, match=rf"{SIZE}.*3\.0 MiB .* free.*n_jobs=1"):
        Segment(SPECIFICATION)
    monkeypatch.setattr(reserve, "available_memory", lambda: 3 * 2**20 + 2**19)
    with pytest.raises(SharedMemoryError, match=r"1\.0 MiB for its .*memmap_dir"):
        Segment(SPECIFICATION, beside=2**20)
    monkeypatch.setattr(reserve, "available_memory", lambda: 2**20)
    message = r"needs 0\.0 MiB .* 2\.0 MiB for its processes, and 1\.0 MiB .*n_jobs"
    with pytest.raises(SharedMemoryError, match=message):
        Segment({}, beside=2 * 2**20, folder=".")


def test_all_that_is_free_can_be_had(monkeypatch):
    monkeypatch.setattr(reserve, "available_memory", lambda: 4 * 2**20)
    Segment(SPECIFICATION, beside=2**20).release()


def test_it_is_this_user_s_and_has_no_name():
    before = set(os.listdir("/dev/shm"))
    mask = os.umask(0)
    try:
        segment = Segment(SPECIFICATION)
    finally:
        os.umask(mask)
    (descriptor,) = segment.descriptors
    about = os.fstat(descriptor)
    assert stat.S_IMODE(about.st_mode) == 0o600
    assert about.st_nlink == 0 and about.st_blocks * 512 >= 3 * 2**20
    assert os.readlink(f"/proc/self/fd/{descriptor}").endswith("(deleted)")
    assert set(os.listdir("/dev/shm")) == before
    segment.release()


def test_programs_that_are_started_do_not_inherit_it():
    segment = Segment(SPECIFICATION)
    script = "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in range(3, 64)"
    script += " if os.path.exists(f'/proc/self/fd/{n}')])"
    done = subprocess.run(
        [sys.executable, "-c", script], close_fds=False, capture_output=True, text=True
    )
    segment.release()
    assert done.returncode == 0 and "hogblock" not in done.stdout


def test_a_segment_that_nobody_released_is_gone_with_its_last_word():
    segment = Segment(SPECIFICATION)
    assert segments()
    del segment
    assert segments() == set()


@pytest.mark.parametrize(
    "obstacle", [failing("mmap.mmap", errno.ENOMEM), nullcontext()]
)
def test_who_attaches_keeps_no_file_open(obstacle):
    segment = Segment(SPECIFICATION)
    description = segment.description._replace(places={"x": Place(0, 3, (5,), "u1")})
    before = descriptors()
    copies = [os.dup(segment.descriptors[0]), os.open(__file__, os.O_RDONLY)]
    try:
        with obstacle:
            arrays = attached(copies, description)
            arrays["params"][:] = 3
            assert (segment.arrays["params"] == 3).all()
            assert bytes(arrays["x"]) == b"Share"
            del arrays
    except OSError as error:
        assert error.errno == errno.ENOMEM
    gc.collect()
    assert descriptors() <= before
    segment.release()


# Where /dev/shm is of no use ---------------------------------------------------------

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]

SCRIPT = """
import os
import numpy as np
from hogblock import MLPClassifier
x = np.random.default_rng(0).normal(size=(600, 8))
y = x[:, 0] > 0
model = MLPClassifier(n_jobs=2, max_iter=20, learning_rate="cosine").fit(x, y)
print(model.n_workers_, model.score(x, y) > 0.9, os.listdir("/dev/shm"))
"""


def namespaces():
    try:
        return not subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode
    except OSError:
        return False


@pytest.mark.skipif(not namespaces(), reason="no mount namespaces for this user")
@behind
def test_dev_shm_is_never_touched(folder):
    mount = "mount -t tmpfs -o size=4k none /dev/shm"
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", f'{mount} && exec "$0" -W error -c "$1"',
         sys.executable, SCRIPT],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == "2 True []\n"
