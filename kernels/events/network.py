"""Loss and gradient of a network as a subgradient of the event model.

The forward, loss and backward of the training step, by the same interpreter, without
its update. x is float64; the network sees it rounded to float32.
"""

import numpy as np
from numba import carray

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import space
from hogblock.kernels.cpu.gather import gather_rows
from hogblock.kernels.cpu.interpreter import compute_loss, gradient_op, run_op
from hogblock.kernels.cpu.jit import exact, kernel
from hogblock.kernels.cpu.memory import doubles, floats, words
from hogblock.kernels.events.call import subgradient_of

FIELDS = (
    "x", "storage", "n_features", "n_samples", "batch", "targets",
    "weights", "n_weights",  # float32; none: all are 1
    "shift", "scale", "shift64", "n_scaled",  # of columns, see ``gather``
    "scale64", "n_wide",
    "ops", "reals", "n_forward", "n_ops", "image_op",  # the full plan, lowered
    "tensors", "n_tensors",  # int64 [n_tensors, TENSOR_WIDTH]
    "params", "gradient", "work", "zeros", "indices",  # memory
    "numbers",  # float64, see below
)  # fmt: skip
"""The int64 words at `data`: addresses and sizes."""

(
    X, STORAGE, N_FEATURES, N_SAMPLES, BATCH, TARGETS, WEIGHTS, N_WEIGHTS, SHIFT, SCALE,
    SHIFT64, N_SCALED, SCALE64, N_WIDE, OPS, REALS, N_FORWARD, N_OPS, IMAGE_OP, TENSORS,
    N_TENSORS, PARAMS, GRADIENT, WORK, ZEROS, INDICES, NUMBERS,
) = range(len(FIELDS))  # fmt: skip

OFFSET, ROWS, COLUMNS, STRIDE, DECAYS = range(5)
TENSOR_WIDTH = 5
ALPHA, LOSS_FACTOR, VALUE = range(3)
"""Of `numbers`: of the penalty; what the loss is times; the value, which is written."""
NUMBERS_WIDTH = 3


@exact
def _weight_of(weights, first, end):
    """Sum of the sample weights of rows [first, end)."""
    if weights.size == 0:
        return np.float64(end - first)
    total = 0.0
    for i in range(first, end):
        total += np.float64(weights[i])
    return total


@exact
def _take_parameters(at, params, tensors):
    """Round x to float32; padding stays zero. Returns the squares of what decays."""
    squares = 0.0
    for t in range(tensors.shape[0]):
        for i in range(tensors[t, ROWS]):
            start = tensors[t, OFFSET] + i * tensors[t, STRIDE]
            for j in range(start, start + tensors[t, COLUMNS]):
                params[j] = np.float32(at[j])
                if tensors[t, DECAYS] != 0:
                    squares += np.float64(params[j]) ** 2
    return squares


@exact
def _add_gradient(total, gradient, params, tensors, decay):
    """total += gradient + decay * params, where there is no padding."""
    for t in range(tensors.shape[0]):
        factor = decay if tensors[t, DECAYS] != 0 else 0.0
        for i in range(tensors[t, ROWS]):
            start = tensors[t, OFFSET] + i * tensors[t, STRIDE]
            for j in range(start, start + tensors[t, COLUMNS]):
                total[j] += np.float64(gradient[j]) + factor * np.float64(params[j])


@kernel
def _minibatch(w, gradient, indices, weights, first, rows, scale):
    """Loss of rows [first, first + rows), summed; its gradient, times `scale`."""
    ops = words(w[OPS], w[N_OPS] * space.ROW_WIDTH).reshape((w[N_OPS], space.ROW_WIDTH))
    reals = floats(w[REALS], w[N_OPS] * op.REAL_WIDTH).reshape(
        (w[N_OPS], op.REAL_WIDTH)
    )
    params, work, zeros = w[PARAMS], w[WORK], w[ZEROS]
    key, training, drawn = np.uint32(0), np.int64(0), np.int64(0)
    for i in range(rows):
        indices[i] = first + i
    gather_rows(
        w[X], w[STORAGE], w[N_FEATURES], indices, rows,
        floats(w[SHIFT], w[N_SCALED]), floats(w[SCALE], w[N_SCALED]),
        doubles(w[SHIFT64], w[N_SCALED]), doubles(w[SCALE64], w[N_WIDE]),
        work + 4 * ops[0, op.X], ops[0, op.X_ROW],
    )  # fmt: skip
    for k in range(w[N_FORWARD]):
        run_op(
            ops[k], reals[k], params, work, zeros, rows, training, key, drawn,
            w[IMAGE_OP],
        )  # fmt: skip
    loss_row = w[N_FORWARD]
    loss = compute_loss(
        ops[loss_row], reals[loss_row], work, w[TARGETS], indices, rows, weights, scale
    )
    for k in range(loss_row + 1, w[N_OPS]):
        if ops[k, op.CODE] < op.FIRST_UPDATE:
            run_op(
                ops[k], reals[k], params, work, zeros, rows, training, key, drawn,
                w[IMAGE_OP],
            )  # fmt: skip
        else:
            gradient_op(ops[k], work, gradient, zeros, rows, w[IMAGE_OP])
    return loss


def _network(x, n, sample, data, out):
    """Gradient of (sum_i w_i loss_i + batches alpha / 2 |W|^2) / sum_i w_i.

    Of the rows of one minibatch, where batches is 1, or of all of them, where it is how
    many minibatches have weight. data: the words of FIELDS.
    """
    w = words(data, len(FIELDS))
    at, total = carray(x, n), carray(out, n)
    params, gradient = floats(w[PARAMS], n), floats(w[GRADIENT], n)
    tensors = words(w[TENSORS], w[N_TENSORS] * TENSOR_WIDTH).reshape(
        (w[N_TENSORS], TENSOR_WIDTH)
    )
    numbers = doubles(w[NUMBERS], NUMBERS_WIDTH)
    weights, indices = floats(w[WEIGHTS], w[N_WEIGHTS]), words(w[INDICES], w[BATCH])
    n_samples, batch = w[N_SAMPLES], w[BATCH]
    begin, stop = 0, n_samples
    if sample >= 0:
        begin, stop = sample * batch, min(n_samples, (sample + 1) * batch)
    for j in range(n):
        total[j] = 0.0
    squares = _take_parameters(at, params, tensors)
    whole = _weight_of(weights, begin, stop)
    value = 0.0
    for first in range(begin, stop, batch):
        end = min(stop, first + batch)
        # With weight zero there is nothing to learn, and nothing to divide by.
        if _weight_of(weights, first, end) > 0.0:
            scale = np.float32(1.0 / whole)
            loss = _minibatch(w, gradient, indices, weights, first, end - first, scale)
            value += numbers[LOSS_FACTOR] * loss + 0.5 * numbers[ALPHA] * squares
            _add_gradient(total, gradient, params, tensors, numbers[ALPHA] / whole)
    numbers[VALUE] = value / whole if whole > 0.0 else 0.0


network = subgradient_of(_network)
