"""Pooling against its twins, alone and fused with the convolution before it.

Images and kernels of few binary digits have windows with several equal values, and none
that rounding tells apart.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogblock.models import (
    AvgPool2D,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    LeakyReLU,
    MaxPool2D,
    Network,
    ReLU,
    Sigmoid,
    Tanh,
)
from hogblock.models.activations import ACTIVATIONS
from hogblock.models.plan import make_plan
from support import naive
from support.passes import Pass, check_images

F32 = np.float32
CHANNELS = [1, 2, 3, 5, 7, 13, 17, 19, 31, 33]
GEOMETRIES = [  # image, window, stride, padding
    ((1, 1), 1, None, "valid"),
    ((1, 1), 3, 1, "same"),
    ((1, 1), (2, 3), None, "same"),
    ((6, 8), 2, None, "valid"),
    ((7, 5), 2, None, "valid"),
    ((7, 5), 2, None, "same"),
    ((8, 9), (3, 2), None, "valid"),
    ((11, 10), 3, None, "valid"),
    ((11, 10), 3, None, "same"),
    ((11, 9), 3, 2, "valid"),
    ((11, 9), 3, 2, "same"),
    ((6, 7), 2, 1, "valid"),
    ((6, 7), (3, 2), (1, 2), "same"),
    ((5, 6), 3, 1, "same"),
    ((9, 8), 1, 2, "valid"),
    ((9, 8), 2, 3, "same"),
    ((9, 8), (1, 2), (4, 3), "valid"),
    ((7, 4), (5, 1), (2, 1), "same"),
    ((1, 9), (1, 3), None, "valid"),
    ((9, 1), (4, 1), (3, 1), "same"),
    ((3, 4), (7, 6), 1, "same"),
    ((2, 3), 5, 2, "same"),
    ((4, 5), (4, 5), None, "valid"),
]
POOLS = [(2, 2), (3, 2), (3, 3)]


def pooled(pool, size, channels, before=True):
    """Behind a 1x1 convolution, so that the input gradient is seen in its weights.

    Dropout that drops nothing keeps a max-pooling from being fused with it.
    """
    first = [Conv2D(channels, 1), Dropout(0.0)] if before else []
    return Network([*first, pool, Flatten()], (*size, 2 if before else channels))


@pytest.mark.parametrize("size, window, stride, padding", GEOMETRIES)
def test_pooling_of_any_geometry(random, size, window, stride, padding):
    for channels in (1, 5, 16, 19, 33):
        for kind in (MaxPool2D, AvgPool2D):
            pool = kind(window, stride, padding)
            for before in (True, False):
                network = pooled(pool, size, channels, before)
                check_images(network, random, rounded=True)
                check_images(network, random, rows=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (3, 4), (13, 11)])
def test_global_average(random, size):
    for channels in CHANNELS:
        check_images(pooled(GlobalAvgPool2D(), size, channels), random)
        check_images(pooled(GlobalAvgPool2D(), size, channels, False), random, rows=1)


@pytest.mark.parametrize("after", [ReLU(), Tanh(), Sigmoid(), LeakyReLU(0.25)])
def test_an_activation_after_max_pooling(random, after):
    for pool in (MaxPool2D(2), MaxPool2D(3, 2, "same")):
        layers = [Conv2D(6, 1), Dropout(0.0), pool, after, Flatten()]
        check_images(Network(layers, (7, 6, 2)), random, rounded=True)


windows = st.tuples(st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=150)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 40),
    window=windows,
    stride=st.none() | windows,
    padding=st.sampled_from(["same", "valid"]),
    kind=st.sampled_from([MaxPool2D, AvgPool2D]),
    rows=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
def test_any_pooling(size, channels, window, stride, padding, kind, rows, seed):
    if padding == "valid":
        window = tuple(np.minimum(window, size))
    network = pooled(kind(window, stride, padding), size, channels)
    random = np.random.default_rng(seed)
    check_images(network, random, rows=rows, batch=4, rounded=True)


# Fused with a convolution -------------------------------------------------------------


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("inputs", [1, 2, 3, 5, 6, 8, 16, 17, 32, 48])
def test_convolution_and_max_pooling(random, kernel, inputs):
    """The images are not multiples of the windows: rows and columns are left over."""
    for k, outputs in enumerate([1, 5, 6, 8, 9, 16, 17, 32, 33, 40]):
        for before in (False, True):
            layers = [Conv2D(inputs, 1)] if before else []
            layers += [Conv2D(outputs, kernel), MaxPool2D(POOLS[k % 3])]
            shape = (7, 5 + k % 2, 2 if before else inputs)
            network = Network([*layers, Flatten()], shape)
            check_images(network, random, rows=2, batch=3, rounded=True)


@pytest.mark.parametrize("pool", [*POOLS, (1, 2), (2, 1), (4, 3), (5, 5)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_max_pooling_after_strides_and_without_padding(random, pool, stride, padding):
    for size in ((19, 16), (17, 15), (15, 17)):
        for conv in (
            Conv2D(6, 3, stride, padding),
            Conv2D(17, (2, 1), stride, padding, bias=False),
            DepthwiseConv2D(3, stride, padding),
            DepthwiseConv2D((1, 3), stride, padding, bias=False),
        ):
            layers = [Conv2D(5, 1), conv, MaxPool2D(pool), Flatten()]
            check_images(Network(layers, (*size, 2)), random, rows=2, rounded=True)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_around_a_fused_max_pooling(random, activation):
    after = {"relu": ReLU(), "tanh": Tanh(), "logistic": Sigmoid()}
    after |= {"leaky_relu": LeakyReLU(), "identity": LeakyReLU(1.0)}
    for pool in POOLS:
        for layers in (
            [Conv2D(17, 3, activation=activation), MaxPool2D(pool)],
            [Conv2D(17, 3), MaxPool2D(pool), after[activation]],
            [DepthwiseConv2D(2, activation=activation), MaxPool2D(pool)],
        ):
            network = Network([Conv2D(9, 2), *layers, Flatten()], (8, 7, 2))
            check_images(network, random, rounded=True)


def test_large_images_in_bands(random):
    """What lies before pooling is worked on in pieces that fit the first cache."""
    for channels, pool in ((16, (2, 2)), (40, (3, 2)), (70, (3, 3)), (5, (7, 1))):
        layers = [Conv2D(2, 1), Conv2D(channels, 3), MaxPool2D(pool), Flatten()]
        check_images(Network(layers, (37, 41, 1)), random, rows=2, rounded=True)


@pytest.mark.parametrize(
    "size, channels, pool, kernel",
    [
        ((19, 16), 5, (3, 3), 3),
        ((16, 19), 64, (1, 2), 3),
        ((13, 30), 64, (2, 1), (1, 3)),
        ((16, 11), 40, (3, 1), (3, 2)),
        ((26, 33), 5, (3, 3), 3),
        ((33, 15), 17, (3, 1), (3, 2)),
        ((13, 37), 64, (3, 4), 3),
        ((11, 31), 48, (1, 3), (2, 3)),
    ],
)
def test_bands_that_are_no_multiples_of_the_tile(random, size, channels, pool, kernel):
    """A sample leaves the borders of the next one as they are."""
    for conv in (Conv2D(channels, kernel), DepthwiseConv2D(kernel)):
        for inputs in (channels, 3, 16, 40):
            layers = [Conv2D(inputs, 1), conv, MaxPool2D(pool), Flatten()]
            network = Network(layers, (*size, 2))
            check_images(network, random, rows=4, rounded=True)


@pytest.mark.parametrize("inputs, outputs", [(1, 1), (3, 8), (8, 40), (17, 16)])
def test_fused_and_alone_are_the_same(aligned, random, inputs, outputs):
    for pool in POOLS:
        layers = [Conv2D(outputs, 3), MaxPool2D(pool), Tanh(), Flatten()]
        fused = Network(layers, (9, 8, inputs))
        apart = Network([layers[0], Dropout(0.0), *layers[1:]], (9, 8, inputs))
        assert len(apart.stages) > len(fused.stages)
        params = fused.initialise(np.random.RandomState(0))
        x = random.standard_normal((3, *fused.input_shape), F32)
        targets = random.standard_normal((3, *fused.output_shape), F32)
        results = []
        for network in (fused, apart):
            plan = make_plan(network, 3, "squared_error")
            run = Pass(aligned, network, plan, params, 3)
            run.forward(x)
            results.append((run.outputs(), run.backward(targets)[1]))
        for one, other in zip(*results, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


# What takes the subgradient -----------------------------------------------------------


def gradient_of_image(aligned, layers, image):
    """Gradient of an image [height, width] where every output's is 1.

    A 1x1 convolution passes the image on; it has an input for every pixel besides, with
    weight 0, whose gradient is that pixel's.
    """
    height, width = image.shape
    pixels = height * width
    ones = np.eye(pixels, dtype=F32).reshape(height, width, pixels)
    x = np.concatenate([image[..., None], ones], axis=2)[None].astype(F32)
    passing = Conv2D(1, 1, bias=False)
    network = Network([passing, *layers, Flatten()], x.shape[1:])
    params = np.zeros(network.size, F32)
    weights = network.tensors[0].view(params)
    weights[0] = 1
    run = Pass(aligned, network, make_plan(network, 1, "squared_error"), params, 1)
    run.forward(x)
    _, gradient = run.backward(run.outputs() - F32(1))
    return network.tensors[0].view(gradient)[1:, 0].reshape(image.shape)


def test_the_first_of_equal_values_takes_the_subgradient(aligned):
    def check(pool, size, expected):
        for layers in ([pool], [Dropout(0.0), pool]):
            for level in (0.0, -1.0, 2.0):
                image = np.full(size, level)
                found = gradient_of_image(aligned, layers, image)
                np.testing.assert_array_equal(found, expected)

    check(MaxPool2D(2), (2, 5), [[1, 0, 1, 0, 0], [0, 0, 0, 0, 0]])
    check(MaxPool2D((3, 2)), (4, 3), [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    check(MaxPool2D(2, 1), (3, 3), [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    # The windows begin outside the image: two of three see its first row or column.
    check(MaxPool2D(3, 1, "same"), (3, 3), [[4, 2, 0], [2, 1, 0], [0, 0, 0]])
    check(MaxPool2D(2, 2, "same"), (3, 3), [[1, 0, 1], [0, 0, 0], [1, 0, 1]])


def test_the_largest_takes_the_subgradient_wherever_it_is(aligned):
    for window in [*POOLS, (1, 3), (4, 5)]:
        for place in np.ndindex(window):
            image = -np.ones(window)
            image[place] = 3.0
            image[tuple(n - 1 for n in window)] = 3.0  # a later one of the same size
            expected = np.zeros(window)
            expected[place] = 1.0
            for layers in ([MaxPool2D(window)], [Dropout(0.0), MaxPool2D(window)]):
                found = gradient_of_image(aligned, layers, image)
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "window, place",
    [((17, 16), (16, 3)), ((17, 16), (16, 15)), ((190, 180), (189, 177))],
)
def test_positions_in_large_windows(aligned, random, window, place):
    """The second channel tells which pixel was the largest in the first one."""
    x = random.standard_normal((1, *window, 2), F32)
    x[0, *place, 0] = 9.0
    for between in ([], [Dropout(0.0)]):
        layers = [Conv2D(1, 1, bias=False), *between, MaxPool2D(window), Flatten()]
        network = Network(layers, x.shape[1:])
        params = np.zeros(network.size, F32)
        network.tensors[0].view(params)[0] = 1
        plan = make_plan(network, 1, "squared_error")
        run = Pass(aligned, network, plan, params, 1)
        run.forward(x)
        assert run.outputs() == 9
        _, gradient = run.backward(np.full((1, 1), 8, F32))
        assert network.tensors[0].view(gradient)[1, 0] == x[0, *place, 1]


def test_relu_has_no_gradient_where_the_largest_is_not_positive(aligned):
    image = np.array([[-1.0, -2.0, 0.0, -3.0, 1.0, 2.0]])
    for layers in (
        [MaxPool2D((1, 2)), ReLU()],
        [ReLU(), MaxPool2D((1, 2))],
        [Dropout(0.0), MaxPool2D((1, 2)), ReLU()],
    ):
        found = gradient_of_image(aligned, layers, image)
        np.testing.assert_array_equal(found, [[0, 0, 0, 0, 0, 1]])


def test_a_mean_over_a_cut_window_counts_the_pixels_that_exist(aligned):
    found = gradient_of_image(aligned, [AvgPool2D(2, 2, "same")], np.zeros((3, 3)))
    expected = [[0.25, 0.25, 0.5], [0.25, 0.25, 0.5], [0.5, 0.5, 1.0]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("pool", [*POOLS, (1, 4)])
def test_nan_goes_through_max_pooling(aligned, random, fused, pool):
    """Divergence has to stay visible, wherever in a window it begins."""
    between = [] if fused else [Dropout(0.0)]
    layers = [Conv2D(17, 1, bias=False), *between, MaxPool2D(pool), ReLU(), Flatten()]
    network = Network(layers, (*pool, 2))
    params = network.initialise(np.random.RandomState(0))
    plan = make_plan(network, 1, "squared_error")
    run = Pass(aligned, network, plan, params, 1)
    for place in np.ndindex(pool):
        x = random.standard_normal((1, *network.input_shape), F32)
        x[0, *place, 1] = np.nan
        run.forward(x)
        assert np.isnan(run.outputs()).all()
        loss, gradient = run.backward(np.zeros((1, 17), F32))
        assert np.isnan(loss) and np.isnan(gradient).any()


def test_nan_stays_in_its_windows(aligned, random):
    network = Network([MaxPool2D(3, 2, "same"), Flatten()], (9, 8, 5))
    run = Pass(
        aligned, network, make_plan(network, 4, "squared_error"), np.zeros(0, F32), 4
    )
    x = random.standard_normal((4, *network.input_shape), F32)
    x[random.random(x.shape) < 0.02] = np.nan
    run.forward(x)
    expected = naive.network_outputs(network, np.zeros(0), x)[-1]
    assert 0 < np.isnan(expected).mean() < 0.5
    np.testing.assert_array_equal(run.outputs(), expected.astype(F32))
