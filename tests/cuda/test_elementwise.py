"""Phases that work on each value alone, and what they draw."""

import numpy as np
import pytest

from hogblock.kernels import ops as op
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.lowering import ELEMENTS
from hogblock.models import (
    ELU,
    GELU,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Network,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    SpatialDropout2D,
    Tanh,
)
from hogblock.models.plan import make_plan
from support import naive
from support.cuda_pass import CUDA, TEAMS, Run, check_network, make_problem
from support.image_geometries import flattened
from support.passes import KEY, Pass

pytestmark = CUDA

F32 = np.float32
ALONE = [
    ReLU(), LeakyReLU(0.2), Tanh(), Sigmoid(), GELU(), SiLU(), ELU(0.3), Softplus()
]  # fmt: skip


@pytest.mark.parametrize("layer", ALONE, ids=str)
def test_activations_of_their_own(random, layer):
    """Behind the input nothing can absorb them; behind a layer its gradient does."""
    network = Network([layer, Dense(5), Dropout(0.2), layer, Dense(2)], (7,))
    check_network(network, random, (4, 3))


@pytest.mark.parametrize("layer", ALONE[4:], ids=str)
def test_activations_from_inputs_of_any_size(random, layer):
    """Nothing overflows, and both ends and the middle are what they should be."""
    network = Network([layer], (8,))
    params, _, targets = make_problem(network, random, 1)
    plan = make_plan(network, 1, "squared_error")
    x = F32([[3e38, -3e38, 1e13, -1e13, 90, -90, 0, np.nan]])
    run = Run(network, [plan], params, x, targets, (4, 1), 1)
    run.begin()
    for k in range(run.forward_phases()):
        run.phase(k)
    (found,) = run.outputs(1)
    expected = naive.activation(x[0, :7], layer.act.code, layer.act.slope)
    np.testing.assert_allclose(found[:7], expected, rtol=1e-6, atol=1e-30)
    assert np.isnan(found[7])


@pytest.mark.parametrize("layer", [ReLU(), Tanh()], ids=str)
def test_the_derivative_goes_into_the_product_before_it(random, layer):
    network = Network([Dense(5), layer, Dense(2)], (3,))
    run = check_network(network, random, (4, 1))
    phases = [p.row[ph.PHASE] for p in run.program.phases[0]]
    assert op.ACTIVATION_BACKWARD not in phases


def test_more_elements_than_a_tile_has(random):
    network = flattened([Tanh(), SpatialDropout2D(0.3)], (6, 5, 17))
    run = check_network(network, random, (8, 3), rows=3, batch=3)
    tiles = [p.row[ph.TILES] for p in run.program.phases[0]]
    assert max(tiles) > 1 and 3 * 30 * 32 > ELEMENTS


@pytest.mark.parametrize("shape", [(1, 1), (8, 1), *TEAMS[1:2]])
def test_images_whose_channels_are_spread(random, shape):
    """Raw images of 3 channels for a layer that wants whole lines, and back to rows."""
    network = Network([ReLU(), Conv2D(5, 1), ReLU(), Flatten(), Dense(2)], (3, 2, 3))
    check_network(network, random, shape)


# Dropout ----------------------------------------------------------------------------

LAYERS = [
    [Dropout(0.4), Dense(5), Dropout(0.7), Dense(2)],
    [SpatialDropout2D(0.5), Conv2D(3, 1), Dropout(0.3), SpatialDropout2D(0.2)]
    + [Flatten(), Dense(2)],
]


@pytest.mark.timeout(300)  # the CPU's kernels may have to be compiled first
@pytest.mark.parametrize(
    ("layers", "shape"),
    [(LAYERS[0], (4, 1)), (LAYERS[1], (8, 2))],
    ids=["rows", "images"],
)
def test_masks_are_those_of_a_cpu(aligned, random, layers, shape):
    """Of a whole minibatch, and of the short one that follows it."""
    network = Network(layers, (7,) if len(layers) == 4 else (2, 3, 3))
    plan = make_plan(network, 5, "squared_error")
    params, x, targets = make_problem(network, random, 8)
    run = Run(network, [plan], params, x, targets, shape, 5, team_keys=[KEY])
    drawn = 0
    for tickets, rows in ((1, 5), (2, 3)):
        run.go(tickets)
        cpu = Pass(aligned, network, plan, params, rows)
        cpu.forward(x[-rows:], counter=drawn)
        for found, wanted in zip(run.masks(rows), cpu.masks(), strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert 0 < (found == 0).mean() < 1
        drawn += rows * run.draws()
        assert run.word(ph.DROPOUT_COUNTER) == drawn


def test_nothing_is_dropped_at_rate_zero(random):
    network = Network([Dropout(0.0), Dense(2)], (7,))
    run = check_network(network, random, (8, 1))
    np.testing.assert_array_equal(run.masks(3)[0], 1)


def test_workers_draw_apart(random):
    network = Network([Dropout(0.5), Dense(1)], (40,))
    plan = make_plan(network, 2, "squared_error")
    params, x, targets = make_problem(network, random, 4)
    run = Run(network, [plan], params, x, targets, (4, 1), 2, teams=2, team_keys=[1, 2])
    run.train(2)
    first, second = (run.masks(2, team)[0] for team in (0, 1))
    assert 0.2 < (first == second).mean() < 0.8
