"""What a fit may leave behind: processes, memory, open files, names."""

import contextlib
import gc
import os
import threading
from pathlib import Path

import psutil


def descendants(pid=None):
    """Processes that a process has started and that live, resource trackers aside."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if process.status() != psutil.STATUS_ZOMBIE and "tracker" not in words:
                found.append(process.pid)
    return found


def shared_names():
    """Names of ours in shared memory: there should be none, whenever one looks."""
    return [name for name in os.listdir("/dev/shm") if "hogblock" in name]


def mapped(pid="self"):
    """Segments of ours that a process maps."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        return sum("memfd:hogblock" in line for line in lines)
    return 0


def holders(marker):
    """Processes whose command line has a word of ours and the marker's environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HOGBLOCK_MARK") == marker:
                found.append(process.pid)
    return found


def census():
    """Counts of this process, after a collection: what must not grow."""
    gc.collect()
    process = psutil.Process()
    return {
        "processes": len(descendants()),
        "threads": threading.active_count(),
        "open files": process.num_fds(),
        "segments": mapped() + len(shared_names()),
        "memory, MB": process.memory_info().rss / 1e6,
    }
