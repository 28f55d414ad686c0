"""Plain NumPy float64 twins of the kernels: slow, short, and easy to check by eye.

Arrays have no padding here: x [batch, n_in], w [n_in, n_out], b [n_out].
"""

import numpy as np

from hogblock.kernels import ops as op
from hogblock.models import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    SpatialDropout2D,
)
from hogblock.models.layers.norm import Norm
from support import naive_images as images
from support.naive_formulas import (
    LOSSES,
    activation,
    activation_derivative,
    f64,
    gradient_factor,
)

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
    """New w and u (docs/method.md, section 2); g has the weight decay in it."""
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


def act_of(layer):
    """Kind and slope of the activation that ends a layer."""
    act = getattr(layer, "act", None)
    return (op.LINEAR, 1.0) if act is None else (act.code, act.slope)


def _kernel_of(layer, w):
    """Kernel of a convolution as one of a full convolution."""
    depthwise = isinstance(layer, DepthwiseConv2D)
    return images.spread_depthwise(w) if depthwise else w


def _convolve(layer, weights, x):
    """A convolution before what it pools."""
    kernel = _kernel_of(layer, weights[0])
    y = images.conv_forward(x, kernel, layer.strides, layer.padding)
    return y + weights[1] if layer.bias else y


def _before_activation(layer, weights, x, mask):
    """What a layer with one input makes of it, its activation left out."""
    if isinstance(layer, Dense):
        return x @ weights[0] + weights[1]
    if isinstance(layer, Conv2D | DepthwiseConv2D):
        y = _convolve(layer, weights, x)
        return images.max_pool_forward(y, layer._pool, layer._pool, "valid")[0]
    if isinstance(layer, MaxPool2D | AvgPool2D):
        pooling = (layer.window, layer.strides, layer.padding)
        if isinstance(layer, AvgPool2D):
            return images.avg_pool_forward(x, *pooling)
        return images.max_pool_forward(x, *pooling)[0]
    if isinstance(layer, GlobalAvgPool2D):
        return x.mean(axis=(1, 2))
    if isinstance(layer, Norm):
        pixels = images.as_pixels(x)
        y = images.norm_forward(pixels, *weights, layer.groups, layer.epsilon)
        return y.reshape(x.shape)
    if isinstance(layer, Flatten):
        return x.reshape(len(x), -1)
    if isinstance(layer, SpatialDropout2D):
        return images.spatial_dropout(x, mask)
    return x * mask if isinstance(layer, Dropout) else x


def _gradients(layer, weights, x, mask, d):
    """Gradients of x and of the weights; d is that before the activation."""
    if isinstance(layer, Dense):
        weight, bias = dense_weight_gradient(x, d), column_sums(d)
        return dense_input_gradient(d, weights[0]), [weight, bias]
    if isinstance(layer, Conv2D | DepthwiseConv2D):
        return _convolution_gradients(layer, weights, x, d)
    if isinstance(layer, MaxPool2D | AvgPool2D):
        pooling = (layer.window, layer.strides, layer.padding)
        if isinstance(layer, AvgPool2D):
            return images.avg_pool_backward(x.shape, d, *pooling), []
        where = images.max_pool_forward(x, *pooling)[1]
        return images.max_pool_backward(x.shape, d, where, *pooling), []
    if isinstance(layer, GlobalAvgPool2D):
        share = d[:, None, None, :] / (x.shape[1] * x.shape[2])
        return np.broadcast_to(share, x.shape), []
    if isinstance(layer, Norm):
        how = weights[0], layer.groups, layer.epsilon
        dx, scale = images.norm_backward(*map(images.as_pixels, (x, d)), *how)
        return dx.reshape(x.shape), [scale, d.sum(axis=tuple(range(x.ndim - 1)))]
    if isinstance(layer, Flatten):
        return d.reshape(x.shape), []
    if isinstance(layer, SpatialDropout2D):
        return images.spatial_dropout(d, mask), []
    return d * mask if isinstance(layer, Dropout) else d, []


def _convolution_gradients(layer, weights, x, d):
    y = _convolve(layer, weights, x)
    where = images.max_pool_forward(y, layer._pool, layer._pool, "valid")[1]
    d = images.max_pool_backward(y.shape, d, where, layer._pool, layer._pool, "valid")
    slide = (layer.strides, layer.padding)
    kernel = _kernel_of(layer, weights[0])
    dx = images.conv_input_gradient(x.shape, d, kernel, *slide)
    weight = images.conv_weight_gradient(x, d, layer.kernel, *slide)
    if isinstance(layer, DepthwiseConv2D):
        weight = np.einsum("uvcc->uvc", weight)
    return dx, [weight, *([d.sum(axis=(0, 1, 2))] if layer.bias else [])]


def mask_shape(stage):
    """Shape of one sample's factors in a Dropout stage."""
    spatial = isinstance(stage.layer, SpatialDropout2D)
    return stage.shape[-1:] if spatial else stage.shape


def _masks_of(network, masks):
    """The mask of each stage: that of a Dropout, or one that does nothing."""
    masks = iter(masks)
    return [
        next(masks, np.ones((1, *mask_shape(stage))))
        if isinstance(stage.layer, Dropout)
        else None
        for stage in network.stages
    ]


def _weights_of(network, position, params):
    tensors = network.tensors_of(position)
    return [t.view(params).reshape(t.shape) for t in tensors]


def network_outputs(network, params, x, masks=()):
    """The input, and the output of every stage: a list of [batch, *shape].

    masks : factors of each Dropout stage in turn, [batch, *mask_shape(stage)]; none:
    they do nothing.
    """
    params = f64(params)
    values = [f64(x).reshape(len(x), *network.input_shape)]
    factors = _masks_of(network, masks)
    for position, stage in enumerate(network.stages):
        before, *others = (values[s] for s in stage.sources)
        if others:
            values.append(activation(before + others[0], *act_of(stage.layer)))
            continue
        weights = _weights_of(network, position, params)
        v = _before_activation(stage.layer, weights, before, factors[position])
        values.append(activation(v, *act_of(stage.layer)))
    return values


def network_gradient(network, params, x, targets, loss, **how):
    """Mean loss (no penalty), and the gradient in the flat layout, padding zero.

    The gradient is of (sum_i w_i loss_i + alpha/2 |W|^2) / sum_i w_i.
    """
    return network_gradients(network, params, x, targets, loss, **how)[:2]


def network_gradients(
    network, params, x, targets, loss, *,
    weights=None, alpha=0.0, masks=(), thinned=(None, 1.0),
):  # fmt: skip
    """Likewise, and the gradient of every buffer, as it goes on from there.

    thinned : a buffer, and the factor of each sample's gradient there.
    """
    weights = np.ones(len(x)) if weights is None else f64(weights)
    total = weights.sum()
    params = f64(params)
    values = network_outputs(network, params, x, masks)
    factors = _masks_of(network, masks)
    summed, last = LOSSES[loss](values[-1], targets, weights, 1 / total)
    gradient = np.zeros(network.size)
    gradients = [np.zeros(v.shape) for v in values]
    gradients[-1] = last
    for position in reversed(range(len(network.stages))):
        if position + 1 == thinned[0]:
            gradients[position + 1] = (gradients[position + 1].T * thinned[1]).T
        stage, d = network.stages[position], gradients[position + 1]
        if len(stage.sources) == 2:
            total_of_both = sum(values[s] for s in stage.sources)
            d = d * activation_derivative(total_of_both, *act_of(stage.layer))
            for source in stage.sources:
                gradients[source] = gradients[source] + d
            continue
        layer, before = stage.layer, values[stage.sources[0]]
        own, mask = _weights_of(network, position, params), factors[position]
        v = _before_activation(layer, own, before, mask)
        d = d * activation_derivative(v, *act_of(layer))
        dx, found = _gradients(layer, own, before, mask, d)
        gradients[stage.sources[0]] = gradients[stage.sources[0]] + dx
        for tensor, g in zip(network.tensors_of(position), found, strict=True):
            decay = alpha / total * tensor.view(params) if tensor.decays else 0.0
            tensor.view(gradient)[:] = g.reshape(tensor.rows, tensor.columns) + decay
    return summed / total, gradient, gradients


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


def decaying(network, params):
    """The parameters that the L2 penalty is of; zero elsewhere."""
    vector = np.zeros(network.size)
    for tensor in network.tensors:
        if tensor.decays:
            tensor.view(vector)[:] = tensor.view(params)
    return vector


def train_network(network, params, x, targets, loss, *, batch, epochs, rate, momentum,
                  nesterov, alpha, weights=None, largest=np.inf):  # fmt: skip
    """Parameters, momentum and losses after minibatches in order."""
    w, u = f64(params), np.zeros(network.size)
    weights = np.ones(len(x)) if weights is None else weights
    losses = []
    for _ in range(epochs):
        summed = 0.0
        for start in range(0, len(x), batch):
            part = slice(start, start + batch)
            total = weights[part].sum()
            if total == 0:
                continue
            problem = network, w, x[part], targets[part], loss
            value, g = network_gradient(*problem, weights=weights[part])
            g *= min(1, largest / np.linalg.norm(g))
            g += alpha / total * decaying(network, w)
            summed += value * total
            w, u = method_step(w, u, g, rate=rate, m=momentum, nesterov=nesterov)
        losses.append(summed / weights.sum())
    return w, u, losses
