"""Networks drawn at random, against the twin, at one of the shapes each."""

import numpy as np
import pytest

from hogblock.models.blocks import step_cost, whole
from support.cuda_pass import CUDA, check_network
from support.naive import LOSSES
from support.random_networks import random_image_network, random_network

pytestmark = CUDA

SHAPES = [(1, 1), (8, 1), (8, 2), (4, 3), (1, 5), (2, 7), (16, 1)]
MOST_WORK = 10_000  # multiply-adds of a sample: the simulator takes microseconds each


def some_network(seed):
    """The first one that is not too large for the simulator, and its generator."""
    for turn in range(100):
        random = np.random.default_rng([seed, turn])
        network = (random_network, random_image_network)[seed % 2](random)
        if step_cost(network, whole(network)) < MOST_WORK:
            return network, random
    raise AssertionError("all networks are too large")


@pytest.mark.parametrize("seed", range(10))
def test_a_step_applies_the_gradient_of_the_twin(seed):
    network, random = some_network(seed)
    batch = int(random.integers(1, 5))
    rows = int(random.integers(1, batch + 1))
    check_network(
        network, random, SHAPES[seed % len(SHAPES)], rows=rows, batch=batch,
        loss=list(LOSSES)[seed % len(LOSSES)],
    )  # fmt: skip
