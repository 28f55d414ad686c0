"""What there is of memory, processes and open files, by machine and control groups."""

import errno
import os
import re
import resource
import signal
import subprocess
import sys
from math import inf
from shutil import which

import numpy as np
import pytest

from hogblock import MLPClassifier
from hogblock.engines.cpu import handle, limits, pool, reserve
from hogblock.engines.cpu.available import available_memory
from hogblock.engines.cpu.groups import folders
from hogblock.errors import SharedMemoryError, WorkerError
from support.behind import behind
from support.limits import descriptors, limit
from support.refusals import refused
from support.segments import segments

pytestmark = pytest.mark.timeout(60)

MIB = 2**20
MEMINFO = "MemTotal: 8000 kB\nMemFree: 10 kB\nMemAvailable: 4096 kB\nHugePages_Total: 0"

X = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def fit(n_jobs=2):
    options = dict(hidden_layer_sizes=(8,), max_iter=2, learning_rate="cosine")
    return MLPClassifier(n_jobs=n_jobs, **options).fit(X, Y)


class System:
    """A file system as the kernel shows it."""

    def __init__(self, root, own, mounts, **files):
        self.root = root
        self.write("proc/meminfo", MEMINFO)
        self.write("proc/self/cgroup", own)
        lines = (f"30 1 0:2 {top} {point} rw - {what}\n" for top, point, what in mounts)
        self.write("proc/self/mountinfo", "".join(lines))

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def group(self, folder, **values):
        for name, value in values.items():
            self.write(f"{folder}/{name.replace('_', '.', 1)}", str(value))


TWO = [("/", "/sys/fs/cgroup", "cgroup2 cgroup2 rw,nsdelegate")]
ONE = [
    ("/docker/7", "/sys/fs/cgroup/cpu,cpuacct", "cgroup cgroup rw,cpu,cpuacct"),
    ("/docker/7", "/sys/fs/cgroup/memory", "cgroup cgroup rw,memory"),
]


def test_memory_of_a_machine_without_groups(tmp_path):
    assert available_memory(tmp_path) == inf
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    assert available_memory(tmp_path) == 4 * MIB


def test_memory_of_groups_and_of_those_around_them(tmp_path):
    system = System(tmp_path, "0::/user/job\n", TWO)
    job, user = "sys/fs/cgroup/user/job", "sys/fs/cgroup/user"
    system.group(job, memory_max="max", memory_current=5 * MIB)
    assert available_memory(tmp_path) == 4 * MIB
    system.group(user, memory_max=6 * MIB, memory_current=5 * MIB)
    assert available_memory(tmp_path) == MIB
    # Files that were read are in memory as long as nobody else wants it.
    kept = f"anon 7\nactive_file {MIB}\ninactive_file {MIB // 2}\nshmem 3\n"
    system.group(user, memory_stat=kept)
    assert available_memory(tmp_path) == 2.5 * MIB
    system.group(job, memory_max=6 * MIB, memory_current=7 * MIB)
    assert available_memory(tmp_path) == 0
    assert folders("memory", tmp_path) == [
        tmp_path / path for path in (job, user, "sys/fs/cgroup")
    ]


def test_memory_of_groups_of_the_first_version_in_a_container(tmp_path):
    """Which sees the paths of its host."""
    own = "5:cpu,cpuacct:/docker/7\n4:memory:/docker/7/job\n0::/docker/7\n"
    system = System(tmp_path, own, ONE)
    job, around = "sys/fs/cgroup/memory/job", "sys/fs/cgroup/memory"
    system.group(job, memory_limit_in_bytes=2**63 - 4096, memory_usage_in_bytes=MIB)
    assert available_memory(tmp_path) == 4 * MIB
    system.group(around, memory_limit_in_bytes=4 * MIB, memory_usage_in_bytes=3 * MIB)
    system.group(around, memory_stat=f"active_file 1\ntotal_inactive_file {MIB}\n")
    assert available_memory(tmp_path) == 2 * MIB
    assert folders("memory", tmp_path) == [tmp_path / job, tmp_path / around]


@pytest.mark.parametrize("own", ["0::/../../other\n", "0::/elsewhere\n"])
def test_a_group_that_lies_elsewhere_is_the_one_that_can_be_seen(tmp_path, own):
    top = "/" if ".." in own else "/container"
    system = System(tmp_path, own, [(top, *TWO[0][1:])])
    system.group("sys/fs/cgroup", memory_max=3 * MIB, memory_current=MIB)
    assert available_memory(tmp_path) == 2 * MIB


def test_files_that_make_no_sense_say_nothing(tmp_path):
    system = System(tmp_path, "what\n", TWO)
    assert folders("memory", tmp_path) == []
    system.write("proc/self/cgroup", "0::/\n")
    system.write("sys/fs/cgroup/memory.max", "")
    system.write("proc/meminfo", "MemAvailable\n")
    assert available_memory(tmp_path) == inf


def test_this_machine_says_something():
    assert MIB < available_memory() < 2**60


# A fit ------------------------------------------------------------------------------


def test_memory_of_processes_that_have_to_be_started_counts(monkeypatch):
    monkeypatch.setattr(reserve, "available_memory", lambda: 150 * MIB)
    refused(
        fit, SharedMemoryError, r"160\.\d MiB for its processes.*150\.0 MiB.*n_jobs"
    )


def open_files(left):
    """A limit on open files: so many are left when processes are started."""
    pool.close()
    beside = 2  # the memory of the run, and its map
    return limit(resource.RLIMIT_NOFILE, len(descriptors()) - 1 + beside + left)


def test_a_limit_on_open_files():
    need = 2 * limits.FILES_A_WORKER + limits.FILES_BESIDE
    fit(n_jobs=1)  # loads what it takes
    with open_files(need - 1):
        refused(fit, WorkerError, rf"2 .* need {need} open files .* and {need - 1} are")
    with open_files(need):
        assert fit().n_workers_ == 2


def test_open_files_that_run_out_after_all(monkeypatch):
    def full(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(handle, "send_handle", full)
        with pytest.raises(WorkerError, match=r"Too many open files\): .*ulimit -n"):
            fit()
    assert segments() == set()
    assert fit().n_workers_ == 2


def test_a_worker_that_loads_its_code_is_not_waited_for():
    pool.close()
    with pool.acquire(1) as lease:
        lease.start()
        (worker,) = lease.workers
    assert pool.running() == []
    assert worker.process.returncode == -signal.SIGKILL


def test_memory_of_idle_processes_is_theirs_already(monkeypatch):
    fit()
    monkeypatch.setattr(reserve, "available_memory", lambda: 150 * MIB)
    assert fit().n_workers_ == 2


def test_a_limit_of_a_group_on_processes(tmp_path, monkeypatch):
    system = System(tmp_path, "0::/job\n", TWO)
    system.group("sys/fs/cgroup/job", pids_max=12, pids_current=8)
    assert limits.group_s_tasks_left(tmp_path)[0] == 4
    system.group("sys/fs/cgroup", pids_max=12, pids_current=9)
    left = limits.group_s_tasks_left(tmp_path)
    monkeypatch.setattr(limits, "group_s_tasks_left", lambda: left)
    refused(
        fit, WorkerError, r"need 4 processes .*pids\.max .* is 12\), and 3 are left"
    )


PROCESSES = """
import os, resource
from hogblock.engines.cpu import limits, pool
from hogblock.errors import WorkerError
known = limits.tasks_of_user

def start(room):
    most = known(os.getuid()) + room
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (most, hard))
    try:
        with pool.Lease(3) as lease:
            lease.start()
    except WorkerError as error:
        print(error)
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no child is left")

print(known(os.getuid()) >= len(os.listdir("/proc/self/task")) > 0)
start(5)
limits.tasks_of_user = lambda _: -(10**6)  # as where those of others are not seen
start(2)
"""

NOBODY = ["setpriv", "--reuid=65534"]
NOBODY += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
BOUND = [] if os.geteuid() else NOBODY
"""The superuser is not: another one, who may read all files nevertheless."""


@pytest.mark.skipif(not (os.geteuid() or which("setpriv")), reason="setpriv is missing")
@behind
def test_a_limit_on_the_user_s_processes(folder):
    """The system's own, which may be known beforehand."""
    done = subprocess.run(
        [*BOUND, sys.executable, "-c", PROCESSES],
        capture_output=True,
        text=True,
        timeout=60,
    )
    counted, known, left, unknown, also_left = done.stdout.splitlines()
    assert counted == "True"
    assert re.search(r"^3 .* 6 processes .*ulimit -u is \d+\), and 5 are left", known)
    assert re.search(r"^[12] of 3 .*temporarily unavailable.*n_jobs", unknown)
    assert left == also_left == "no child is left"
