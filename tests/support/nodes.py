"""Machines of a local cluster, the processes of its nodes, and waiting for them."""

import os
import time
from pathlib import Path

MEMORY = 80 * 2**20
"""Bytes of a machine's share of the cluster's memory."""


def add_node(cluster):
    """One more machine, of 4 cores and a card, as the cluster believes."""
    return cluster.add_node(num_cpus=4, num_gpus=1, object_store_memory=MEMORY)


def command_of(pid):
    """How a process was started, or calls itself; empty if it is gone."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return text.replace(b"\0", b" ").decode(errors="replace")


def pids():
    """Of all processes."""
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdecimal()]


def pids_of_nodes(driver=None):
    """Processes of the actors that train, on a cluster that a process has started."""
    below = descendants_of(driver or os.getpid())
    return [pid for pid in below if command_of(pid).startswith("ray::Node")]


def children_of(parents):
    """Processes that were started by some processes."""
    found = []
    for pid in pids():
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            continue
        if int(stat.rpartition(b")")[2].split()[1]) in parents:
            found.append(pid)
    return found


def descendants_of(pid):
    """Processes below a process."""
    found, below = set(), {pid}
    while below:
        below = set(children_of(below)) - found
        found |= below
    return found


def until(true, seconds):
    """Wait until something is true; whether it is."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
