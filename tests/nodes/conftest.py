"""A local cluster of Ray, for all tests of this room that want one."""

import warnings
from contextlib import nullcontext

import pytest

from hogblock.distributed import Ray
from hogblock.distributed.session import Session, session
from support.nodes import MEMORY, add_node, pids_of_nodes, until

try:
    import ray
    from ray.cluster_utils import Cluster
except ImportError:
    collect_ignore = [f"test_{n}.py" for n in ("example", "faults", "fits", "parts")]
    collect_ignore.append("test_session.py")

NODES = 3
QUIET = dict(logging_level="ERROR", log_to_driver=False)


@pytest.fixture(scope="session")
def machines():
    """A cluster of `NODES` machines on this one, none of which is this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = Cluster(
            initialize_head=True,
            head_node_args=dict(
                num_cpus=0, object_store_memory=MEMORY, include_dashboard=False
            ),
        )
        for _ in range(NODES):
            add_node(cluster)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def connect(machines):
    """Connect this process, if it is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not ray.is_initialized():
            ray.init(address=machines.address, **QUIET)


@pytest.fixture(scope="module")
def kept(machines):
    """Nodes that live as long as the tests of a module: to start some takes seconds."""
    connect(machines)
    with session(Ray(nodes=NODES), 2, True) as nodes:
        yield nodes


@pytest.fixture
def nodes(kept, monkeypatch):
    """Fits get the first ones of these nodes, in place of new ones."""

    def first(options, workers, images):
        handles, hosts = (each[: options.n_nodes] for each in kept)
        return nullcontext(Session(handles, hosts))

    monkeypatch.setattr("hogblock.distributed.engine.session", first)


@pytest.fixture
def cluster(machines):
    """This process is connected to it; no node of a fit is left after the test."""
    connect(machines)
    yield machines
    wait_until_gone()


def wait_until_gone():
    """No process of a node is there, soon."""
    assert until(lambda: not pids_of_nodes(), 20), pids_of_nodes()
