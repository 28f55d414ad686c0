"""The twins themselves: by hand, against SciPy, and their gradients by differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate

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
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Network,
    Residual,
    Sigmoid,
    SpatialDropout2D,
    Tanh,
)
from hogblock.models.activations import ACTIVATIONS
from support import naive
from support import naive_images as images
from support.passes import random_biases

PADDINGS = ["same", "valid"]


def image(rows):
    """[1, height, width, 1] of rows of numbers."""
    return np.array(rows, float)[None, :, :, None]


# By hand ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stride, padding, expected",
    [
        (1, "valid", [3, 6, 9, 12]),
        (2, "valid", [3, 9]),
        (4, "valid", [3]),
        (1, "same", [1, 3, 6, 9, 12, 9]),
        (2, "same", [3, 9, 9]),
        (3, "same", [3, 12]),
        (4, "same", [3, 9]),
    ],
)
def test_sums_of_three_by_hand(stride, padding, expected):
    """Of 0, 1, ... 5; zeros beyond the edge, more of them at the end."""
    for axis in (1, 2):
        x = np.arange(6.0).reshape(1, 1, 6, 1).swapaxes(axis, 2)
        w = np.ones((1, 3, 1, 1)).swapaxes(axis - 1, 1)
        strides = (stride, 1) if axis == 1 else (1, stride)
        found = images.conv_forward(x, w, strides, padding)
        assert found.ravel().tolist() == expected
        assert found.shape[axis] == len(expected)


def test_a_kernel_is_not_turned_round():
    w = np.array([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1)
    found = images.conv_forward(image([[0, 0, 1, 0, 0]]), w, (1, 1), "same")
    assert found.ravel().tolist() == [0, 100, 10, 1, 0]


X = image([[1, 5, 5, 2], [3, 5, 0, 2], [-9, -9, -8, 7]])


def test_max_pooling_by_hand():
    largest, where = images.max_pool_forward(X, (2, 2), (2, 2), "same")
    np.testing.assert_array_equal(largest[0, :, :, 0], [[5, 5], [-9, 7]])
    np.testing.assert_array_equal(where[0, :, :, 0], [[1, 0], [0, 1]])
    d = image([[1, 2], [3, 4]])
    found = images.max_pool_backward(X.shape, d, where, (2, 2), (2, 2), "same")
    expected = [[0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 0, 4]]
    np.testing.assert_array_equal(found[0, :, :, 0], expected)


def test_max_pooling_by_hand_with_windows_that_overlap():
    largest, where = images.max_pool_forward(X, (2, 3), (1, 1), "valid")
    np.testing.assert_array_equal(largest[0, :, :, 0], [[5, 5], [5, 7]])
    np.testing.assert_array_equal(where[0, :, :, 0], [[1, 0], [1, 5]])
    d = image([[1, 2], [3, 4]])
    found = images.max_pool_backward(X.shape, d, where, (2, 3), (1, 1), "valid")
    expected = [[0, 3, 0, 0], [0, 3, 0, 0], [0, 0, 0, 4]]
    np.testing.assert_array_equal(found[0, :, :, 0], expected)


def test_average_pooling_by_hand():
    """The first window of a row begins one pixel outside."""
    found = images.avg_pool_forward(X, (2, 3), (2, 3), "same")
    np.testing.assert_array_equal(found[0, :, :, 0], [[3.5, 2.25], [-9, -0.5]])
    d = image([[4, 8], [2, 6]])
    spread = images.avg_pool_backward(X.shape, d, (2, 3), (2, 3), "same")
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 3, 3]]
    np.testing.assert_array_equal(spread[0, :, :, 0], expected)


def test_nan_is_the_largest():
    x = image([[1, np.nan, np.nan, 3]])
    largest, where = images.max_pool_forward(x, (1, 4), (1, 4), "valid")
    assert np.isnan(largest).all() and where == 1


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_groups_have_zero_mean_and_unit_variance(random, groups):
    x = random.normal(3.0, 5.0, (4, 3, 5, 6))
    hat = images.norm_forward(x, 1.0, 0.0, groups, 0.0)
    for part in np.split(hat, groups, axis=3):
        np.testing.assert_allclose(part.mean(axis=(1, 2, 3)), 0, atol=1e-12)
        np.testing.assert_allclose(part.std(axis=(1, 2, 3)), 1)
    scaled = images.norm_forward(x, np.arange(6.0), np.arange(6.0) / 2, groups, 0.0)
    np.testing.assert_allclose(scaled, hat * np.arange(6) + np.arange(6) / 2)


# Against SciPy ------------------------------------------------------------------------


@given(
    size=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(PADDINGS),
    seed=st.integers(0, 2**31),
)
def test_convolution_is_scipys_correlation(size, kernel, strides, padding, seed):
    random = np.random.default_rng(seed)
    if padding == "valid":
        kernel = tuple(np.minimum(kernel, size))
    x, w = random.normal(size=(2, *size, 3)), random.normal(size=(*kernel, 3, 4))
    found = images.conv_forward(x, w, strides, padding)
    if padding == "same":
        counts = [-(-n // s) for n, s in zip(size, strides, strict=True)]
        missing = [
            max(0, (c - 1) * s + k - n)
            for c, s, k, n in zip(counts, strides, kernel, size, strict=True)
        ]
        around = [(m // 2, m - m // 2) for m in missing]
        x = np.pad(x, [(0, 0), *around, (0, 0)])
    expected = [
        sum(correlate(i[..., c], w[..., c, o], "valid") for c in range(3))
        for i in x
        for o in range(4)
    ]
    expected = np.reshape(expected, (2, 4, *expected[0].shape)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(
        found, expected[:, :: strides[0], :: strides[1]], atol=1e-12
    )


@pytest.mark.parametrize("padding", PADDINGS)
def test_depthwise_convolution_works_on_each_channel_alone(random, padding):
    x, w = random.normal(size=(2, 5, 6, 3)), random.normal(size=(2, 3, 1, 3))
    full = images.spread_depthwise(w)
    found = images.conv_forward(x, full, (2, 1), padding)
    for c in range(3):
        part = slice(c, c + 1)
        alone = images.conv_forward(x[..., part], w[..., part], (2, 1), padding)
        np.testing.assert_allclose(found[..., part], alone)


# Gradients by differences -------------------------------------------------------------

LAYERS = {
    "convolution": [Conv2D(4, 3), Conv2D(3, (3, 2), (2, 3))],
    "convolution without padding": [Conv2D(4, 2, 2, "valid"), Conv2D(3, 2, 1, "valid")],
    "convolution without bias": [Conv2D(4, 3, bias=False), Conv2D(3, 5, 3, bias=False)],
    "depthwise": [DepthwiseConv2D(3), DepthwiseConv2D((3, 2), (2, 3), "valid")],
    "depthwise of a convolution": [Conv2D(3, 2), DepthwiseConv2D(5, bias=False)],
    "fused max-pooling": [Conv2D(4, 3), MaxPool2D((3, 2)), Tanh()],
    "fused with depthwise": [Conv2D(4, 1), DepthwiseConv2D(3), MaxPool2D(2)],
    "max-pooling": [Conv2D(3, 2), MaxPool2D(3, 2, "same"), Sigmoid()],
    "max-pooling, overlapping": [Conv2D(3, 2), MaxPool2D(3, 1), MaxPool2D((2, 3), 2)],
    "average pooling": [Conv2D(3, 2), AvgPool2D(2), AvgPool2D((3, 2), 1, "same")],
    "global average": [Conv2D(3, 2), GlobalAvgPool2D()],
    "normalisation": [Conv2D(6, 2), GroupNorm(3, 0.1), LeakyReLU(0.2), GroupNorm(1)],
    "instance normalisation": [Conv2D(4, 2), GroupNorm(4)],
    "layer normalisation": [Conv2D(3, 2), LayerNorm(0.1), Flatten(), LayerNorm(0.1)],
    "dropout": [Conv2D(4, 2), Dropout(0.5), Conv2D(3, 2), Flatten(), Dropout(0.5)],
    "dropout of channels": [SpatialDropout2D(0.5), Conv2D(4, 2), SpatialDropout2D(0.5)],
    "residual": [Residual([Conv2D(2, 3, activation="tanh"), Conv2D(2, 3)])],
    "residual with a shortcut": [
        Conv2D(3, 2),
        Residual([GroupNorm(3), Conv2D(5, 3, 2)], [Conv2D(5, 1, 2)]),
        Tanh(),
    ],
    "skips": [Conv2D(2, 3), Add(-1), Tanh(), Add(0), Conv2D(2, 1), Add(3), Add(5)],
    **{name: [Conv2D(3, 3, activation=name)] for name in ACTIVATIONS},
}


@pytest.mark.parametrize("loss", ["softmax", "squared_error"])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_by_differences(random, name, loss):
    layers = LAYERS[name]
    ends_in_rows = any(isinstance(n, Flatten | GlobalAvgPool2D) for n in layers)
    end = [Dense(3)] if ends_in_rows else [Flatten(), Dense(3)]
    network = Network([*layers, *end], (5, 6, 2))
    params = naive.f64(network.initialise(np.random.RandomState(1)))
    random_biases(network, params, random)
    x = random.normal(size=(4, 5, 6, 2))
    targets = random.integers(2, size=4 if loss == "softmax" else (4, 3))
    masks = [
        (random.random((4, *naive.mask_shape(s))) < 0.5) * 2.0
        for s in network.stages
        if isinstance(s.layer, Dropout)
    ]
    how = {"weights": random.uniform(0, 2, 4), "alpha": 0.3, "masks": masks}
    problem = (x, targets, loss)
    _, gradient = naive.network_gradient(network, params, *problem, **how)
    for tensor in network.tensors:
        values = tensor.view(params)
        for at in {tuple(random.integers(values.shape)) for _ in range(6)}:
            kept, sides = values[at], []
            for step in (1e-6, -1e-6):
                values[at] = kept + step
                sides.append(naive.network_objective(network, params, *problem, **how))
            values[at] = kept
            numeric = (sides[0] - sides[1]) / 2e-6
            found = tensor.view(gradient)[at]
            assert found == pytest.approx(numeric, rel=1e-6, abs=1e-8), tensor.name
