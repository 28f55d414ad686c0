"""Losses: value, and gradient with respect to the network's raw outputs z.

Shapes: z and dz [rows, z_row] (addresses); targets of sample ``indices[i]``; sample
weights float32 [n_samples] or empty. dz is multiplied by w_i * scale, padding columns
get zero. Each returns sum_i w_i loss_i as a float64.

To add one, give it a code in ``kernels.ops``, a kernel here, one in
``kernels.cuda.loss`` and a class in ``models.losses``.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hogblock.kernels import ops as op
from hogblock.kernels.cpu.elementwise import exp_line
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats, ints
from hogblock.kernels.ops import LINE

ZERO = np.float32(0)
ONE = np.float32(1)
HALF = np.float32(0.5)


@kernel
def softmax_cross_entropy(
    z, dz, z_row, n_out, targets, indices, rows, weights, scale, smoothing
):  # fmt: skip
    """loss_i = -sum_j q_ij log softmax(z_i)[j]; targets: address of int32 classes.

    q_ij is smoothing / n_out, and for j = target_i 1 - smoothing more.
    """
    total = 0.0
    spread = smoothing / np.float32(n_out)
    for i in range(rows):
        logits = floats(z + 4 * i * z_row, z_row)
        out = floats(dz + 4 * i * z_row, z_row)
        index = indices[i]
        label = ints(targets + 4 * index, 1)[0]
        weight = ONE if weights.size == 0 else weights[index]
        top = logits[0]
        for j in range(1, n_out):
            if logits[j] > top:
                top = logits[j]
        for j in range(0, n_out, LINE):
            exp_line(z + 4 * (i * z_row + j), dz + 4 * (i * z_row + j), top)
        norm = ZERO
        for j in range(n_out):
            norm += out[j]
        wanted = logits[label]
        if smoothing > ZERO:
            mean = ZERO
            for j in range(n_out):
                mean += logits[j]
            wanted += spread * mean - smoothing * wanted
        total += np.float64(weight * (math.log(norm) + top - wanted))
        factor = weight * scale
        over = factor / norm
        for j in range(n_out):
            out[j] *= over
        out[label] -= factor
        if smoothing > ZERO:
            for j in range(n_out):
                out[j] -= spread * factor
            out[label] += smoothing * factor
        for j in range(n_out, z_row):
            out[j] = ZERO
    return total


@kernel
def logistic_cross_entropy(
    z, dz, z_row, n_out, targets, indices, rows, weights, scale, smoothing
):  # fmt: skip
    """loss_i = sum_j of the cross-entropy of logistic(z_ij).

    Binary (n_out = 1) and multi-label classification; targets float32 [n, n_out], which
    are moved to 1/2 by `smoothing`.
    """
    total = 0.0
    keep, spread = ONE - smoothing, HALF * smoothing
    for i in range(rows):
        logits = floats(z + 4 * i * z_row, z_row)
        out = floats(dz + 4 * i * z_row, z_row)
        index = indices[i]
        wanted = floats(targets + 4 * index * n_out, n_out)
        weight = ONE if weights.size == 0 else weights[index]
        factor = weight * scale
        loss = ZERO
        for j in range(n_out):
            v = logits[j]
            e = math.exp(-abs(v))
            probability = ONE / (ONE + e) if v > ZERO else e / (ONE + e)
            target = keep * wanted[j] + spread
            loss += max(v, ZERO) - v * target + math.log(ONE + e)
            out[j] = (probability - target) * factor
        for j in range(n_out, z_row):
            out[j] = ZERO
        total += np.float64(weight * loss)
    return total


@kernel
def squared_error(
    z, dz, z_row, n_out, targets, indices, rows, weights, scale, parameter
):  # fmt: skip
    """loss_i = mean_j (z_ij - t_ij)^2 / 2; targets float32 [n, n_out].

    The gradient is z - t, not (z - t) / n_out: scikit-learn's convention.
    """
    total = 0.0
    for i in range(rows):
        outputs = floats(z + 4 * i * z_row, z_row)
        out = floats(dz + 4 * i * z_row, z_row)
        index = indices[i]
        wanted = floats(targets + 4 * index * n_out, n_out)
        weight = ONE if weights.size == 0 else weights[index]
        factor = weight * scale
        loss = ZERO
        for j in range(n_out):
            difference = outputs[j] - wanted[j]
            loss += difference * difference
            out[j] = difference * factor
        for j in range(n_out, z_row):
            out[j] = ZERO
        total += np.float64(weight * loss) * 0.5 / n_out
    return total


@kernel
def huber(
    z, dz, z_row, n_out, targets, indices, rows, weights, scale, delta
):  # fmt: skip
    """loss_i = mean_j h(z_ij - t_ij); targets float32 [n, n_out].

    h(r) = r^2 / 2 for |r| <= delta, delta (|r| - delta / 2) beyond. Gradient as in
    `squared_error`.
    """
    total = 0.0
    for i in range(rows):
        outputs = floats(z + 4 * i * z_row, z_row)
        out = floats(dz + 4 * i * z_row, z_row)
        index = indices[i]
        wanted = floats(targets + 4 * index * n_out, n_out)
        weight = ONE if weights.size == 0 else weights[index]
        factor = weight * scale
        loss = ZERO
        for j in range(n_out):
            difference = outputs[j] - wanted[j]
            size = abs(difference)
            if size > delta:
                loss += delta * (size - HALF * delta)
                difference = delta if difference > ZERO else -delta
            else:  # a NaN too
                loss += HALF * difference * difference
            out[j] = difference * factor
        for j in range(n_out, z_row):
            out[j] = ZERO
        total += np.float64(weight * loss) / n_out
    return total


@kernel
def absolute_error(
    z, dz, z_row, n_out, targets, indices, rows, weights, scale, parameter
):  # fmt: skip
    """loss_i = mean_j |z_ij - t_ij|; targets float32 [n, n_out].

    Gradient as in `squared_error`; where z is t the subgradient is 0.
    """
    total = 0.0
    for i in range(rows):
        outputs = floats(z + 4 * i * z_row, z_row)
        out = floats(dz + 4 * i * z_row, z_row)
        index = indices[i]
        wanted = floats(targets + 4 * index * n_out, n_out)
        weight = ONE if weights.size == 0 else weights[index]
        factor = weight * scale
        loss = ZERO
        for j in range(n_out):
            difference = outputs[j] - wanted[j]
            loss += abs(difference)
            if difference > ZERO:
                difference = ONE
            elif difference < ZERO:
                difference = -ONE
            out[j] = difference * factor  # 0 and NaN as they are
        for j in range(n_out, z_row):
            out[j] = ZERO
        total += np.float64(weight * loss) / n_out
    return total


@kernel
def quantile(
    z, dz, z_row, n_out, targets, indices, rows, weights, scale, share
):  # fmt: skip
    """loss_i = mean_j of share * r where r > 0, (share - 1) * r elsewhere.

    r = t_ij - z_ij; targets float32 [n, n_out]. Gradient as in `squared_error`; where z
    is t the subgradient is 0.
    """
    total = 0.0
    for i in range(rows):
        outputs = floats(z + 4 * i * z_row, z_row)
        out = floats(dz + 4 * i * z_row, z_row)
        index = indices[i]
        wanted = floats(targets + 4 * index * n_out, n_out)
        weight = ONE if weights.size == 0 else weights[index]
        factor = weight * scale
        loss = ZERO
        for j in range(n_out):
            difference = outputs[j] - wanted[j]
            if difference > ZERO:
                loss += (ONE - share) * difference
                difference = ONE - share
            elif difference < ZERO:
                loss -= share * difference
                difference = -share
            else:  # a NaN too
                loss += difference
            out[j] = difference * factor
        for j in range(n_out, z_row):
            out[j] = ZERO
        total += np.float64(weight * loss) / n_out
    return total


@kernel
def poisson(
    z, dz, z_row, n_out, targets, indices, rows, weights, scale, parameter
):  # fmt: skip
    """loss_i = mean_j e^z_ij - t_ij z_ij; targets float32 [n, n_out], not negative.

    Gradient as in `squared_error`.
    """
    total = 0.0
    for i in range(rows):
        outputs = floats(z + 4 * i * z_row, z_row)
        out = floats(dz + 4 * i * z_row, z_row)
        index = indices[i]
        wanted = floats(targets + 4 * index * n_out, n_out)
        weight = ONE if weights.size == 0 else weights[index]
        factor = weight * scale
        loss = ZERO
        for j in range(n_out):
            mean = math.exp(outputs[j])
            loss += mean - wanted[j] * outputs[j]
            out[j] = (mean - wanted[j]) * factor
        for j in range(n_out, z_row):
            out[j] = ZERO
        total += np.float64(weight * loss) / n_out
    return total


KERNELS = {
    op.SOFTMAX_CROSS_ENTROPY: softmax_cross_entropy,
    op.LOGISTIC_CROSS_ENTROPY: logistic_cross_entropy,
    op.SQUARED_ERROR: squared_error,
    op.HUBER: huber,
    op.ABSOLUTE_ERROR: absolute_error,
    op.QUANTILE: quantile,
    op.POISSON: poisson,
}


@intrinsic
def loss_of(
    typing_context, code, z, dz, z_row, n_out, targets, indices, rows, weights, scale,
    parameter,
):  # fmt: skip
    """The loss with this code; NaN for a code without a kernel, which no plan has."""
    arguments = (
        z, dz, z_row, n_out, targets, indices, rows, weights, scale, parameter
    )  # fmt: skip
    functions = {k: typing_context.resolve_value_type(f) for k, f in KERNELS.items()}
    signatures = {
        k: typing_context.resolve_function_type(f, arguments, {})
        for k, f in functions.items()
    }

    def codegen(context, builder, sig, values):
        done = builder.append_basic_block("done")
        unknown = builder.append_basic_block("unknown")
        switch = builder.switch(values[0], unknown)
        results = {unknown: ir.Constant(ir.DoubleType(), math.nan)}
        for k, function in functions.items():
            branch = builder.append_basic_block(f"loss{k}")
            switch.add_case(ir.Constant(values[0].type, k), branch)
            builder.position_at_end(branch)
            call = context.get_function(function, signatures[k])
            result = call(builder, values[1:])
            context.add_linking_libs(getattr(call, "libs", ()))
            results[builder.block] = result
            builder.branch(done)
        builder.position_at_end(unknown)
        builder.branch(done)
        builder.position_at_end(done)
        value = builder.phi(ir.DoubleType())
        for block, result in results.items():
            value.add_incoming(result, block)
        return value

    return types.float64(code, *arguments), codegen
