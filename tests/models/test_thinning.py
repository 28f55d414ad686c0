"""Where plans thin: behind the output layer, once, and only if something is below."""

import numpy as np
import pytest

from hogblock.kernels import ops as op
from hogblock.models import (
    Add,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
)
from hogblock.models.blocks import Block, partition
from hogblock.models.plan import make_plan
from support.naive_thinning import thinned_buffer
from support.random_networks import random_image_network, random_network

MLP = Network([Dense(7, "relu"), Dense(6), ReLU(), Dropout(0.5), Dense(3)], (5,))


def plan_of(network, block=None, thinning=0.5):
    return make_plan(network, 9, "squared_error", block, thinning)


def codes(plan):
    return plan.ops[:, op.CODE].tolist()


def thin_rows(plan):
    return [k for k, code in enumerate(codes(plan)) if code == op.THIN]


def layers_before(plan, position):
    """Layers whose backward pass runs before a row."""
    return {o.name for o in plan.origins[plan.n_forward + 1 : position]}


def test_the_output_layer_comes_before_it_and_all_others_behind():
    plan = plan_of(MLP)
    (at,) = thin_rows(plan)
    assert layers_before(plan, at) == {"4"}
    assert {o.name for o in plan.origins[at:]} == {"0", "1", "3"}
    assert plan.reals[at, op.THINNING] == np.float32(0.5)
    (gradient,) = (
        row for row in plan.ops if row[op.CODE] == op.DENSE_INPUT_GRADIENT
        and row[op.DX] == plan.ops[at, op.DY]
    )  # fmt: skip
    assert gradient[op.X_ROW] == plan.ops[at, op.Y_ROW]
    assert "THIN" in plan.describe()


def test_without_thinning_there_is_none_and_the_rest_is_the_same():
    plan, thinned = plan_of(MLP, thinning=0.0), plan_of(MLP)
    (at,) = thin_rows(thinned)
    assert thin_rows(plan) == []
    np.testing.assert_array_equal(np.delete(thinned.ops, at, axis=0), plan.ops)
    np.testing.assert_array_equal(np.delete(thinned.reals, at, axis=0), plan.reals)
    assert thinned.work_size == plan.work_size
    assert thinned.updated.tolist() == plan.updated.tolist()


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([Dense(3)], (5,)),
        ([ReLU(), Dense(3), ReLU()], (5,)),
        ([MaxPool2D(2), Conv2D(4, 2), Flatten()], (6, 6, 2)),
    ],
)
def test_one_layer_has_nothing_below(layers, shape):
    assert thin_rows(plan_of(Network(layers, shape))) == []


BRANCHES = {
    "round the last layer": [Conv2D(5, 3), Residual([Conv2D(5, 3)]), GlobalAvgPool2D()],
    "beside the last layer": [Residual([Conv2D(4, 3)], [Conv2D(4, 1)]), Flatten()],
    "from the input": [Conv2D(2, 3), Conv2D(2, 3), Add(-1), GlobalAvgPool2D()],
    "from far before": [
        *(Conv2D(5, 3), ReLU(), Conv2D(5, 3), Conv2D(5, 1), Add(1)),
        GlobalAvgPool2D(),
    ],
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches_round_the_last_layer_are_thinned_with_it(name):
    """At the loss: samples that are left out must not come by another way."""
    plan = plan_of(Network(BRANCHES[name], (6, 5, 2)))
    assert thin_rows(plan) == [plan.n_forward + 1]
    loss = plan.ops[plan.n_forward]
    assert plan.ops[plan.n_forward + 1, op.DY] == loss[op.DY]


def test_branches_below_the_last_layer_do_not_matter():
    network = Network([*BRANCHES["from far before"], Dense(3)], (6, 5, 2))
    plan = plan_of(network)
    (at,) = thin_rows(plan)
    assert layers_before(plan, at) == {"6"}


def test_a_step_on_the_output_layer_alone_has_nothing_below():
    *lower, last = partition(MLP, 3)
    assert thin_rows(plan_of(MLP, last)) == []
    for block in (*lower, Block(lower[-1].start, MLP.size)):
        plan = plan_of(MLP, block)
        (at,) = thin_rows(plan)
        assert layers_before(plan, at) == {"4"}


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_every_gradient_of_lower_layers_comes_through_it(make, seed):
    network = make(np.random.default_rng(seed))
    plan = plan_of(network)
    buffer = thinned_buffer(network)
    if buffer is None:
        assert thin_rows(plan) == []
        return
    (at,) = thin_rows(plan)
    last = max(t.layer for t in network.tensors)
    own = {t.offset for t in network.tensors if t.layer == last}
    ops = plan.ops
    before = {int(row[op.W]) for row in ops[:at] if row[op.CODE] >= op.FIRST_UPDATE}
    assert before == (own if buffer != len(network.stages) else set())
    everything = {t.offset for t in network.tensors}
    behind = {int(row[op.W]) for row in ops[at:] if row[op.CODE] >= op.FIRST_UPDATE}
    assert behind == everything - before
