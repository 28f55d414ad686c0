"""Plain NumPy float64 twins of the kernels: slow, short, and easy to check by eye.

Arrays have no padding here: x [batch, n_in], w [n_in, n_out], b [n_out].
"""

import numpy as np

from hogblock.kernels import optable as op
from hogblock.models import Dense, Dropout


def f64(array):
    """A float64 copy."""
    return np.array(array, np.float64)


# Dense layer --------------------------------------------------------------------------


def dense_forward(x, w, b, kind, slope):
    """act(x w + b)."""
    return activation(f64(x) @ f64(w) + f64(b), kind, slope)


def dense_weight_gradient(x, dy):
    """x^T dy."""
    return f64(x).T @ f64(dy)


def dense_input_gradient(dy, w):
    """dy w^T."""
    return f64(dy) @ f64(w).T


# Activations --------------------------------------------------------------------------


def logistic(x):
    """1 / (1 + e**-x) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1 / (1 + e), e / (1 + e))


def activation(x, kind, slope):
    """act(x)."""
    x = f64(x)
    if kind == op.TANH:
        return np.tanh(x)
    if kind == op.LOGISTIC:
        return logistic(x)
    return np.where(x > 0, x, slope * x)


def activation_derivative(x, kind, slope):
    """act'(x), in terms of x; `slope` at a kink."""
    x = f64(x)
    if kind == op.TANH:
        return 1 - np.tanh(x) ** 2
    if kind == op.LOGISTIC:
        return logistic(x) * (1 - logistic(x))
    return np.where(x > 0, 1.0, slope)


# Losses: each returns sum_i w_i loss_i, and the gradient times w_i * scale ------------


def softmax_cross_entropy(z, labels, weights, scale):
    """loss_i = -log softmax(z_i)[label_i]."""
    z = f64(z)
    rows = np.arange(len(z))
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dz = np.exp(log_p)
    dz[rows, labels] -= 1
    return -(weights * log_p[rows, labels]).sum(), dz * (weights * scale)[:, None]


def logistic_cross_entropy(z, targets, weights, scale):
    """loss_i = sum_j log(1 + e**z_ij) - t_ij z_ij."""
    z, targets = f64(z), f64(targets)
    losses = (np.logaddexp(0, z) - targets * z).sum(axis=1)
    return (weights * losses).sum(), (logistic(z) - targets) * (weights * scale)[
        :, None
    ]


def squared_error(z, targets, weights, scale):
    """loss_i = mean_j (z_ij - t_ij)^2 / 2; the gradient is that of the sum over j."""
    difference = f64(z) - f64(targets)
    losses = (difference**2).mean(axis=1) / 2
    return (weights * losses).sum(), difference * (weights * scale)[:, None]


LOSSES = {
    "softmax": softmax_cross_entropy,
    "logistic": logistic_cross_entropy,
    "squared_error": squared_error,
}


def gradient_factor(loss, n_out):
    """What a loss is times, in the function whose gradient the kernels return."""
    return n_out if loss == "squared_error" else 1


# Updates ------------------------------------------------------------------------------


def column_sums(dy):
    """Gradient of a bias."""
    return f64(dy).sum(axis=0)


def momentum_step(g, w, u, m, decay, along_g, along_u):
    """The step to subtract, and the new momentum: what the kernels are told to do."""
    g = f64(g) + decay * f64(w)
    u = m * f64(u) + g
    return along_g * g + along_u * u, u


def method_step(w, u, g, *, rate, m=0.0, nesterov=False):
    """METHOD.md section 2: new w, new u; g has the weight decay in it."""
    u = m * f64(u) + g
    s = g + m * u if nesterov else u
    return f64(w) - rate * s, u


# Data ---------------------------------------------------------------------------------


def gather_rows(x, indices, shift=None, scale=None):
    """(x[indices] - shift) * scale."""
    rows = f64(x[indices])
    return rows if shift is None else (rows - f64(shift)) * f64(scale)


def column_moments(x, weights, origin):
    """Sum of weights; sums of w d and w d^2, and min and max of d, d = x - origin."""
    w = np.ones(len(x)) if weights is None else f64(weights)
    d = f64(x) - origin
    used = d[w > 0]
    return w.sum(), np.array(
        [w @ d, w @ d**2, used.min(axis=0, initial=np.inf)]
        + [used.max(axis=0, initial=-np.inf)]
    )


# Augmentation: images [height, width, channels] ---------------------------------------


def shift_image(image, down, right):
    """The image moved, zeros where it was not."""
    height, width, _ = image.shape
    moved = np.zeros_like(image)
    for r in range(height):
        for q in range(width):
            if 0 <= r - down < height and 0 <= q - right < width:
                moved[r, q] = image[r - down, q - right]
    return moved


def blank_square(image, top, left, side):
    """Zeros in a square, as far as it lies inside."""
    blanked = image.copy()
    blanked[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0
    return blanked


# A whole network ----------------------------------------------------------------------


def network_outputs(network, params, x, masks=()):
    """Values before every stage, and after the last: a list of [batch, width].

    masks : factors [batch, width] of each Dropout stage in turn; none: they do nothing.
    """
    params, masks = f64(params), iter(masks)
    values = [f64(x)]
    for position, stage in enumerate(s.layer for s in network.stages):
        before = values[-1]
        if isinstance(stage, Dense):
            w, b = (t.view(params) for t in network.tensors_of(position))
            act = stage.act
            values.append(dense_forward(before, w, b[0], act.kind, act.slope))
        elif isinstance(stage, Dropout):
            values.append(before * next(masks, 1.0))
        else:
            values.append(activation(before, stage.act.kind, stage.act.slope))
    return values


def network_gradient(
    network, params, x, targets, loss, *, weights=None, alpha=0.0, masks=()
):
    """Mean loss (no penalty), and the gradient in the flat layout, padding zero.

    The gradient is of (sum_i w_i loss_i + alpha/2 |W|^2) / sum_i w_i.
    """
    weights = np.ones(len(x)) if weights is None else f64(weights)
    total = weights.sum()
    params = f64(params)
    values = network_outputs(network, params, x, masks)
    summed, d = LOSSES[loss](values[-1], targets, weights, 1 / total)
    gradient = np.zeros(network.size)
    masks = list(masks)
    for position in reversed(range(len(network.stages))):
        stage, before = network.stages[position].layer, values[position]
        if isinstance(stage, Dense):
            weight, bias = network.tensors_of(position)
            w, b = weight.view(params), bias.view(params)
            act = stage.act
            d = d * activation_derivative(before @ w + b[0], act.kind, act.slope)
            decay = alpha / total * w
            weight.view(gradient)[:] = dense_weight_gradient(before, d) + decay
            bias.view(gradient)[:] = column_sums(d)
            d = dense_input_gradient(d, w)
        elif isinstance(stage, Dropout):
            d = d * (masks.pop() if masks else 1.0)
        else:
            d = d * activation_derivative(before, stage.act.kind, stage.act.slope)
    return summed / total, gradient


def network_objective(
    network, params, x, targets, loss, *, weights=None, alpha=0.0, masks=()
):
    """The function whose gradient `network_gradient` returns."""
    weights = np.ones(len(x)) if weights is None else f64(weights)
    z = network_outputs(network, params, x, masks)[-1]
    summed, _ = LOSSES[loss](z, targets, weights, 1.0)
    penalty = sum((t.view(f64(params)) ** 2).sum() for t in network.tensors if t.decays)
    value = gradient_factor(loss, z.shape[1]) * summed + alpha / 2 * penalty
    return value / weights.sum()
