"""Plans: what is refused when one is made or lowered, and how one reads."""

import numpy as np
import pytest

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.lowering import lower_plans
from hogblock.kernels.cuda.layout import Layout
from hogblock.kernels.cuda.lowering import lower_plan
from hogblock.models import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    LeakyReLU,
    MaxPool2D,
    Network,
    ReLU,
)
from hogblock.models.blocks import partition
from hogblock.models.layers import Layer
from hogblock.models.plan import make_plan
from support.random_networks import random_image_network, random_network


class Emits(Layer):
    """A layer from outside the package that emits one row, given as it is."""

    def __init__(self, code, **columns):
        self.code, self.columns = code, columns

    def __repr__(self):
        return "Emits()"

    def forward(self, slot):
        slot.emit(self.code, **self.columns)

    def backward(self, slot):
        """Nothing."""


@pytest.fixture
def unheard_of(monkeypatch):
    """An operation that is declared, and that no backend has a kernel for."""
    monkeypatch.setattr(op, "OPERATIONS", dict(op.OPERATIONS))
    return op.operation("UNHEARD_OF", op.FORWARD, reads="x", writes="y")


def plan_of(layer):
    return make_plan(Network([Dense(3), layer], (4,)), 5, "squared_error")


@pytest.mark.parametrize(
    ("code", "columns", "message"),
    [
        (4000, {}, "operation 4000 is unknown"),
        (op.NORM_FORWARD, {"kind": 0}, "operation NORM_FORWARD needs column "),
        (op.ACTIVATION_FORWARD, {"kind": 0}, "ACTIVATION_FORWARD needs column slope"),
        (
            op.ACTIVATION_FORWARD,
            {"kind": 0, "slope": 1, "groups": 2},
            "operation ACTIVATION_FORWARD has no column groups",
        ),
        (
            op.ACTIVATION_FORWARD,
            {"kind": 0, "slope": 1, "colour": 2},
            "operation ACTIVATION_FORWARD has no column colour",
        ),
    ],
)
def test_a_wrong_row_names_its_layer(code, columns, message):
    with pytest.raises(ValueError, match=r"^layer 1 \(Emits\(\)\): .*" + message):
        plan_of(Emits(code, **columns))


def test_an_operation_without_a_kernel_names_its_layer(unheard_of):
    plan = plan_of(Emits(unheard_of))
    told = r"operation UNHEARD_OF of layer 1 \(Emits\(\)\) has no {} kernel"
    with pytest.raises(ValueError, match=told.format("CPU")):
        lower_plans([plan])
    with pytest.raises(ValueError, match=told.format("CUDA")):
        lower_plan(plan, Layout(plan.work_size, 5, 1, 32))


def test_codes_of_a_pass_follow_each_other(unheard_of):
    passes = [op.OPERATIONS[code].part_of for code in sorted(op.OPERATIONS)]
    assert passes == sorted(passes)
    assert op.OPERATIONS[unheard_of].part_of == op.FORWARD
    updates = [o for o in op.OPERATIONS.values() if o.part_of == op.UPDATE]
    assert min(o.code for o in updates) == op.FIRST_UPDATE


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_space_of_a_cpu_lies_behind_the_plans_and_in_one_place(make, seed):
    """Some of it has borders of zeros that nobody writes again."""
    network = make(np.random.default_rng(seed))
    blocks = partition(network, min(3, len(network.tensors)))
    plans = [make_plan(network, 6, "softmax", block) for block in (None, *blocks)]
    lowered = lower_plans(plans)
    places = {}
    for plan, before in zip(lowered.plans, plans, strict=True):
        for row, plain in zip(plan.ops, before.ops, strict=True):
            np.testing.assert_array_equal(row[: op.OP_WIDTH], plain)
            own = row[op.OP_WIDTH :]
            key = tuple(plain[[op.CODE, op.Y, op.W]])
            offsets = own[own >= before.work_size]
            assert (offsets < lowered.work_size).all()
            np.testing.assert_array_equal(own, places.setdefault(key, own))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_updated_ranges_are_those_of_the_block(make, seed):
    network = make(np.random.default_rng(seed))
    for block in partition(network, min(3, len(network.tensors))):
        expected = [
            (
                t.offset + first * t.stride,
                (end - first) * t.stride,
                int(t.decays),
            )
            for t in network.tensors
            for first, end in [t.rows_in(*block)]
            if first < end
        ]
        plan = make_plan(network, 3, "softmax", block)
        assert [tuple(r) for r in plan.updated.tolist()] == expected


@pytest.mark.parametrize("missing", ["forward", "backward"])
def test_a_layer_that_lacks_a_pass_is_named(missing):
    def nothing(self, slot):
        pass

    given = {"forward", "backward"} - {missing}
    half = type("Half", (Layer,), dict.fromkeys(given, nothing))
    with pytest.raises(TypeError, match=f"Half has no {missing} pass"):
        plan_of(half())


def test_a_plan_says_of_what_kind_an_operation_is():
    layers = [DepthwiseConv2D(3, stride=2), LeakyReLU(0.3), Flatten(), Dense(2)]
    text = make_plan(Network(layers, (8, 8, 4)), 2, "squared_error").describe()
    assert "stride 2x2" in text and "depthwise" in text and "slope 0.3" in text


def test_a_plan_reads_well():
    layers = [Conv2D(16, 3), MaxPool2D(2), ReLU(), Flatten(), Dense(10, "tanh")]
    network = Network(layers, (28, 28, 1))
    top = partition(network, 2)[1]
    lines = make_plan(network, 8, "softmax", top).describe().splitlines()
    assert lines[0].split()[:3] == ["row", "layer", "operation"]
    assert [line.split() for line in lines[2:5]] == [
        "0 0 Conv2D CONV_FORWARD x[28,28,1], w, b -> y[14,14,16] kernel 3x3 pool 2x2 "
        "relu".split(),
        "1 4 Dense DENSE_FORWARD x[3136], w, b -> y[10] tanh".split(),
        "2 loss LOSS x[10] -> dy[10] softmax".split(),
    ]
    assert (
        lines[5].split()[3:]
        == "ACTIVATION_BACKWARD y[10], dy[10] -> dy[10] tanh".split()
    )
    start = network.tensors[2].offset
    update = (
        f"x[3136], dy[10] -> parameters {start:,} to {start + 3136 * 16 - 1:,} decays"
    )
    assert lines[6].endswith(update)
    assert "8 samples" in lines[-1]
