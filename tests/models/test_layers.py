"""Layers for images: shapes, parameters, initial weights, errors."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    MaxPool2D,
    Network,
    ReLU,
    Residual,
    SpatialDropout2D,
)
from hogblock.models.activations import Activation
from hogblock.models.plan import make_plan

IMAGE = (6, 7, 2)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (Conv2D(5, 3), (6, 7, 5)),
        (Conv2D(5, 3, padding="valid"), (4, 5, 5)),
        (Conv2D(5, (2, 3), 2), (3, 4, 5)),
        (Conv2D(5, (2, 3), 2, "valid"), (3, 3, 5)),
        (Conv2D(1, 9, (4, 5)), (2, 2, 1)),
        (Conv2D(1, (6, 7), padding="valid"), (1, 1, 1)),
        (Conv2D(1, 1, 9), (1, 1, 1)),
        (DepthwiseConv2D(3), IMAGE),
        (DepthwiseConv2D((3, 1), (2, 3), "valid"), (2, 3, 2)),
        (MaxPool2D(), (3, 3, 2)),
        (MaxPool2D(3), (2, 2, 2)),
        (MaxPool2D(3, padding="same"), (2, 3, 2)),
        (MaxPool2D((6, 7)), (1, 1, 2)),
        (MaxPool2D(3, 1), (4, 5, 2)),
        (AvgPool2D(2, 1, "same"), IMAGE),
        (AvgPool2D((2, 3), (3, 2)), (2, 3, 2)),
        (GlobalAvgPool2D(), (2,)),
        (GroupNorm(2), IMAGE),
        (SpatialDropout2D(0.5), IMAGE),
        (Dropout(0.5), IMAGE),
        (ReLU(), IMAGE),
        (Flatten(), (84,)),
        (Residual([Conv2D(2, 3)]), IMAGE),
        (Residual([Conv2D(5, 3, 2)], [Conv2D(5, 1, 2)]), (3, 4, 5)),
        (Residual([MaxPool2D(), Flatten()], [AvgPool2D(), Flatten()]), (18,)),
        (Add(-1), IMAGE),
    ],
)
def test_output_shapes(layer, shape):
    assert Network([layer], IMAGE).output_shape == shape


@given(
    size=st.integers(1, 40),
    window=st.integers(1, 9),
    stride=st.integers(1, 9),
    padding=st.sampled_from(["same", "valid"]),
)
def test_outputs_along_an_axis(size, window, stride, padding):
    """ "valid": as many whole windows as fit; "same": one for each stride begun."""
    if padding == "valid":
        window = min(window, size)
    for kind in (DepthwiseConv2D, MaxPool2D, AvgPool2D):
        down = kind((window, 1), (stride, 1), padding).output_shape((size, 1, 1))
        right = kind((1, window), (1, stride), padding).output_shape((1, size, 1))
        assert down == (right[1], right[0], 1)
        if padding == "same":
            assert (down[0] - 1) * stride < size <= down[0] * stride
        else:
            assert (down[0] - 1) * stride + window <= size < down[0] * stride + window


def test_sizes_may_be_numpy_integers_and_pairs_lists():
    layer = Conv2D(np.int64(5), [np.int32(2), 3], (np.int64(2), 1))
    assert Network([layer], IMAGE).output_shape == (3, 7, 5)


# Parameters ---------------------------------------------------------------------------


def described(layers, shape=IMAGE):
    return [
        (t.name, t.shape, t.rows, t.columns, t.decays)
        for t in Network(layers, shape).tensors
    ]


def test_parameters_of_convolutions():
    """Rows of weights: kernel rows, kernel columns, input channels."""
    assert described([Conv2D(5, (3, 2)), Conv2D(17, 1, bias=False)]) == [
        ("0.weight", (3, 2, 2, 5), 12, 5, True),
        ("0.bias", (5,), 1, 5, False),
        ("1.weight", (1, 1, 5, 17), 5, 17, True),
    ]
    assert described([DepthwiseConv2D((3, 2)), DepthwiseConv2D(2, bias=False)]) == [
        ("0.weight", (3, 2, 1, 2), 6, 2, True),
        ("0.bias", (2,), 1, 2, False),
        ("1.weight", (2, 2, 1, 2), 4, 2, True),
    ]


def test_parameters_of_group_norm():
    """Its scales are not weights: the penalty leaves them alone."""
    assert described([GroupNorm(2)], (3, 3, 6)) == [
        ("0.scale", (6,), 1, 6, False),
        ("0.bias", (6,), 1, 6, False),
    ]


def test_parameters_of_branches_are_named_by_position():
    layers = [
        ReLU(),
        Residual([Conv2D(3, 1), ReLU(), Residual([Conv2D(3, 1, bias=False)])],
                 [ReLU(), GroupNorm(1), Conv2D(3, 1, bias=False)]),
        Flatten(),
        Dense(1),
    ]  # fmt: skip
    assert [name for name, *_ in described(layers)] == [
        "1.0.weight", "1.0.bias", "1.2.0.weight",
        "1.shortcut.1.scale", "1.shortcut.1.bias", "1.shortcut.2.weight",
        "3.weight", "3.bias",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "layer", [MaxPool2D(), AvgPool2D(), GlobalAvgPool2D(), Flatten(), ReLU(), Add(-1)]
)
def test_layers_without_parameters(layer):
    assert described([layer]) == []


@pytest.mark.parametrize(
    "layer, channels, fans",
    [
        (Conv2D(64, (3, 5)), 32, (15 * 32, 15 * 64)),
        (Conv2D(96, 1), 200, (200, 96)),
        (DepthwiseConv2D(11), 128, (121, 121)),
    ],
)
@pytest.mark.parametrize("activation, gain", [("relu", 6), ("logistic", 2)])
@pytest.mark.parametrize("rule", ["glorot_uniform", "glorot_normal", "he_uniform"])
def test_initial_weights_have_the_spread_of_their_fans(
    layer, channels, fans, activation, gain, rule
):
    """Fans: inputs of an output, and outputs of an input, over the whole kernel."""
    how = {"activation": activation, "initialiser": rule}
    layer = type(layer)(**{**vars(layer), **how})
    network = Network([layer], (12, 12, channels))
    vector = network.initialise(np.random.RandomState(0))
    weight, bias = network.tensors
    values = weight.view(vector)
    total = fans[0] if rule.startswith("he") else sum(fans)
    deviation = np.sqrt(gain / 3 / total)
    assert values.std() == pytest.approx(deviation, rel=0.03)
    if rule.endswith("uniform"):
        assert np.abs(values).max() == pytest.approx(deviation * np.sqrt(3), rel=0.01)
    assert not bias.view(vector).any()


def test_first_scales_are_one_and_padding_is_zero():
    network = Network([GroupNorm(5), Conv2D(17, 2)], (4, 4, 5))
    vector = network.initialise(np.random.RandomState(0))
    scale, bias = (t.view(vector) for t in network.tensors_of(0))
    np.testing.assert_array_equal(scale, np.ones((1, 5)))
    np.testing.assert_array_equal(bias, np.zeros((1, 5)))
    assert np.count_nonzero(vector) == 5 + 2 * 2 * 5 * 17


# Errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Conv2D(0, 3), "channels=0 of Conv2D"),
        (lambda: Conv2D(2.5, 3), r"channels=2\.5 of Conv2D"),
        (lambda: Conv2D(3, 0), "kernel_size=0 of Conv2D"),
        (lambda: Conv2D(3, (3, 0)), r"kernel_size=\(3, 0\) of Conv2D"),
        (lambda: Conv2D(3, (3, 3, 3)), r"kernel_size=\(3, 3, 3\)"),
        (lambda: Conv2D(3, 2.5), r"kernel_size=2\.5"),
        (lambda: Conv2D(3, "ab"), "kernel_size='ab'"),
        (lambda: Conv2D(3, None), "kernel_size=None"),
        (lambda: Conv2D(3, 3, 0), "stride=0 of Conv2D"),
        (lambda: Conv2D(3, 3, (1,)), r"stride=\(1,\)"),
        (lambda: Conv2D(3, 3, padding="full"), "padding='full'.*same.*valid"),
        (lambda: Conv2D(3, 3, activation="swish"), "activation='swish'.*relu"),
        (lambda: Conv2D(3, 3, activation=None), "activation=None.*identity"),
        (lambda: Conv2D(3, 3, initialiser="zeros"), "initialiser='zeros'.*he_normal"),
        (lambda: Conv2D(3, 3, initialiser="ones"), "initialiser='ones'.*he_normal"),
        (lambda: DepthwiseConv2D((0, 3)), r"kernel_size=\(0, 3\) of DepthwiseConv2D"),
        (lambda: DepthwiseConv2D(3, -1), "stride=-1 of DepthwiseConv2D"),
        (lambda: DepthwiseConv2D(3, padding=1), "padding=1"),
        (lambda: DepthwiseConv2D(3, activation="swish"), "activation='swish'"),
        (lambda: DepthwiseConv2D(3, initialiser="x"), "initialiser='x'"),
        (lambda: MaxPool2D(0), "pool_size=0 of MaxPool2D"),
        (lambda: MaxPool2D((2, "a")), r"pool_size=\(2, 'a'\)"),
        (lambda: MaxPool2D(2, 0), "stride=0 of MaxPool2D"),
        (lambda: MaxPool2D(2, padding="x"), "padding='x'"),
        (lambda: MaxPool2D(257), "pool_size=257 of MaxPool2D.*65536"),
        (lambda: AvgPool2D((2, 0)), r"pool_size=\(2, 0\) of AvgPool2D"),
        (lambda: AvgPool2D(2, -3), "stride=-3 of AvgPool2D"),
        (lambda: GroupNorm(0), "groups=0 of GroupNorm"),
        (lambda: GroupNorm(1.5), r"groups=1\.5 of GroupNorm"),
        (lambda: GroupNorm(1, 0.0), r"epsilon=0\.0 of GroupNorm"),
        (lambda: GroupNorm(1, float("nan")), "epsilon=nan of GroupNorm"),
        (lambda: SpatialDropout2D(1.0), r"rate=1\.0 of SpatialDropout2D"),
        (lambda: SpatialDropout2D(-0.1), r"rate=-0\.1 of SpatialDropout2D"),
        (lambda: Residual([]), "Residual is empty"),
        (lambda: Residual((), [ReLU()]), "Residual is empty"),
        (lambda: Add(-2), "source=-2 of Add"),
        (lambda: Add(0.5), r"source=0\.5 of Add"),
        (lambda: Dense(3, Activation(0, -0.5, 6.0)), r"slope.*-0\.5"),
        (lambda: Conv2D(3, 3, activation=Activation(0, -1.0, 6.0)), r"slope.*-1\.0"),
        (lambda: Residual(7), "layers=7 of Residual must be a sequence"),
        (lambda: Residual([ReLU()], 3), "shortcut=3 of Residual must be a sequence"),
        (lambda: Conv2D(4, 3, activation=["relu"]), "activation=.*is unknown"),
    ],
)
def test_wrong_parameters_of_layers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_largest_window_of_max_pooling():
    assert MaxPool2D((65536, 1)).window == (65536, 1)
    assert AvgPool2D(257).window == (257, 257)  # it keeps no positions


def refused(layers, shape, *parts):
    """The message is that of a ValueError and has all `parts` in this order."""
    with pytest.raises(ValueError) as caught:
        Network(layers, shape)
    at, message = 0, str(caught.value)
    for part in parts:
        assert part in message[at:], message
        at = message.index(part, at) + len(part)


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(4, 3),
        DepthwiseConv2D(3),
        MaxPool2D(2),
        AvgPool2D(2),
        GlobalAvgPool2D(),
        GroupNorm(1),
        SpatialDropout2D(0.1),
    ],
)
def test_layers_for_images_refuse_rows(layer):
    name = type(layer).__name__
    refused([layer], (5,), "layer 0 (" + name, "(height, width, channels)", "(5,)")
    after = [Conv2D(3, 3), Flatten(), layer]
    refused(after, IMAGE, "layer 2 (" + name, "(height, width, channels)", "(126,)")


def test_dense_after_images_says_what_to_put_between():
    layers = [Conv2D(4, 3), ReLU(), Dense(3)]
    refused(layers, IMAGE, "layer 2 (Dense", "(6, 7, 4)", "Flatten()")
    refused([Dense(3)], IMAGE, "layer 0 (Dense", "(6, 7, 2)", "GlobalAvgPool2D()")


@pytest.mark.parametrize(
    "layer, window, axis",
    [
        (Conv2D(4, 7, padding="valid"), "7 pixels", "height"),
        (Conv2D(4, (6, 8), padding="valid"), "8 pixels", "width"),
        (DepthwiseConv2D(9, padding="valid"), "9 pixels", "height"),
        (MaxPool2D((7, 1)), "7 pixels", "height"),
        (MaxPool2D(8, 1), "8 pixels", "height"),
        (AvgPool2D((1, 8)), "8 pixels", "width"),
    ],
)
def test_windows_larger_than_the_image(layer, window, axis):
    name = type(layer).__name__
    refused([ReLU(), layer], IMAGE, "layer 1 (" + name, window, axis, "(6, 7, 2)")
    Network([layer], (9, 9, 2))


def test_groups_must_divide_the_channels():
    layers = [Conv2D(12, 3), GroupNorm(5)]
    refused(
        layers, IMAGE, "layer 1 (GroupNorm", "groups=5", "12 channels", "(6, 7, 12)"
    )


def test_branches_of_different_shapes_are_both_shown():
    shapes = ("(6, 7, 4)", "(6, 7, 2)")
    refused([Residual([Conv2D(4, 3)])], IMAGE, "layer 0 (Residual", *shapes)
    refused([ReLU(), Conv2D(4, 3), Add(0)], IMAGE, "layer 2 (Add", *shapes)
    body, short = [Conv2D(4, 3)], [Conv2D(4, 1, 2)]
    shapes = ("(6, 7, 4)", "(3, 4, 4)")
    refused([ReLU(), Residual(body, short)], IMAGE, "layer 1 (Residual", *shapes)
    rows = [Dense(5), ReLU(), Residual([Dense(3, "relu"), Dense(4)])]
    refused(rows, (7,), "layer 2 (Residual", "(4,)", "(5,)")


def test_positions_inside_branches():
    first = [ReLU(), ReLU(), ReLU()]
    wide = Conv2D(4, 9, padding="valid")
    refused([*first, Residual([ReLU(), wide])], IMAGE, "layer 3.1 (Conv2D", "(6, 7, 2)")
    short = Residual([Conv2D(4, 3)], [wide])
    refused([*first, short], IMAGE, "layer 3.shortcut.0 (Conv2D", "(6, 7, 2)")
    nested = Residual([ReLU(), Residual([ReLU()], [Flatten(), wide])])
    refused([nested], IMAGE, "layer 0.1.shortcut.1 (Conv2D", "(84,)")
    nested = Residual([ReLU()], [Residual([Conv2D(3, 3)])])
    refused([nested], IMAGE, "layer 0.shortcut.0 (Residual", "(6, 7, 3)", "(6, 7, 2)")


@pytest.mark.parametrize("stranger", [7, "relu", Conv2D, None, [ReLU()]])
def test_unknown_layers_inside_branches_are_named(stranger):
    say = "which is no hogblock layer"
    refused([ReLU(), Residual([ReLU(), stranger])], IMAGE, "layer 1.1 is", say)
    refused([Residual([ReLU()], [stranger])], IMAGE, "layer 0.shortcut.0 is", say)


@pytest.mark.parametrize("source", [1, 2, 9])
def test_a_layer_adds_only_what_was_before_it(source):
    layers = [Conv2D(2, 3), Add(source), ReLU()]
    refused(layers, IMAGE, f"layer 1 (Add(source={source})", "at most 0")


def test_sources_are_positions_in_the_same_list():
    body = [ReLU(), Add(2)]
    layers = [Conv2D(2, 3), ReLU(), ReLU(), Residual(body)]
    refused(layers, IMAGE, "layer 3.1 (Add(source=2)", "at most 0")


@pytest.mark.parametrize(
    "shape", [(3, 4), (3, 4, 0), (3, -4, 1), (1, 2, 3, 4), (2.5,), ("3",), "abc", 7]
)
def test_input_shapes_that_are_neither_rows_nor_images(shape):
    with pytest.raises(ValueError, match="input_shape"):
        Network([ReLU()], shape)


def test_a_network_that_is_trained_ends_in_rows():
    layers = [Conv2D(5, 3), ReLU()]
    with pytest.raises(ValueError, match=r"\(6, 7, 5\).*Flatten"):
        make_plan(Network(layers, IMAGE), 8, "squared_error")
    make_plan(Network([*layers, Flatten()], IMAGE), 8, "squared_error")


@pytest.mark.parametrize(
    "layer", [Conv2D(5, 3), DepthwiseConv2D(3), MaxPool2D(2), AvgPool2D(2)]
)
def test_a_layer_shows_only_what_can_be_given(layer):
    assert not re.search(r"[(\s]_", repr(layer))
    assert eval(repr(layer)) == layer
