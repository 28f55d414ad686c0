"""Operations on images against their twins, through the plans of small networks.

A network ends in ``Flatten``, so that its outputs are all pixels; a layer's input
gradient is seen in the weights of the convolution before it.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogblock.models import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GroupNorm,
    LayerNorm,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
    SpatialDropout2D,
)
from hogblock.models.activations import ACTIVATIONS
from hogblock.models.plan import make_plan
from support import naive
from support.image_geometries import GEOMETRIES, flattened
from support.passes import Pass, check_images

F32 = np.float32
NO_PARAMS = np.zeros(0, F32)
CHANNELS = [1, 2, 3, 5, 7, 13, 17, 19, 31, 33]


@pytest.mark.parametrize("size, kernel, stride, padding", GEOMETRIES)
def test_convolution_of_any_geometry(random, size, kernel, stride, padding):
    for inputs, outputs in ((1, 8), (3, 5), (16, 16), (19, 33)):
        conv = Conv2D(outputs, kernel, stride, padding)
        check_images(flattened([conv], (*size, inputs)), random)
        before = Conv2D(inputs, 1)
        check_images(flattened([before, conv], (*size, 2)), random, rows=1)


@pytest.mark.parametrize("size, kernel, stride, padding", GEOMETRIES)
def test_depthwise_convolution_of_any_geometry(random, size, kernel, stride, padding):
    for channels in (1, 5, 16, 19, 33):
        conv = DepthwiseConv2D(kernel, stride, padding)
        check_images(flattened([conv], (*size, channels)), random)
        before = Conv2D(channels, 1)
        check_images(flattened([before, conv], (*size, 2)), random, rows=1)


@pytest.mark.parametrize("inputs", CHANNELS)
@pytest.mark.parametrize("kernel, stride", [(3, 1), (1, 1), (2, 2), ((3, 2), (1, 2))])
def test_convolution_of_any_number_of_channels(random, inputs, kernel, stride):
    for outputs in [*CHANNELS, 8, 9, 16, 24, 32, 48, 64, 65]:
        conv = Conv2D(outputs, kernel, stride)
        check_images(flattened([conv], (4, 5, inputs)), random, rows=2)
        before = Conv2D(inputs, 1)
        check_images(flattened([before, conv], (5, 4, 3)), random, rows=2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_activations_and_biases(random, activation, bias):
    how = {"activation": activation, "bias": bias}
    for channels in (5, 16, 19):
        layers = [
            Conv2D(channels, 3, **how),
            Conv2D(channels, 2, padding="valid", **how),
            DepthwiseConv2D(3, **how),
            DepthwiseConv2D(2, 2, **how),
        ]
        check_images(flattened(layers, (6, 7, 3)), random)


@pytest.mark.parametrize("pool", [(2, 2), (3, 3), (2, 3), (3, 1), (1, 3)])
def test_pooled_convolutions_of_whole_lines_of_channels(random, pool):
    """Winograd forward and lists of maxima backward, on one packed sample."""
    for size in ((9, 9), (8, 15), (6, 6), (7, 10)):
        for inputs, outputs in ((16, 16), (16, 32), (48, 16)):
            layers = [Conv2D(inputs, 1), Conv2D(outputs, 3), MaxPool2D(pool)]
            check_images(flattened(layers, (*size, 2)), random)


@pytest.mark.parametrize("rows, batch", [(1, 1), (1, 16), (2, 17), (16, 16), (31, 33)])
def test_minibatches_of_any_size(random, rows, batch):
    layers = [Conv2D(7, 3), DepthwiseConv2D(2, activation="tanh"), GroupNorm(7)]
    layers += [SpatialDropout2D(0.3), AvgPool2D(2), Residual([Conv2D(7, 2)])]
    network = flattened(layers, (5, 6, 2))
    check_images(network, random, rows=rows, batch=batch)


sizes = st.integers(1, 9)
kernels = st.tuples(st.integers(1, 5), st.integers(1, 5))
strides = st.tuples(st.integers(1, 4), st.integers(1, 4))
channels = st.integers(1, 40)
paddings = st.sampled_from(["same", "valid"])


@settings(max_examples=300)
@given(
    shape=st.tuples(sizes, sizes, channels),
    outputs=channels,
    kernel=kernels,
    stride=strides,
    padding=paddings,
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    depthwise=st.booleans(),
    pool=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    bias=st.booleans(),
    inputs=st.integers(0, 4),
    rows=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
def test_any_convolution(
    shape, outputs, kernel, stride, padding, activation, depthwise, pool, bias, inputs,
    rows, seed,
):  # fmt: skip
    """Behind a 1x1 convolution of `inputs` channels, or reading the images itself."""
    if padding == "valid":
        kernel = tuple(np.minimum(kernel, shape[:2]))
    how = (kernel, stride, padding, activation, bias)
    conv = DepthwiseConv2D(*how) if depthwise else Conv2D(outputs, *how)
    pool = tuple(np.minimum(pool, conv.output_shape(shape)[:2]))
    before = [Conv2D(shape[2], 1)] if inputs else []
    network = Network(
        [*before, conv, MaxPool2D(pool), Flatten()], (*shape[:2], inputs or shape[2])
    )
    random = np.random.default_rng(seed)
    check_images(network, random, rows=rows, batch=4, rounded=True)


@pytest.mark.parametrize(
    "channels, groups",
    [(n, g) for n in (1, 5, 6, 16, 19, 33, 48) for g in range(1, n + 1) if n % g == 0],
)
def test_group_norm(random, channels, groups):
    norm = GroupNorm(groups, epsilon=0.01)
    for size in ((3, 4), (1, 2), (5, 5)):
        check_images(flattened([norm], (*size, channels)), random)
        before = Conv2D(channels, 1, bias=False)
        check_images(flattened([before, norm], (*size, 3)), random, rows=1)


@pytest.mark.parametrize("width", [1, 5, 16, 33, 100])
def test_layer_norm_of_rows_and_images(random, width):
    rows = Network([LayerNorm(0.01), Dense(width), LayerNorm(), ReLU()], (width + 2,))
    check_images(rows, random)
    check_images(flattened([LayerNorm(0.01)], (2, 3, width)), random, rows=2)


def test_group_norm_of_one_value_is_its_bias(aligned, random):
    network = flattened([GroupNorm(5)], (1, 1, 5))
    params = random.standard_normal(network.size, F32)
    run = Pass(aligned, network, make_plan(network, 4, "squared_error"), params, 4)
    run.forward(random.normal(0, 100, (4, 5)).astype(F32))
    bias = network.tensors[1].view(params)
    np.testing.assert_array_equal(run.outputs(), np.broadcast_to(bias, (4, 5)))


def test_group_norm_far_from_zero(aligned, random):
    """The variance is not the difference of two large numbers."""
    network = flattened([GroupNorm(2)], (6, 7, 6))
    params = network.initialise(np.random.RandomState(0))
    x = random.standard_normal((3, *network.input_shape), F32) + F32(1000)
    run = Pass(aligned, network, make_plan(network, 3, "squared_error"), params, 3)
    run.forward(x)
    expected = naive.network_outputs(network, params, x)[-1]
    np.testing.assert_allclose(run.outputs(), expected, atol=1e-3)


def test_branches_of_images(random):
    for channels in (3, 16, 17):
        for shortcut in (
            (),
            [Conv2D(channels, 1)],
            [GroupNorm(1), Conv2D(channels, 2)],
        ):
            body = [Conv2D(channels, 3, activation="tanh"), DepthwiseConv2D(2)]
            layers = [Residual(body, shortcut), Residual([GroupNorm(1)], shortcut)]
            check_images(flattened(layers, (4, 5, channels)), random)
            before = Conv2D(channels, 2, bias=False)
            check_images(flattened([before, *layers], (5, 4, 2)), random, rows=1)


@pytest.mark.parametrize("channels", [1, 5, 16, 33])
def test_rows_of_features_have_the_order_of_numpy(aligned, channels):
    """Row by row of pixels, the channels of a pixel side by side."""
    network = flattened([Dropout(0.0)], (2, 3, channels))
    x = np.arange(2 * 6 * channels, dtype=F32).reshape(2, 2, 3, channels)
    run = Pass(aligned, network, make_plan(network, 2, "squared_error"), NO_PARAMS, 2)
    run.forward(x)
    np.testing.assert_array_equal(run.outputs(), x.reshape(2, -1))


# Dropout of whole channels ------------------------------------------------------------


def dropped(aligned, layers, shape, rows, batch=None, training=True):
    """What is left of ones, [rows, *shape], and the masks."""
    network = flattened(layers, shape)
    plan = make_plan(network, batch or rows, "squared_error")
    run = Pass(aligned, network, plan, NO_PARAMS, rows)
    run.forward(np.ones((rows, *shape), F32), training)
    return run.outputs().reshape(rows, *shape), run.masks()


@pytest.mark.parametrize("channels", [1, 5, 16, 33])
@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
def test_a_channel_is_kept_or_dropped_whole(aligned, channels, rate):
    y, (mask,) = dropped(aligned, [SpatialDropout2D(rate)], (3, 2, channels), 40)
    np.testing.assert_array_equal(y, np.broadcast_to(mask[:, None, None], y.shape))
    keep = F32(1) / (F32(1) - F32(rate))
    assert set(np.unique(mask)) <= {F32(0), keep}
    deviation = np.sqrt(rate * (1 - rate) / mask.size)
    assert abs((mask == 0).mean() - rate) <= 4 * deviation


def test_samples_and_channels_and_layers_are_dropped_alone(aligned):
    _, masks = dropped(aligned, [SpatialDropout2D(0.5)] * 2, (2, 2, 33), 64)
    first, second = masks
    assert 0.45 < (first == second).mean() < 0.55
    for axis in (0, 1):
        shares = (first == 0).mean(axis=axis)
        assert 0.1 < shares.min() < 0.5 < shares.max() < 0.9
        neighbours = np.diff(first, axis=axis) == 0
        assert 0.4 < neighbours.mean() < 0.6


def test_channels_are_not_dropped_outside_training(aligned):
    y, _ = dropped(aligned, [SpatialDropout2D(0.9)], (2, 2, 19), 8, training=False)
    np.testing.assert_array_equal(y, 1)


def test_dropout_of_a_short_minibatch_draws_the_same(aligned):
    """The draws of a sample depend on its place alone."""
    layers = [SpatialDropout2D(0.5)]
    whole, short = (dropped(aligned, layers, (2, 1, 17), n, 9)[0] for n in (9, 4))
    np.testing.assert_array_equal(whole[:4], short)
