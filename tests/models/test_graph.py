"""The graph of a network: what reads what, what is fused, what a block's step needs."""

import numpy as np
import pytest

from hogblock.kernels import optable as op
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
from hogblock.models.activations import ACTIVATIONS
from hogblock.models.blocks import (
    Block,
    gradients_needed,
    partition,
    step_cost,
    whole,
)
from hogblock.models.graph import make_stages
from hogblock.models.plan import make_plan
from support import naive

IMAGE = (6, 8, 2)
CONV = Conv2D(2, 3)


# What is fused ------------------------------------------------------------------------


def fused(layers):
    return [stage.layer for stage in make_stages(layers, IMAGE)]


@pytest.mark.parametrize("conv", [Conv2D(3, 3), DepthwiseConv2D(3, 2, bias=False)])
@pytest.mark.parametrize(
    "after, kind, slope",
    [
        (ReLU(), op.LINEAR, 0.0),
        (LeakyReLU(0.2), op.LINEAR, 0.2),
        (Tanh(), op.TANH, 0.0),
        (Sigmoid(), op.LOGISTIC, 0.0),
    ],
)
def test_a_convolution_takes_in_activation_and_max_pooling(conv, after, kind, slope):
    for layers in (
        [conv, after],
        [conv, after, MaxPool2D(2)],
        [conv, MaxPool2D(2), after],
        [conv, MaxPool2D((1, 2)), after],
        [conv, MaxPool2D((3, 2), (3, 2)), after],
    ):
        stages = make_stages(layers, IMAGE)
        assert [stage.name for stage in stages] == ["0"]
        assert stages[0].layer.act[:2] == (kind, slope)
        assert stages[0].shape == Network(layers, IMAGE).output_shape
        assert stages[0].layer.parameters(IMAGE)[0].shape == (
            conv.parameters(IMAGE)[0].shape
        )


def test_fused_is_as_if_it_had_been_written_so():
    short = Network([Conv2D(3, 3, activation="relu")], IMAGE)
    long = Network([Conv2D(3, 3), ReLU()], IMAGE)
    assert short.tensors == long.tensors
    assert short.stages[0].layer.act == long.stages[0].layer.act
    weights = [n.initialise(np.random.RandomState(1)) for n in (short, long)]
    np.testing.assert_array_equal(*weights)


def test_max_pooling_takes_in_an_activation():
    first, second = fused([MaxPool2D(3, 2), Tanh(), ReLU()])
    assert first.act == ACTIVATIONS["tanh"] and second == ReLU()


@pytest.mark.parametrize(
    "pool",
    [
        MaxPool2D(3, 2),
        MaxPool2D(2, 3),
        MaxPool2D(2, (2, 1)),
        MaxPool2D(2, padding="same"),
        MaxPool2D(1),
        AvgPool2D(2),
        GlobalAvgPool2D(),
    ],
)
def test_only_whole_windows_side_by_side_are_fused(pool):
    assert fused([CONV, pool]) == [CONV, pool]


@pytest.mark.parametrize(
    "layers",
    [
        [ReLU(), CONV, GroupNorm(1)],
        [Conv2D(2, 3, activation="tanh"), ReLU()],
        [CONV, Dropout(0.5), ReLU()],
        [CONV, SpatialDropout2D(0.5), MaxPool2D(2)],
        [AvgPool2D(2), ReLU(), MaxPool2D(2)],
        [MaxPool2D(2), MaxPool2D(2)],
        [MaxPool2D(2), CONV, Flatten(), Tanh()],
    ],
)
def test_what_cannot_be_fused_stays(layers):
    given = list(layers)
    assert fused(layers) == given
    assert layers == given


def test_a_second_pooling_or_activation_stays():
    first, second = fused([CONV, MaxPool2D(2), MaxPool2D((1, 2))])
    assert first.output_shape(IMAGE) == (3, 4, 2) and second == MaxPool2D((1, 2))
    first, second = fused([CONV, ReLU(), MaxPool2D(2), Tanh()])
    assert first.act == ACTIVATIONS["relu"] and second == Tanh()


@pytest.mark.parametrize("after", [ReLU(), MaxPool2D(2)])
def test_what_others_read_too_is_not_fused(after):
    """The value before the activation or the pooling has to be there for them."""
    short = [] if after == ReLU() else [AvgPool2D(2)]
    branches = [CONV, Residual([after, CONV], short)]
    assert [stage.layer for stage in make_stages(branches, IMAGE)][:2] == [CONV, after]
    both = [CONV, Residual([after], [after])]
    assert [type(n) for n in fused(both)] == [Conv2D, type(after), type(after), Add]
    assert type(fused([CONV, ReLU(), Add(0)])[1]) is ReLU


def test_what_one_branch_alone_reads_is_fused():
    layers = [CONV, Residual([Conv2D(5, 3), ReLU()], [Conv2D(5, 1), Tanh()]), ReLU()]
    stages = make_stages(layers, IMAGE)
    assert [s.name for s in stages] == ["0", "1.0", "1.shortcut.0", "1"]
    assert [s.sources for s in stages] == [(0,), (1,), (1,), (2, 3)]


def test_a_skip_may_begin_behind_what_was_fused():
    stages = make_stages([CONV, ReLU(), CONV, Tanh(), Add(1), Add(0)], IMAGE)
    # The first convolution is read by two, its activation is not.
    assert [s.name for s in stages] == ["0", "1", "2", "4", "5"]
    assert [s.sources for s in stages] == [(0,), (1,), (2,), (3, 2), (4, 1)]


# What a graph computes ----------------------------------------------------------------


def outputs(layers, shape, params, x):
    network = Network(layers, shape)
    assert params.size == network.size
    return naive.network_outputs(network, params, x)[-1]


@pytest.fixture
def parts(random):
    """Two branches and what is behind them, with parameters, and images."""
    body = [Conv2D(3, 3), ReLU(), DepthwiseConv2D(2)]
    short, end = [Conv2D(3, 1), Tanh()], [GroupNorm(1), Conv2D(2, 2)]
    networks = [Network(body, IMAGE), Network(short, IMAGE), Network(end, (6, 8, 3))]
    params = [random.standard_normal(n.size) for n in networks]
    return body, short, end, params, random.standard_normal((4, *IMAGE))


def test_a_residual_adds_its_branches(parts):
    body, short, end, (p, q, r), x = parts
    middle = outputs(body, IMAGE, p, x) + outputs(short, IMAGE, q, x)
    expected = outputs(end, (6, 8, 3), r, middle)
    layers = [Residual(body, short), *end]
    found = outputs(layers, IMAGE, np.concatenate([p, q, r]), x)
    np.testing.assert_allclose(found, expected)


def test_a_residual_without_a_shortcut_adds_its_input(parts):
    body, _, end, (p, _, r), x = parts
    inner = outputs(end, (6, 8, 3), r, outputs(body, IMAGE, p, x))
    params = np.concatenate([p, r])
    found = outputs([Residual([*body, *end])], IMAGE, params, x)
    np.testing.assert_allclose(found, x + inner)
    nested = [Residual([Residual([*body, *end])])]
    np.testing.assert_allclose(outputs(nested, IMAGE, params, x), 2 * x + inner)


def test_an_add_takes_the_output_of_the_layer_that_it_names(parts):
    body, _, end, (p, _, r), x = parts
    values = [x]
    for layer, given in zip(
        [Residual([*body, *end]), ReLU(), Tanh()],
        [np.concatenate([p, r]), np.zeros(0), np.zeros(0)],
        strict=True,
    ):
        values.append(outputs([layer], IMAGE, given, values[-1]))
    for source in (-1, 0, 1, 2):
        layers = [Residual([*body, *end]), ReLU(), Tanh(), Add(source)]
        found = outputs(layers, IMAGE, np.concatenate([p, r]), x)
        np.testing.assert_allclose(found, values[3] + values[source + 1])


def test_an_add_in_a_branch_counts_from_the_begin_of_the_branch(parts):
    body, _, end, (p, _, r), x = parts
    inner = outputs(end, (6, 8, 3), r, outputs(body, IMAGE, p, np.tanh(x)))
    params = np.concatenate([p, r])
    for source, taken in ((-1, np.tanh(x)), (len(body) + 1, inner)):
        branch = [*body, *end, Add(source)]
        found = outputs([Tanh(), Residual(branch)], IMAGE, params, x)
        np.testing.assert_allclose(found, np.tanh(x) + inner + taken)


# What a block's step needs ------------------------------------------------------------

RESIDUAL = Network(
    [Conv2D(8, 3), Residual([Conv2D(8, 3), GroupNorm(2), Conv2D(8, 3)], [Conv2D(8, 1)])]
    + [ReLU(), GlobalAvgPool2D(), Dense(3)],
    IMAGE,
)


def block_of(network, *names):
    """From the first tensor of the first layer to the last one of the last."""
    of = [[t for t in network.tensors if t.name.rpartition(".")[0] == n] for n in names]
    last = of[-1][-1]
    return Block(of[0][0].offset, last.offset + last.size)


@pytest.mark.parametrize(
    "names, needed",
    [
        (["0"], ["0", "1.0", "1.1", "1.2", "1.shortcut.0", "1", "3", "4"]),
        (["1.0"], ["1.0", "1.1", "1.2", "1", "3", "4"]),
        (["1.1"], ["1.1", "1.2", "1", "3", "4"]),
        (["1.2"], ["1.2", "1", "3", "4"]),
        (["1.shortcut.0"], ["1.shortcut.0", "1", "3", "4"]),
        (["1.2", "1.shortcut.0"], ["1.2", "1.shortcut.0", "1", "3", "4"]),
        (["4"], ["4"]),
    ],
)
def test_gradients_that_a_block_needs(names, needed):
    """Those of its own layers, and of all on the ways from them to the outputs."""
    found = gradients_needed(RESIDUAL, block_of(RESIDUAL, *names))
    assert found[0] is False
    flags = zip(RESIDUAL.stages, found[1:], strict=True)
    assert [s.name for s, flag in flags if flag] == needed


def codes_of(network, block):
    return make_plan(network, 4, "softmax", block).ops[:, op.CODE].tolist()


def test_a_block_of_one_branch_leaves_the_other_out():
    short = codes_of(RESIDUAL, block_of(RESIDUAL, "1.shortcut.0"))
    assert op.CONV_INPUT_GRADIENT not in short
    assert op.NORM_INPUT_GRADIENT not in short
    assert short.count(op.CONV_UPDATE) == 1
    body = codes_of(RESIDUAL, block_of(RESIDUAL, "1.0", "1.2"))
    assert body.count(op.CONV_INPUT_GRADIENT) == 1
    assert body.count(op.NORM_INPUT_GRADIENT) == 1
    assert body.count(op.CONV_UPDATE) == 2
    every = codes_of(RESIDUAL, whole(RESIDUAL))
    assert every.count(op.CONV_INPUT_GRADIENT) == 3  # none for the images themselves
    assert every.count(op.CONV_UPDATE) == 4


def test_cost_of_a_convolution_counted_by_hand():
    """5x7 images: outputs 3x4 of 5 channels in 16 lanes, 6 taps of 3 channels."""
    network = Network(
        [Conv2D(3, 1), Conv2D(5, (3, 2), 2), Flatten(), Dense(2)], (5, 7, 1)
    )
    forward = 35 * 1 * 16 + 12 * 18 * 16 + 60 * 16
    conv = network.tensors_of(1)
    start, bias = conv[0].offset, conv[1].offset
    two_rows = Block(start, start + 32)
    dense = 60 * 16
    own = 12 * 2 * 16
    assert step_cost(network, two_rows) == forward + dense + own
    # Below it an input pixel sees two of the six taps on average.
    below = Block(0, start)
    backward = 35 * 2 * 16 * 5
    first = 16 * 35 + 16
    assert step_cost(network, below) == forward + dense + backward + first
    assert step_cost(network, Block(bias, bias + 16)) == forward + dense + 16


def test_pooling_that_is_fused_leaves_rows_out_of_the_cost():
    """Pooling drops the last row and column of 5x7 outputs."""
    alone = Network([Conv2D(5, 3)], (5, 7, 1))
    pooled = Network([Conv2D(5, 3), MaxPool2D(2)], (5, 7, 1))
    nothing = Block(0, 0)
    assert step_cost(alone, nothing) == 35 * 9 * 16
    assert step_cost(pooled, nothing) == 24 * 9 * 16


def test_a_step_on_a_branch_costs_no_more_than_one_on_both():
    body, short = block_of(RESIDUAL, "1.0", "1.2"), block_of(RESIDUAL, "1.shortcut.0")
    both = Block(body.start, short.stop)
    costs = [step_cost(RESIDUAL, b) for b in (short, body, both, whole(RESIDUAL))]
    assert costs == sorted(costs) and len(set(costs)) == 4


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 6, 7, 20])
@pytest.mark.parametrize("make", [resnet8, lenet5, lambda: RESIDUAL])
def test_partition_of_networks_for_images(make, parts):
    network = make()
    blocks = partition(network, parts)
    assert len(blocks) == parts
    assert [b.start for b in blocks] == [0, *(b.stop for b in blocks[:-1])]
    assert blocks[-1].stop == network.size and all(b.start < b.stop for b in blocks)
    for tensor in network.tensors:
        owned = [r for b in blocks for r in range(*tensor.rows_in(*b))]
        assert owned == list(range(tensor.rows))
    if parts > 1:
        worst = max(step_cost(network, b) for b in blocks)
        assert worst < step_cost(network, whole(network))


# Ready networks -----------------------------------------------------------------------


def test_small_convnet():
    network = small_convnet()
    assert network.input_shape == (28, 28, 1) and network.output_shape == (10,)
    convolutions = 16 * (9 + 1) + 32 * (9 * 16 + 1)
    assert network.n_parameters == convolutions + 128 * (7 * 7 * 32 + 1) + 10 * 129
    assert len(network.stages) == 5  # two convolutions with pooling, two dense layers
    colour = small_convnet((32, 32, 3), 100)
    assert colour.output_shape == (100,)
    convolutions = 16 * (27 + 1) + 32 * (9 * 16 + 1)
    assert colour.n_parameters == convolutions + 128 * (8 * 8 * 32 + 1) + 100 * 129


def test_lenet5():
    """The number that is usually given."""
    network = lenet5()
    assert network.input_shape == (28, 28, 1) and network.output_shape == (10,)
    assert network.n_parameters == 61_706
    assert lenet5((12, 12, 3), 4).output_shape == (4,)
    with pytest.raises(ValueError, match=r"layer 3 \(MaxPool2D.*\(1, 1, 16\)"):
        lenet5((11, 11, 1))


def test_resnet8():
    """Two convolutions in each of three blocks, one before, and the dense layer."""
    network = resnet8()
    assert network.input_shape == (32, 32, 3) and network.output_shape == (10,)
    weights = 9 * (3 * 16 + 2 * 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    shortcuts = 16 * 32 + 32 * 64
    norms = 2 * (16 * 3 + 32 * 3 + 64 * 3)
    assert network.n_parameters == weights + shortcuts + norms + 10 * 65
    images = [s.shape for s in network.stages if isinstance(s.layer, Add)]
    assert images == [(32, 32, 16), (16, 16, 32), (8, 8, 64)]
    assert resnet8((9, 8, 1), 3).output_shape == (3,)
