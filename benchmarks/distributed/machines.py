"""A cluster that believes to have several machines, on this one."""

import warnings
from contextlib import contextmanager

import ray
from ray.cluster_utils import Cluster

CORES = 4  # of each, as the cluster believes
MEMORY = 150 * 2**20  # of each, for arrays on their way


@contextmanager
def machines(number):
    """`number` of them besides this process, which is connected to them."""
    warnings.simplefilter("ignore")
    cluster = Cluster(
        initialize_head=True,
        head_node_args=dict(
            num_cpus=0, object_store_memory=2 * MEMORY, include_dashboard=False
        ),
    )
    for _ in range(number):
        cluster.add_node(num_cpus=CORES, object_store_memory=MEMORY)
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
