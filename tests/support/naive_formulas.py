"""Activations and losses in float64, see ``support.naive``."""

from functools import partial

import numpy as np

from hogblock.kernels import ops as op


def f64(array):
    """A float64 copy."""
    return np.array(array, np.float64)


# Activations --------------------------------------------------------------------------


def logistic(x):
    """1 / (1 + e**-x) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x > 0, 1 / (1 + e), e / (1 + e))


def _gelu_parts(x):
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return np.tanh(inner), np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)


def gelu(x):
    """The tanh form."""
    return x / 2 * (1 + _gelu_parts(x)[0])


def gelu_derivative(x):
    """Its derivative."""
    t, inner_slope = _gelu_parts(x)
    return (1 + t) / 2 + x / 2 * (1 - t**2) * inner_slope


ACTIVATIONS = {  # value and derivative in terms of x; `slope` at a kink
    op.LINEAR: (
        lambda x, slope: np.where(x > 0, x, slope * x),
        lambda x, slope: np.where(x > 0, 1.0, slope),
    ),
    op.TANH: (lambda x, _: np.tanh(x), lambda x, _: 1 - np.tanh(x) ** 2),
    op.LOGISTIC: (
        lambda x, _: logistic(x),
        lambda x, _: logistic(x) * (1 - logistic(x)),
    ),
    op.GELU: (lambda x, _: gelu(x), lambda x, _: gelu_derivative(x)),
    op.SILU: (
        lambda x, _: x * logistic(x),
        lambda x, _: logistic(x) * (1 + x * logistic(-x)),
    ),
    op.ELU: (
        lambda x, slope: np.where(x > 0, x, slope * np.expm1(np.minimum(x, 0))),
        lambda x, slope: np.where(x > 0, 1.0, slope * np.exp(np.minimum(x, 0))),
    ),
    op.SOFTPLUS: (lambda x, _: np.logaddexp(0, x), lambda x, _: logistic(x)),
}


def activation(x, kind, slope):
    """act(x)."""
    return ACTIVATIONS[kind][0](f64(x), slope)


def activation_derivative(x, kind, slope):
    """act'(x), in terms of x."""
    return ACTIVATIONS[kind][1](f64(x), slope)


# Losses: each returns sum_i w_i loss_i, and the gradient times w_i * scale ------------


def softmax_cross_entropy(z, labels, weights, scale, smoothing=0.0):
    """loss_i = -sum_j q_ij log softmax(z_i)[j], q the smoothed targets."""
    z = f64(z)
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    wanted = (1 - smoothing) * np.eye(z.shape[1])[labels] + smoothing / z.shape[1]
    losses = -(wanted * log_p).sum(axis=1)
    gradient = np.exp(log_p) - wanted
    return (weights * losses).sum(), gradient * (weights * scale)[:, None]


def logistic_cross_entropy(z, targets, weights, scale, smoothing=0.0):
    """loss_i = sum_j log(1 + e**z_ij) - t_ij z_ij, t the smoothed targets."""
    z, targets = f64(z), (1 - smoothing) * f64(targets) + smoothing / 2
    losses = (np.logaddexp(0, z) - targets * z).sum(axis=1)
    return (weights * losses).sum(), (logistic(z) - targets) * (weights * scale)[
        :, None
    ]


def squared_error(z, targets, weights, scale):
    """loss_i = mean_j (z_ij - t_ij)^2 / 2; the gradient is that of the sum over j."""
    difference = f64(z) - f64(targets)
    losses = (difference**2).mean(axis=1) / 2
    return (weights * losses).sum(), difference * (weights * scale)[:, None]


def absolute_error(z, targets, weights, scale):
    """loss_i = mean_j |z_ij - t_ij|."""
    r = f64(z) - f64(targets)
    losses = np.abs(r).mean(axis=1)
    return (weights * losses).sum(), np.sign(r) * (weights * scale)[:, None]


def huber(z, targets, weights, scale, delta=1.35):
    """loss_i = mean_j of r^2 / 2, or of delta (|r| - delta / 2) where |r| > delta."""
    r = f64(z) - f64(targets)
    beyond = np.abs(r) > delta
    losses = np.where(beyond, delta * (np.abs(r) - delta / 2), r**2 / 2).mean(axis=1)
    gradient = np.where(beyond, delta * np.sign(r), r)
    return (weights * losses).sum(), gradient * (weights * scale)[:, None]


def quantile(z, targets, weights, scale, share=0.5):
    """loss_i = mean_j max(share r, (share - 1) r), r = t_ij - z_ij."""
    r = f64(targets) - f64(z)
    losses = np.maximum(share * r, (share - 1) * r).mean(axis=1)
    gradient = np.where(r == 0, 0.0, np.where(r > 0, -share, 1 - share))
    return (weights * losses).sum(), gradient * (weights * scale)[:, None]


def poisson(z, targets, weights, scale):
    """loss_i = mean_j e**z_ij - t_ij z_ij."""
    z, targets = f64(z), f64(targets)
    losses = (np.exp(z) - targets * z).mean(axis=1)
    return (weights * losses).sum(), (np.exp(z) - targets) * (weights * scale)[:, None]


LOSSES = {
    "softmax": softmax_cross_entropy,
    "logistic": logistic_cross_entropy,
    "squared_error": squared_error,
    "huber": huber,
    "absolute_error": absolute_error,
    "quantile": quantile,
    "poisson": poisson,
}


PARAMETER = {
    "softmax": "smoothing",
    "logistic": "smoothing",
    "huber": "delta",
    "quantile": "share",
}
"""Names of the parameters of those that have one."""


def twin_of(loss):
    """The twin of a ``Loss``, with its parameter."""
    twin = LOSSES[loss.name]
    if loss.name not in PARAMETER:
        return twin
    return partial(twin, **{PARAMETER[loss.name]: loss.parameter})


def gradient_factor(loss, n_out):
    """What a loss is times, in the function whose gradient the kernels return."""
    return 1 if loss in ("softmax", "logistic") else n_out
