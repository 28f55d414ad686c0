"""Phases on images against their twins: convolution, pooling, normalisation, branches.

Every geometry runs at one of the shapes in turn; a layer's input gradient is seen in
the weights of the convolution before it.
"""

import numpy as np
import pytest

from hogblock.kernels.cuda import phases as ph
from hogblock.models import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAvgPool2D,
    GroupNorm,
    LayerNorm,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
    SpatialDropout2D,
)
from hogblock.models.plan import make_plan
from support.cuda_pass import CARD, CUDA, NONE, Run, check_network
from support.image_geometries import GEOMETRIES, flattened

pytestmark = CUDA

TURNS = [(8, 1), (4, 3), (8, 2), (4, 1)]
GEOMETRY = [(*g, TURNS[k % 4]) for k, g in enumerate(GEOMETRIES)]
SMALL = [g for g in GEOMETRY if np.prod(g[0]) <= 40]


@pytest.mark.parametrize("size, kernel, stride, padding, shape", GEOMETRY)
def test_convolution_of_raw_images(random, size, kernel, stride, padding, shape):
    inputs = 1 if shape[1] == 1 else 3
    conv = Conv2D(5, kernel, stride, padding)
    check_network(flattened([conv], (*size, inputs)), random, shape, rows=1, batch=2)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("size, kernel, stride, padding, shape", SMALL[::2])
def test_input_gradients_of_convolutions(
    random, size, kernel, stride, padding, shape, depthwise
):
    how = (kernel, stride, padding, "tanh")
    conv = DepthwiseConv2D(*how) if depthwise else Conv2D(2, *how)
    network = flattened([Conv2D(3, 1), conv], (*size, 1))
    check_network(network, random, shape, rows=1, batch=2)


@pytest.mark.parametrize(
    "inputs, outputs, shape",
    [
        (1, 7, (8, 1)),
        (5, 17, (8, 2)),
        (19, 2, (4, 3)),
        (17, 1, (1, 5)),
        pytest.param(19, 33, (256, 3), marks=CARD),
    ],
)
def test_channels_of_any_number(random, inputs, outputs, shape):
    layers = [Conv2D(inputs, 1, bias=False), Conv2D(outputs, 2, activation="relu")]
    check_network(flattened(layers, (3, 2, 3)), random, shape, rows=2, batch=2)


@pytest.mark.parametrize("pool", [MaxPool2D, AvgPool2D])
@pytest.mark.parametrize(
    "size, stride, padding, shape",
    [
        (2, None, "valid", (8, 1)),
        ((3, 2), (1, 2), "valid", (4, 3)),
        (3, 2, "same", (8, 2)),
        (2, 3, "same", (4, 1)),
        ((1, 4), 1, "same", (1, 5)),
    ],
)
def test_pooling(random, pool, size, stride, padding, shape):
    """Of what is not a convolution, so that nothing absorbs it; windows overlap."""
    layers = [Conv2D(3, 1, activation="tanh"), GroupNorm(1, 0.1)]
    layers.append(pool(size, stride, padding))
    check_network(flattened(layers, (5, 6, 2)), random, shape, rows=2, batch=2)


@pytest.mark.parametrize(
    "pool, shape", [((2, 2), (8, 1)), ((3, 2), (4, 3)), ((1, 3), (8, 2))]
)
def test_a_convolution_that_pools(random, pool, shape):
    """Windows side by side, and pixels behind the last one."""
    layers = [Conv2D(4, 3), ReLU(), MaxPool2D(pool), Conv2D(3, 2), MaxPool2D(2)]
    network = flattened(layers, (7, 7, 1))
    check_network(network, random, shape, rows=1, batch=2, rounded=True)


def test_not_a_number_goes_through_a_maximum():
    """Wherever in its window it lies: a run that diverges has to show."""
    network = flattened([MaxPool2D(2)], (2, 8, 1))
    x = np.zeros((1, 2, 8, 1), np.float32)
    x[0, [0, 0, 1, 1], [0, 3, 4, 7]] = np.nan
    plan = make_plan(network, 1, "squared_error")
    run = Run(network, [plan], NONE, x, np.zeros((1, 4), np.float32), (4, 1), 1)
    run.train(1)
    assert np.isnan(run.outputs(1)).all()


@pytest.mark.parametrize("channels, groups", [(1, 1), (6, 3), (5, 5), (19, 1)])
def test_group_norm(random, channels, groups):
    norm = GroupNorm(groups, epsilon=0.01)
    for shape, size in (((8, 1), (3, 2)), ((4, 3), (1, 1)), ((1, 1), (2, 1))):
        layers = [Conv2D(channels, 1), norm, ReLU()]
        check_network(flattened(layers, (*size, 2)), random, shape, rows=2, batch=3)


@pytest.mark.parametrize("shape, width", [((8, 1), 3), ((4, 3), 17)])
def test_layer_norm_of_rows(random, shape, width):
    layers = [Dense(width), LayerNorm(0.1), ReLU(), Dense(2), LayerNorm(0.1)]
    check_network(Network(layers, (3,)), random, shape, rows=3, batch=3)


@pytest.mark.parametrize("shape", TURNS)
def test_branches(random, shape):
    layers = [
        Conv2D(4, 2, activation="relu"),
        Residual([Conv2D(4, 2), GroupNorm(2, 0.1)]),
        ReLU(),
        Residual([Conv2D(5, 2, 2)], [Conv2D(5, 1, 2, bias=False)]),
        SpatialDropout2D(0.3),
        Residual([DepthwiseConv2D(2)], [GroupNorm(1, 0.1)]),
        GlobalAvgPool2D(),
        Dense(2),
    ]
    check_network(Network(layers, (4, 3, 3)), random, shape, rows=2, batch=2)


def test_long_sums_of_a_convolution_are_cut(random):
    """Parts of the gradient, of which a short minibatch leaves some without pixels."""
    network = flattened([Conv2D(2, 2)], (3, 3, 1))
    run = check_network(network, random, (4, 9), rows=1, batch=60)
    assert max(p.row[ph.PARTS] for p in run.program.phases[0]) > 3
