"""Partial gradients: a plan for a block gives the full gradient restricted to it.

METHOD.md check 9. The interpreter's operations are driven one by one, so that dropout
masks can be read and the gradient vector is seen as it is.
"""

import naive
import numpy as np
import pytest

from hogblock.kernels import optable as op
from hogblock.kernels.cpu.gather import gather_rows
from hogblock.kernels.cpu.interpreter import (
    backward_op,
    compute_loss,
    draws_of,
    forward_op,
    gradient_op,
    update_op,
)
from hogblock.models import (
    Dense,
    Dropout,
    LeakyReLU,
    Network,
    ReLU,
    Sigmoid,
    Tanh,
)
from hogblock.models.blocks import Block, partition, step_cost
from hogblock.models.plan import make_plan

F32 = np.float32
NONE = np.zeros(0, F32)
KEY = 9

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
}


class Pass:
    """One minibatch through the operations of a plan."""

    def __init__(self, aligned, network, plan, params, rows):
        self.network, self.plan, self.rows = network, plan, rows
        self.params = aligned(params)
        self._work = aligned.zeros(plan.work_size)
        self._zeros = aligned.zeros(plan.zeros_size)
        self.work, self.zeros = self._work.ctypes.data, self._zeros.ctypes.data
        self.aligned = aligned

    def forward(self, x, training=True):
        first = self.plan.ops[0]
        gather_rows(
            x.ctypes.data, op.FLOAT32_ROWS, x.shape[1], np.arange(self.rows), self.rows,
            NONE, NONE, self.work + 4 * first[op.X], first[op.X_ROW],
        )  # fmt: skip
        counter = 0
        for row, reals in self._forward_rows():
            forward_op(
                row, reals, self.params.ctypes.data, self.work, self.zeros, self.rows,
                training,
                np.uint32(KEY), counter,
            )  # fmt: skip
            counter += draws_of(row, self.rows)

    def _forward_rows(self):
        n = self.plan.n_forward
        return zip(self.plan.ops[:n], self.plan.reals[:n], strict=True)

    def _buffer(self, offset, row):
        stop = offset + self.rows * row
        return self._work[offset:stop].reshape(self.rows, row)

    def masks(self):
        """What each Dropout multiplied by, from its scratch space."""
        return [
            self._buffer(row[op.SCRATCH], row[op.Y_ROW])[:, : row[op.Y_WIDTH]].copy()
            for row, _ in self._forward_rows()
            if row[op.CODE] == op.DROPOUT_FORWARD
        ]

    def outputs(self):
        row = self.plan.ops[self.plan.n_forward]
        return self._buffer(row[op.X], row[op.X_ROW])[:, : row[op.X_WIDTH]]

    def backward(self, labels):
        """Mean loss, and a gradient vector that is NaN where nothing was written."""
        plan = self.plan
        loss = compute_loss(
            plan.ops[plan.n_forward], self.work, labels.ctypes.data,
            np.arange(self.rows), self.rows, NONE, F32(1 / self.rows),
        )  # fmt: skip
        gradient = self.aligned.zeros(self.network.size)
        gradient[:] = np.nan
        for k in range(plan.n_forward + 1, len(plan.ops)):
            row, reals = plan.ops[k], plan.reals[k]
            if row[op.CODE] >= op.FIRST_UPDATE:
                gradient_op(row, self.work, gradient, self.zeros, self.rows)
                continue
            backward_op(
                row, reals, self.params.ctypes.data, self.work, self.zeros, self.rows
            )
        return loss / self.rows, gradient

    def update(self, labels, momentum, step):
        """The fused path of the same minibatch, on ``self.params``."""
        plan = self.plan
        compute_loss(
            plan.ops[plan.n_forward], self.work, labels.ctypes.data,
            np.arange(self.rows), self.rows, NONE, F32(1 / self.rows),
        )  # fmt: skip
        gradient = self.aligned.zeros(self.network.size)
        for k in range(plan.n_forward + 1, len(plan.ops)):
            row, reals = plan.ops[k], plan.reals[k]
            if row[op.CODE] >= op.FIRST_UPDATE:
                update_op(
                    row, self.work, self.params, momentum, gradient, self.zeros,
                    self.rows, step,
                )  # fmt: skip
                continue
            backward_op(
                row, reals, self.params.ctypes.data, self.work, self.zeros, self.rows
            )


def blocks_of(network):
    """Every layer, every run of layers, and cuts inside tensors."""
    starts = [network.tensors_of(t.layer)[0].offset for t in network.tensors]
    ends = sorted({*starts, network.size})
    for i, start in enumerate(ends):
        yield from (Block(start, stop) for stop in ends[i + 1 :])
    rows = sum(t.rows for t in network.tensors)
    for parts in (2, 5, rows // 2, rows):
        yield from partition(network, parts)


@pytest.fixture(params=NETWORKS)
def problem(request, random):
    network = NETWORKS[request.param]
    params = network.initialise(np.random.RandomState(3))
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


def test_gradient_of_a_block_is_the_full_gradient_restricted_to_it(aligned, problem):
    network, params, x, labels = problem
    full = Pass(aligned, network, make_plan(network, 9, "softmax"), params, 9)
    full.forward(x)
    _, whole = full.backward(labels)
    for block in blocks_of(network):
        plan = make_plan(network, 9, "softmax", block)
        part = Pass(aligned, network, plan, params, 9)
        part.forward(x)
        _, gradient = part.backward(labels)
        inside = np.zeros(network.size, bool)
        for start, length, _ in plan.tensors:
            inside[start : start + length] = True
        assert inside.sum() == block.stop - block.start
        assert inside[block.start : block.stop].all()
        # The kernels sum in the same order: bit for bit, and nothing else is written.
        np.testing.assert_array_equal(gradient[inside], whole[inside])
        assert np.isnan(gradient[~inside]).all()


def test_update_of_a_block_is_the_step_of_its_gradient(aligned, problem):
    network, params, x, labels = problem
    step = F32([0.9, 0.1, 0.2, 0.3])
    for block in partition(network, 5):
        plan = make_plan(network, 9, "softmax", block)
        run = Pass(aligned, network, plan, params, 9)
        run.forward(x)
        _, g = run.backward(labels)
        again = Pass(aligned, network, plan, params, 9)
        momentum = aligned.zeros(network.size)
        momentum[:] = 0.01
        again.forward(x)
        again.update(labels, momentum, step)
        w, u = naive.f64(params), np.full(network.size, F32(0.01), float)
        for start, length, decays in plan.tensors:
            part = slice(start, start + length)
            m, decay, along_g, along_u = naive.f64(step)
            moved, u[part] = naive.momentum_step(
                g[part], w[part], u[part], m, decay * decays, along_g, along_u
            )
            w[part] -= moved
        outside = np.r_[0 : block.start, block.stop : network.size]
        np.testing.assert_array_equal(again.params[outside], params[outside])
        np.testing.assert_allclose(again.params, w, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(momentum, u, rtol=1e-5, atol=1e-6)


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
