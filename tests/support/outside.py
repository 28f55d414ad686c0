"""What somebody adds from outside: an activation, a loss, a layer of its own kernels.

``register`` puts their rows into the tables. The kernels that switch by these tables
compile what stands in them, so it has to be called before anything runs.
"""

import math
from dataclasses import dataclass

import numpy as np

from hogblock.kernels import ops as op
from hogblock.models import activations, losses
from hogblock.models.layers import Layer, Parameter

SOFTSIGN = max(code for code in activations.codes() if code < op.FROM_INPUT) + 1
LOG_COSH = max(known.code for known in losses.LOSSES.values()) + 1

# Y = W * X, a factor a feature
GATE_FORWARD = op.operation("GATE_FORWARD", op.FORWARD, reads="x w", writes="y")
# DX = W * DY
GATE_INPUT_GRADIENT = op.operation(
    "GATE_INPUT_GRADIENT", op.BACKWARD, reads="dy w", writes="dx"
)
# SUMS = X * DY, of which the gradient of W is the sum over samples
GATE_PRODUCTS = op.operation("GATE_PRODUCTS", op.BACKWARD, reads="x dy", writes="sums")


@dataclass(frozen=True)
class Gate(Layer):
    """Multiplies each feature by a factor that it learns."""

    def parameters(self, shape):
        return [Parameter("scale", 1, *shape, False, "ones", (1, 1), 1.0, shape)]

    def forward(self, slot):
        slot.emit(GATE_FORWARD)

    def backward(self, slot):
        row = slot.y.row
        products = slot.reserve("products", row * slot.batch_rows)
        slot.emit(GATE_PRODUCTS, sums=products, out_pixel=row)
        if slot.needs_dx:
            slot.emit(GATE_INPUT_GRADIENT)
        slot.update(op.BIAS_UPDATE, slot.tensors[0], dy=products)


class LogCosh(losses.RegressionLoss):
    """log(cosh(z - t))."""

    name = "log_cosh"
    code = LOG_COSH


def register():
    """All rows, of the models and of both backends."""
    activations.ACTIVATIONS["softsign"] = activations.Activation(SOFTSIGN)
    losses.LOSSES["log_cosh"] = LogCosh()
    _register_cpu()
    _register_cuda()


def _register_cpu():
    from hogblock.kernels.cpu import activation, elementwise, loss
    from hogblock.kernels.cpu.call import buffer, parameters
    from hogblock.kernels.cpu.jit import kernel, part
    from hogblock.kernels.cpu.memory import floats

    def size(vb, x):
        return vb.builder.select(
            vb.builder.fcmp_ordered(">", x, vb.constant(0.0)), x, vb.builder.fneg(x)
        )

    def softsign(vb, x, slope):
        b = vb.builder
        return b.fdiv(x, b.fadd(vb.constant(1.0), size(vb, x)))

    def softsign_backward(vb, y, d, slope):
        b = vb.builder
        rest = b.fsub(vb.constant(1.0), size(vb, y))
        return b.fmul(d, b.fmul(rest, rest))

    @kernel
    def log_cosh(
        z, dz, z_row, n_out, targets, indices, rows, weights, scale, parameter
    ):  # fmt: skip
        total = 0.0
        for i in range(rows):
            outputs = floats(z + 4 * i * z_row, z_row)
            out = floats(dz + 4 * i * z_row, z_row)
            index = indices[i]
            wanted = floats(targets + 4 * index * n_out, n_out)
            weight = np.float32(1) if weights.size == 0 else weights[index]
            out[:] = 0
            for j in range(n_out):
                difference = outputs[j] - wanted[j]
                total += weight * math.log(math.cosh(difference)) / n_out
                out[j] = math.tanh(difference) * weight * scale
        return total

    @kernel
    def multiply(a, a_row, b, b_row, out, out_row, rows):
        """out = a * b, row by row; b_row 0: one row for all."""
        for i in range(rows):
            left, right = floats(a + 4 * i * a_row, a_row), floats(b, a_row)
            if b_row:
                right = floats(b + 4 * i * b_row, b_row)
            target = floats(out + 4 * i * out_row, out_row)
            for j in range(out_row):
                target[j] = left[j] * right[j]

    @part
    def gate_forward(call):
        multiply(
            buffer(call, op.X), call.row[op.X_ROW], parameters(call, op.W), 0,
            buffer(call, op.Y), call.row[op.Y_ROW], call.rows,
        )  # fmt: skip

    @part
    def gate_input_gradient(call):
        multiply(
            buffer(call, op.DY), call.row[op.Y_ROW], parameters(call, op.W), 0,
            buffer(call, op.DX), call.row[op.X_ROW], call.rows,
        )  # fmt: skip

    @part
    def gate_products(call):
        multiply(
            buffer(call, op.X), call.row[op.X_ROW], buffer(call, op.DY),
            call.row[op.Y_ROW], buffer(call, op.SUMS), call.row[op.OUT_PIXEL],
            call.rows,
        )  # fmt: skip

    formula = activation.Formula(softsign, softsign_backward)
    for table in (activation.FORMULAS, activation.FUSED):
        table[SOFTSIGN] = formula
    loss.KERNELS[LOG_COSH] = log_cosh
    elementwise.OPERATIONS.update(
        {
            GATE_FORWARD: gate_forward,
            GATE_INPUT_GRADIENT: gate_input_gradient,
            GATE_PRODUCTS: gate_products,
        }
    )


def _register_cuda():
    from numba import float32

    from hogblock.kernels.cuda import activation, loss
    from hogblock.kernels.cuda.choice import make_choice
    from hogblock.kernels.cuda.integers import quotient
    from hogblock.kernels.cuda.jit import part
    from hogblock.kernels.cuda.memory import float_of, read
    from hogblock.kernels.cuda.plain import Plain

    @part
    def softsign(x, slope):
        return float32(x / float32(float32(1) + abs(x)))

    @part
    def softsign_derivative(y, slope):
        rest = float32(float32(1) - abs(y))
        return float32(rest * rest)

    @part
    def log_cosh(run, team, z, dz, n_out, index, factor, parameter):
        work, target = team.work, index * n_out
        total = float32(0)
        for j in range(n_out):
            difference = float32(work[z + j] - float_of(run.targets[target + j]))
            total = float32(total + math.log(math.cosh(difference)))
            work[dz + j] = float32(float32(math.tanh(difference)) * factor)
        return float32(total / float32(n_out))

    @part
    def factor(run, team, p, e):
        table = run.table
        row = table[p + op.Y_ROW]
        return read(team.reads, table[p + op.W] + e - quotient(e, row) * row)

    @part
    def gate_forward(run, team, p, e):
        table, work = run.table, team.work
        value = float32(work[table[p + op.X] + e] * factor(run, team, p, e))
        work[table[p + op.Y] + e] = value

    @part
    def gate_input_gradient(run, team, p, e):
        table, work = run.table, team.work
        value = float32(work[table[p + op.DY] + e] * factor(run, team, p, e))
        work[table[p + op.DX] + e] = value

    @part
    def gate_products(run, team, p, e):
        table, work = run.table, team.work
        value = float32(work[table[p + op.X] + e] * work[table[p + op.DY] + e])
        work[table[p + op.SUMS] + e] = value

    formulas, fused = activation.FORMULAS, activation._FUSED
    formulas[SOFTSIGN] = fused[SOFTSIGN] = activation.Formula(
        softsign, softsign_derivative
    )
    loss.KERNELS[LOG_COSH] = log_cosh
    # Made from the tables when the package was imported, and then taken by name.
    for attribute, table in (("forward", formulas), ("fused_forward", fused)):
        chosen = {code: formula.forward for code, formula in table.items()}
        setattr(activation, attribute, make_choice(chosen))
    for attribute, table in (("derivative", formulas), ("fused_derivative", fused)):
        chosen = {code: formula.derivative for code, formula in table.items()}
        setattr(activation, attribute, make_choice(chosen))
    loss._loss_of = make_choice(loss.KERNELS)
    from hogblock.kernels.cuda import elementwise

    rows = {
        GATE_FORWARD: gate_forward,
        GATE_INPUT_GRADIENT: gate_input_gradient,
        GATE_PRODUCTS: gate_products,
    }
    for code, body in rows.items():
        elementwise.PLAIN[code] = Plain(elementwise.for_elements(body))
