"""Partial gradients: of every block the full one, restricted to it."""

from itertools import pairwise

import numpy as np
import pytest

from hogblock.kernels.cuda import phases as ph
from hogblock.models import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GroupNorm,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
)
from hogblock.models.blocks import Block, partition
from hogblock.models.plan import make_plan
from support import naive
from support.cuda_pass import CUDA, TEAMS, Run, make_problem
from support.passes import assert_padding_is_zero

pytestmark = CUDA

F32 = np.float32
NETWORKS = {
    "dense": Network([Dense(5, "tanh"), ReLU(), Dense(3)], (11,)),
    "wide": Network([Dense(17)], (23,)),
    "raw": Network([Conv2D(3, 2), ReLU(), Flatten(), Dense(2)], (3, 3, 3)),
    "images": Network(
        [Conv2D(3, 2), MaxPool2D(2), Residual([DepthwiseConv2D(2)], [Conv2D(3, 1)])]
        + [GroupNorm(3, 0.1), Conv2D(2, 2, activation="tanh"), Flatten(), Dense(2)],
        (5, 4, 1),
    ),
}


def check_blocks(network, blocks, random, shape, rows=1, batch=2):
    """One run with the plans of all blocks.

    Before each, a full step on large values that weigh nothing goes through the same
    work space: what a plan needs it has to compute.
    """
    plans = [make_plan(network, batch, "squared_error", b) for b in (None, *blocks)]
    turns = [plan for k in range(1, len(plans)) for plan in (0, k)]
    params, x, targets = make_problem(network, random, batch + rows)
    x[:batch] *= 30
    run = Run(
        network, plans, params, x, targets, shape, batch, epochs=len(blocks), rate=0.0,
        stretches=[(0, False, turns)], writes=np.ones((len(plans), 1), int),
        weights=np.repeat(F32([0, 1]), [batch, rows]),
    )  # fmt: skip
    whole = naive.network_gradient(
        network, params, x[batch:], targets[batch:], "squared_error"
    )[1]
    for ticket, plan in enumerate(turns):
        run.set("velocity", 0)
        run.go(ticket + 1, plan)
        inside = slice(*blocks[plan - 1]) if plan > 0 else slice(0)
        found, size = run.velocity(), np.abs(whole).max()
        np.testing.assert_allclose(
            found[inside], whole[inside], rtol=1e-4, atol=2e-5 * size
        )
        assert_padding_is_zero(network, found)
        found[inside] = 0
        assert not found.any()
    run.check()
    return run


@pytest.mark.parametrize("shape", [(8, 1), (4, 3), TEAMS[-1]])
@pytest.mark.parametrize(
    "name, parts", [("dense", 3), ("wide", 7), ("raw", 5), ("images", 4)]
)
def test_blocks_of_a_partition(random, name, parts, shape):
    network = NETWORKS[name]
    check_blocks(network, partition(network, parts), random, shape)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3)])
def test_every_row_of_a_layer_alone(random, shape):
    """Rows of a convolution of 3 channels do not begin at multiples of 4."""
    network = Network([Conv2D(2, (1, 2)), Flatten(), Dense(1)], (1, 3, 3))
    rows = [t.offset + r * t.stride for t in network.tensors for r in range(t.rows)]
    blocks = [Block(a, b) for a, b in pairwise([*rows, network.size])]
    check_blocks(network, blocks[:4], random, shape, rows=1, batch=2)


def test_blocks_whose_sums_are_cut_differently(random):
    """They share the place of the parts, which has to hold those of the largest."""
    network = Network([Conv2D(1, 3), Flatten(), Dense(1)], (3, 3, 3))
    kernel = network.tensors[0]
    rows = [kernel.offset + r * kernel.stride for r in (0, 1, 8, 27)]
    blocks = [Block(a, b) for a, b in pairwise(rows)]
    run = check_blocks(network, blocks, random, (4, 6), rows=2, batch=16)
    sizes = [
        p.row[ph.PARTS] * p.row[ph.PART_SIZE]
        for phases in run.program.phases
        for p in phases
        if p.row[ph.PHASE] == ph.PRODUCT_WEIGHT and p.row[ph.PARTS] > 1
    ]
    assert sizes[0] < max(sizes)


def test_teams_update_their_own_blocks(random):
    """Asynchronously, as one launch; each from the parameters that it finds."""
    network = NETWORKS["dense"]
    blocks = partition(network, 2)
    plans = [make_plan(network, 2, "squared_error", b) for b in (None, *blocks)]
    params, x, targets = make_problem(network, random, 4)
    rate = 2.0**-12
    run = Run(
        network, plans, params, x, targets, (4, 1), 2, teams=2, team_keys=[0, 0],
        stretches=[(0, False, [1])], rate=rate, momentum=0.0,
        team_plans=[[0, 1], [0, 2]], writes=[[1, 1], [1, 0], [0, 1]],
    )  # fmt: skip
    run.train(2)
    moved = (params - run.params) / rate
    for team, block in enumerate(blocks):
        part = slice(2 * team, 2 * team + 2)
        gradient = naive.network_gradient(
            network, params, x[part], targets[part], "squared_error"
        )[1]
        inside = slice(*block)
        np.testing.assert_allclose(
            moved[inside], gradient[inside], rtol=0.02, atol=0.01
        )
    assert run.writes().tolist() == [1, 1]
