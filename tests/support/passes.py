"""One minibatch through the operations of a plan, driven one by one.

Dropout masks can be read this way, and the gradient vector is seen as it is.
"""

from contextlib import nullcontext

import numpy as np

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.gather import gather_rows
from hogblock.kernels.cpu.image_ops import image_op_address
from hogblock.kernels.cpu.interpreter import (
    compute_loss,
    draws_of,
    gradient_op,
    run_op,
    update_op,
)
from hogblock.kernels.cpu.lowering import lower_plans
from hogblock.models import Conv2D, DepthwiseConv2D, Dropout
from hogblock.models.plan import make_plan
from support import naive
from support.aligned import Aligned

F32 = np.float32
NONE = np.zeros(0, F32)
NONE64 = np.zeros(0)
KEY = 9


class Pass:
    """A plan with its work space, which lies between guards.

    others : plans that take turns with it in that work space.
    """

    def __init__(self, aligned, network, plan, params, rows, others=()):
        lowered = lower_plans([plan, *others])
        self.network, self.plan, self.rows = network, lowered.plans[0], rows
        self.others = lowered.plans[1:]
        self.params = aligned(params)
        self._work = aligned.zeros(lowered.work_size)
        self._zeros = aligned.zeros(lowered.zeros_size)
        self.work, self.zeros = self._work.ctypes.data, self._zeros.ctypes.data
        self.aligned = aligned

    def running(self, row):
        """Context in which an operation runs."""
        return nullcontext()

    def forward(self, x, training=True, counter=0):
        """The first `rows` samples of x, float32 of any shape.

        counter : random numbers that were drawn before.
        """
        first = self.plan.ops[0]
        gather_rows(
            x.ctypes.data, op.FLOAT32_ROWS, x[0].size, np.arange(self.rows), self.rows,
            NONE, NONE, NONE64, NONE64, self.work + 4 * first[op.X], first[op.X_ROW],
        )  # fmt: skip
        for row, reals in self._forward_rows():
            with self.running(row):
                run_op(
                    row, reals, self.params.ctypes.data, self.work, self.zeros,
                    self.rows, int(training), np.uint32(KEY), counter,
                    image_op_address(),
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
        return masks_of(self.network, self.plan, self._buffer)

    def outputs(self):
        row = self.plan.ops[self.plan.n_forward]
        return self._buffer(row[op.X], row[op.X_ROW])[:, : row[op.X_WIDTH]].copy()

    def backward(self, targets):
        """Mean loss, and a gradient vector that is NaN where nothing was written."""
        loss = self._loss(targets)
        gradient = self.aligned.zeros(self.network.size)
        gradient[:] = np.nan
        for row in self._backward_rows():
            with self.running(row):
                gradient_op(
                    row, self.work, gradient, self.zeros, self.rows, image_op_address()
                )
        return loss / self.rows, gradient

    def update(self, targets, momentum, step):
        """The fused path of the same minibatch, on ``self.params``."""
        self._loss(targets)
        gradient = self.aligned.zeros(self.network.size)
        for row in self._backward_rows():
            update_op(
                row, self.work, self.params, momentum, gradient, self.zeros, self.rows,
                step, image_op_address(),
            )  # fmt: skip

    def _loss(self, targets):
        return compute_loss(
            self.plan.ops[self.plan.n_forward], self.plan.reals[self.plan.n_forward],
            self.work, targets.ctypes.data, np.arange(self.rows), self.rows, NONE,
            F32(1 / self.rows),
        )  # fmt: skip

    def _backward_rows(self):
        """Run the backward pass; yields the operations on parameters in their turn."""
        for k in range(self.plan.n_forward + 1, len(self.plan.ops)):
            row, reals = self.plan.ops[k], self.plan.reals[k]
            if row[op.CODE] >= op.FIRST_UPDATE:
                yield row
                continue
            with self.running(row):
                run_op(
                    row, reals, self.params.ctypes.data, self.work, self.zeros,
                    self.rows, 0, np.uint32(0), 0, image_op_address(),
                )  # fmt: skip


def masks_of(network, plan, buffer):
    """What each Dropout multiplied by, from its scratch space.

    buffer : ``f(offset, row)``, a part of the work space as [rows, row].
    """
    shapes = [s.shape for s in network.stages if isinstance(s.layer, Dropout)]
    dropouts = (op.DROPOUT_FORWARD, op.SPATIAL_DROPOUT_FORWARD)
    rows = [row for row in plan.ops[: plan.n_forward] if row[op.CODE] in dropouts]
    return [_mask(*both, buffer) for both in zip(rows, shapes, strict=True)]


def _mask(row, shape, buffer):
    mask = buffer(row[op.MASK], row[op.MASK_ROW])
    if row[op.CODE] == op.DROPOUT_FORWARD:
        mask = mask.reshape(len(mask), *shape[:-1], -1)
    return mask[..., : shape[-1]].copy()


def assert_padding_is_zero(network, vector):
    """Nothing lies between and behind the rows of the tensors."""
    inside = np.zeros(network.size, bool)
    for tensor in network.tensors:
        tensor.view(inside)[:] = True
    np.testing.assert_array_equal(vector[~inside], 0)


def random_biases(network, params, random):
    """Biases and scales away from where they start; changes `params`."""
    for tensor in network.tensors:
        if not tensor.decays:
            tensor.view(params)[:] += random.normal(
                0, 0.3, (tensor.rows, tensor.columns)
            )
    return params


def round_kernels(network, params, random):
    """Kernels and biases of convolutions of few binary digits; changes `params`.

    Their sums are exact in float32 and in float64 alike: what is equal in one is equal
    in the other, so both find the same maxima.
    """
    for position, stage in enumerate(network.stages):
        if isinstance(stage.layer, Conv2D | DepthwiseConv2D):
            for tensor in network.tensors_of(position):
                digits = random.integers(-2, 3, (tensor.rows, tensor.columns))
                spread = 2.0 ** round(np.log2(tensor.rows) / 2)
                tensor.view(params)[:] = digits / spread


def assert_same_gradient(network, found, expected):
    """float32 sums of up to some thousand terms; padding exactly zero.

    What cancels out in one tensor need not in another: a tensor's error is measured by
    the whole layer's gradient. The derivative of an activation near its bounds is small
    and no closer than float32 at 1.
    """
    for tensor in network.tensors:
        layer = network.tensors_of(tensor.layer)
        size = max(np.abs(t.view(expected)).max() for t in layer)
        np.testing.assert_allclose(
            tensor.view(found), tensor.view(expected), rtol=1e-4,
            atol=5e-6 + 1e-5 * size + 1e-7 * np.abs(expected).max(),
            err_msg=tensor.name,
        )  # fmt: skip
    assert_padding_is_zero(network, found)


def check_images(network, random, *, rows=3, batch=5, rounded=False):
    """Outputs, loss and gradient of `rows` random images against the twin.

    The work space has been used: by a whole minibatch, and to predict NaN.
    """
    params = network.initialise(np.random.RandomState(random.integers(2**31)))
    random_biases(network, params, random)
    x = random.standard_normal((batch, *network.input_shape), F32)
    if rounded:
        round_kernels(network, params, random)
        x = random.integers(-3, 4, x.shape).astype(F32) / F32(4)
    targets = random.standard_normal((batch, *network.output_shape), F32)
    aligned = Aligned()
    plan = make_plan(network, batch, "squared_error")
    run = Pass(aligned, network, plan, params, batch)
    run.forward(x)
    run.backward(targets)
    run.forward(np.full(x.shape, np.nan, F32), training=False)
    run.rows, x, targets = rows, x[-rows:].copy(), targets[:rows].copy()
    run.forward(x)
    masks = run.masks()
    outputs = naive.network_outputs(network, params, x, masks)[-1]
    size = np.abs(outputs).max()
    np.testing.assert_allclose(run.outputs(), outputs, rtol=1e-5, atol=1e-5 * size)
    loss, gradient = run.backward(targets)
    value, expected = naive.network_gradient(
        network, params, x, targets, "squared_error", masks=masks
    )
    np.testing.assert_allclose(loss, value, rtol=1e-5)
    assert_same_gradient(network, gradient, expected)
    aligned.check()
