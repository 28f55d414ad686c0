"""Partial gradients: a plan for a block gives the full gradient restricted to it.

See docs/method.md, section 5.2.
"""

import numpy as np
import pytest

from hogblock.kernels import ops as op
from hogblock.models import (
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    LeakyReLU,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SpatialDropout2D,
    Tanh,
    lenet5,
    resnet8,
    small_convnet,
)
from hogblock.models.blocks import Block, partition, step_cost
from hogblock.models.plan import make_plan
from support import naive
from support.passes import Pass, assert_padding_is_zero, random_biases
from support.random_networks import decaying_the_other_way, random_image_network

F32 = np.float32

NETWORKS = {
    "dense": Network([Dense(17), Dense(5), Dense(3)], (7,)),
    "relu": Network([Dense(17, "relu"), Dense(33, "relu"), Dense(3)], (16,)),
    "leaky": Network([Dense(9, "leaky_relu"), Dense(16), Dense(3)], (33,)),
    "tanh": Network([Dense(9, "tanh"), Dense(18, "tanh"), Dense(3)], (5,)),
    "logistic": Network([Dense(2, "logistic"), Dense(31, "logistic"), Dense(3)], (1,)),
    "activations": Network(
        [ReLU(), Dense(9), Tanh(), Sigmoid(), Dense(4, "tanh"), LeakyReLU(0.3)]
        + [Dense(18), Dropout(0.0), Sigmoid(), Dense(3)],
        (13,),
    ),
    "dropout": Network(
        [Dropout(0.2), Dense(33, "relu"), Dropout(0.5), Dense(20, "tanh")]
        + [Dropout(0.1), Dense(3)],
        (18,),
    ),
    "ends in an activation": Network(
        [Dense(5, "tanh"), Dense(3, "relu"), Dropout(0.3), Tanh()], (4,)
    ),
    "residual of rows": Network(
        [Dense(9), Residual([Dense(9, "tanh"), Dropout(0.2), Dense(9)]), Dense(3)],
        (5,),
    ),
    "convolution": Network(
        [Conv2D(17, 3, activation="relu"), Conv2D(7, (2, 3), padding="valid")]
        + [Tanh(), Conv2D(5, 1, (2, 3), bias=False), Flatten(), Dense(3)],
        (7, 6, 2),
    ),
    "depthwise": Network(
        [DepthwiseConv2D(3, activation="relu"), Conv2D(19, 1)]
        + [DepthwiseConv2D((3, 2), 2, activation="tanh"), Flatten(), Dense(3)],
        (7, 5, 3),
    ),
    "pooling": Network(
        [MaxPool2D(3, 2, "same"), Conv2D(18, 3), MaxPool2D(3, 2), ReLU()]
        + [AvgPool2D(2, 1, "same"), Conv2D(5, 2), GlobalAvgPool2D(), Dense(3)],
        (11, 9, 3),
    ),
    "fused pooling": Network(
        [Conv2D(6, 3), MaxPool2D((3, 2)), DepthwiseConv2D(3, activation="leaky_relu")]
        + [MaxPool2D(2), Conv2D(33, 2), MaxPool2D((1, 2)), Flatten(), Dense(3)],
        (13, 9, 2),
    ),
    "norms": Network(
        [GroupNorm(3), Conv2D(20, 3, bias=False), GroupNorm(5), ReLU(), GroupNorm(1)]
        + [Flatten(), Dense(3)],
        (5, 4, 3),
    ),
    "dropout of images": Network(
        [SpatialDropout2D(0.4), Conv2D(6, 3), SpatialDropout2D(0.3), Dropout(0.2)]
        + [Conv2D(16, 2), Dropout(0.3), Flatten(), Dropout(0.5), Dense(3)],
        (4, 5, 2),
    ),
    "residual": Network(
        [
            Conv2D(8, 3),
            Residual([ReLU(), Conv2D(8, 3, activation="tanh"), Dropout(0.2)]),
        ]
        + [Residual([GroupNorm(2), Conv2D(12, 3, 2)], [Conv2D(12, 1, 2, bias=False)])]
        + [ReLU(), Residual([Residual([Conv2D(12, 2)]), Sigmoid()], [GroupNorm(4)])]
        + [GlobalAvgPool2D(), Dense(3)],
        (7, 6, 2),
    ),
    "skips": Network(
        [
            Conv2D(8, 3, activation="tanh"),
            Add(-1),
            Conv2D(8, 3),
            Add(0),
            Add(2),
            Add(-1),
        ]
        + [Conv2D(8, 3), Add(4), Add(7), Flatten(), Dense(3)],
        (5, 4, 8),
    ),
    "skips to what is flattened": Network(
        [Conv2D(16, 3), Residual([MaxPool2D(2), Flatten()], [AvgPool2D(2), Flatten()])]
        + [Add(1), Dense(3)],
        (4, 5, 1),
    ),
    "small_convnet": small_convnet((10, 9, 1), 3),
    "lenet5": lenet5((14, 13, 1), 3),
    "resnet8": resnet8((6, 5, 3), 3),
}


def cuts_of(network, random, count):
    """Blocks between any two rows, most of them inside tensors."""
    rows = [t.offset + r * t.stride for t in network.tensors for r in range(t.rows)]
    for _ in range(count):
        start, stop = sorted(random.choice([*rows, network.size], 2, replace=False))
        yield Block(int(start), int(stop))


def blocks_of(network, random):
    """Every layer, every run of layers, and cuts inside tensors."""
    starts = [network.tensors_of(t.layer)[0].offset for t in network.tensors]
    ends = sorted({*starts, network.size})
    for i, start in enumerate(ends):
        yield from (Block(start, stop) for stop in ends[i + 1 :])
    rows = sum(t.rows for t in network.tensors)
    for parts in (2, 5, rows // 2, rows):
        if parts < 100:
            yield from partition(network, parts)
    yield from cuts_of(network, random, 30)


@pytest.fixture(params=NETWORKS)
def problem(request, random):
    network = NETWORKS[request.param]
    params = network.initialise(np.random.RandomState(3))
    random_biases(network, params, random)
    x = random.standard_normal((9, *network.input_shape), F32)
    return network, params, x, random.integers(3, size=9, dtype=np.int32)


def test_full_gradient_with_the_masks_that_were_drawn(aligned, problem):
    network, params, x, labels = problem
    run = Pass(aligned, network, make_plan(network, 9, "softmax"), params, 9)
    run.forward(x)
    masks = run.masks()
    outputs = naive.network_outputs(network, params, x, masks)[-1]
    np.testing.assert_allclose(run.outputs(), outputs, rtol=1e-5, atol=2e-6)
    loss, gradient = run.backward(labels)
    value, expected = naive.network_gradient(
        network, params, x, labels, "softmax", masks=masks
    )
    assert loss == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)
    assert_padding_is_zero(network, gradient)


def check_blocks(aligned, network, params, x, labels, blocks):
    """A plan for each block gives the full gradient restricted to it.

    The plans take turns in one work space, as those of a worker do.
    """
    rows = len(x)
    every = make_plan(network, rows, "softmax")
    blocks = list(blocks)
    plans = [make_plan(network, rows, "softmax", block) for block in blocks]
    run = Pass(aligned, network, every, params, rows, plans)
    every = run.plan

    def gradient_of(plan):
        run.plan = plan
        run.forward(x)
        return run.backward(labels)[1]

    whole = gradient_of(every)
    for block, plan in zip(blocks, run.others, strict=True):
        gradient = gradient_of(plan)
        inside = np.zeros(network.size, bool)
        for start, length, _ in plan.updated:
            inside[start : start + length] = True
        assert inside.sum() == block.stop - block.start
        assert inside[block.start : block.stop].all()
        # The kernels sum in the same order: bit for bit, and nothing else is written.
        np.testing.assert_array_equal(gradient[inside], whole[inside])
        assert np.isnan(gradient[~inside]).all()
    np.testing.assert_array_equal(gradient_of(every), whole)


def test_gradient_of_a_block_is_the_full_gradient_restricted_to_it(
    aligned, problem, random
):
    network, params, x, labels = problem
    blocks = blocks_of(network, random)
    check_blocks(aligned, network, params, x, labels, blocks)


@pytest.mark.parametrize("seed", range(50))
def test_gradient_of_a_block_of_any_network(aligned, seed):
    random = np.random.default_rng(seed)
    network = random_image_network(random)
    params = network.initialise(np.random.RandomState(seed))
    x = random.standard_normal((3, *network.input_shape), F32)
    labels = random.integers(network.output_shape[0], size=3, dtype=np.int32)
    blocks = cuts_of(network, random, 20)
    check_blocks(aligned, network, params, x, labels, blocks)


@pytest.mark.parametrize("usual", [True, False], ids=["weights", "biases"])
def test_update_of_a_block_is_the_step_of_its_gradient(aligned, problem, usual):
    """Whatever decays: weights, or biases and nothing else."""
    network, params, x, labels = problem
    network = network if usual else decaying_the_other_way(network)
    step = F32([0.9, 0.1, 0.2, 0.3])
    for block in partition(network, 5):
        plan = make_plan(network, 9, "softmax", block)
        run = Pass(aligned, network, plan, params, 9)
        run.forward(x)
        _, g = run.backward(labels)
        again = Pass(aligned, network, plan, params, 9)
        velocity = aligned.zeros(network.size)
        for tensor in network.tensors:
            tensor.view(velocity)[:] = 0.01
        w, u = naive.f64(params), naive.f64(velocity)
        again.forward(x)
        again.update(labels, velocity, step)
        for start, length, decays in plan.updated:
            part = slice(start, start + length)
            m, decay, along_g, along_u = naive.f64(step)
            moved, u[part] = naive.momentum_step(
                g[part], w[part], u[part], m, decay * decays, along_g, along_u
            )
            w[part] -= moved
        outside = np.r_[0 : block.start, block.stop : network.size]
        np.testing.assert_array_equal(again.params[outside], params[outside])
        np.testing.assert_allclose(again.params, w, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(velocity, u, rtol=1e-5, atol=1e-6)
        assert_padding_is_zero(network, again.params)
        assert_padding_is_zero(network, velocity)


def test_a_short_minibatch_after_a_long_one(aligned, problem):
    """What the long one left in the work space must not be seen."""
    network, params, x, labels = problem
    plan = make_plan(network, 9, "softmax")
    used = Pass(aligned, network, plan, params, 9)
    used.forward(x)
    used.backward(labels)
    used.rows = 2
    fresh = Pass(aligned, network, plan, params, 2)
    results = []
    for run in (used, fresh):
        run.forward(x[5:7].copy())
        results.append(run.backward(labels[5:7].copy()))
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_no_dropout_outside_training(aligned, problem):
    network, params, x, _ = problem
    run = Pass(aligned, network, make_plan(network, 9, "softmax"), params, 9)
    run.forward(x, training=False)
    outputs = naive.network_outputs(network, params, x)[-1]
    np.testing.assert_allclose(run.outputs(), outputs, rtol=1e-5, atol=2e-6)


def test_masks_of_two_dropouts_are_different(aligned, random):
    network = Network([Dense(64), Dropout(0.5), Dense(64), Dropout(0.5)], (8,))
    params = network.initialise(np.random.RandomState(0))
    run = Pass(aligned, network, make_plan(network, 16, "softmax"), params, 16)
    run.forward(random.standard_normal((16, 8), F32))
    first, second = run.masks()
    assert 0.4 < (first == second).mean() < 0.6


def test_a_block_of_upper_layers_skips_the_lower_backward():
    network = NETWORKS["relu"]
    top = Block(network.tensors_of(2)[0].offset, network.size)
    codes = make_plan(network, 9, "softmax", top).ops[:, op.CODE].tolist()
    assert op.DENSE_INPUT_GRADIENT not in codes
    assert op.ACTIVATION_BACKWARD not in codes
    assert codes.count(op.DENSE_UPDATE) == 1
    full = make_plan(network, 9, "softmax").ops[:, op.CODE].tolist()
    assert full.count(op.DENSE_INPUT_GRADIENT) == 2  # none for the samples themselves
    assert step_cost(network, top) < step_cost(network, Block(0, network.size))
