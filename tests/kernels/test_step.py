"""Whole steps, as the engine runs them, against a float64 twin of the network.

``train`` with method sgd uses the fused path: gradients are seen in what they move.
"""

import numpy as np
import pytest

from hogblock import methods, schedules
from hogblock.engines.cpu import training
from hogblock.engines.cpu.predict import outputs_of
from hogblock.models import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GroupNorm,
    MaxPool2D,
    Network,
    Residual,
    Sigmoid,
)
from hogblock.training.scaling import Scaling
from hogblock.training.settings import Settings, TrainingData
from support import naive
from support.passes import assert_padding_is_zero
from support.random_networks import random_image_network, random_network
from support.steps import make_problem

F32 = np.float32
NONE = np.zeros(0, F32)
LOSSES = list(naive.LOSSES)


def run(network, params, x, targets, loss, *, weights=NONE, batch=None, epochs=1,
        rate=0.5, momentum=0.0, nesterov=False, alpha=0.0, shuffle=False,
        largest=None, method=None, start=None):  # fmt: skip
    batch = len(x) if batch is None else batch
    batches = -(-len(x) // batch)
    table, points = schedules.rate_table(
        schedules.Schedule(), rate, 0.5, epochs=epochs, batches=batches, samples=len(x)
    )
    settings = Settings(
        method=method or methods.SGD(), workers=1, batch=batch, epochs=epochs,
        loss=loss, rate=table, rate_points=points, momentum=momentum, nesterov=nesterov,
        shuffle=shuffle, alpha=alpha, seed=5, max_grad_norm=largest,
    )  # fmt: skip
    data = TrainingData(x, targets, weights, NONE, NONE)
    return training.train(network, data, settings, params, velocity=start)


def assert_same_gradient(found, expected):
    """float32 sums of up to some hundred terms, and the rounding of params - step."""
    np.testing.assert_allclose(
        found, expected, rtol=1e-4, atol=2e-6 + 2e-6 * np.abs(expected).max()
    )


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_one_step_applies_the_gradient_of_the_twin(make, seed):
    random = np.random.default_rng(seed)
    network = make(random)
    loss, n = LOSSES[seed % len(LOSSES)], int(random.choice([1, 3, 8, 9, 64, 65]))
    params, x, targets = make_problem(random, network, loss, n)
    value, gradient = naive.network_gradient(network, params, x, targets, loss)
    result = run(network, params, x, targets, loss, batch=n + seed % 4)
    assert_same_gradient((params - result.params) / 0.5, gradient)
    assert_padding_is_zero(network, result.params)
    assert result.losses == [pytest.approx(value, rel=1e-5, abs=1e-6)]
    assert result.steps == 1


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_gradient_of_the_twin_by_differences(make, loss, seed):
    random = np.random.default_rng(1000 + seed)
    network = make(random)
    params, x, targets = make_problem(random, network, loss, 5)
    masks = [
        (random.random((5, *naive.mask_shape(stage))) < 0.5) * 2.0
        for stage in network.stages
        if isinstance(stage.layer, Dropout)
    ]
    how = {"weights": random.uniform(0, 2, 5), "alpha": 0.3, "masks": masks}
    problem = (x, targets, loss)
    _, gradient = naive.network_gradient(network, params, *problem, **how)
    inside = np.zeros(network.size)
    for tensor in network.tensors:
        tensor.view(inside)[:] = 1
    for _ in range(3):
        direction = inside * random.standard_normal(network.size)
        step = 1e-7 * direction
        up, down = (
            naive.network_objective(network, naive.f64(params) + s, *problem, **how)
            for s in (step, -step)
        )
        numeric = (up - down) / 2e-7
        scale = np.abs(gradient * direction).sum()
        assert gradient @ direction == pytest.approx(numeric, abs=1e-6 * scale + 1e-7)


MLP = Network([Dense(17, "tanh"), Dense(9, "relu"), Dense(3)], (13,))
CONVNET = Network(
    [Conv2D(6, 3, activation="tanh"), MaxPool2D(2), DepthwiseConv2D(2), Sigmoid()]
    + [GroupNorm(3, 0.1), Residual([Conv2D(6, 2, bias=False)]), Flatten(), Dense(3)],
    (5, 6, 2),
)
HOW = {
    "plain": dict(momentum=0.0, nesterov=False, alpha=0.0),
    "decay": dict(momentum=0.0, nesterov=False, alpha=0.5),
    "momentum": dict(momentum=0.9, nesterov=False, alpha=0.0),
    "nesterov": dict(momentum=0.9, nesterov=True, alpha=0.0),
    "all": dict(momentum=0.9, nesterov=True, alpha=0.5),
    "clipped": dict(momentum=0.9, nesterov=True, alpha=0.5, largest=0.4),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("n, batch", [(16, 8), (13, 8), (9, 4), (65, 64), (5, 1)])
@pytest.mark.parametrize("network", [MLP, CONVNET], ids=["mlp", "convnet"])
def test_some_steps_with_a_short_last_minibatch(random, network, how, n, batch):
    params, x, targets = make_problem(random, network, "softmax", n)
    settings = dict(HOW[how], batch=batch, epochs=2, rate=0.1)
    result = run(network, params, x, targets, "softmax", **settings)
    w, u, losses = naive.train_network(
        network, params, x, targets, "softmax", **settings
    )
    np.testing.assert_allclose(result.params, w, rtol=1e-5, atol=5e-6)
    assert result.losses == pytest.approx(losses, rel=1e-5)
    if settings["momentum"]:
        np.testing.assert_allclose(result.velocity[0], u, rtol=1e-4, atol=2e-5)
    assert_padding_is_zero(network, result.params)
    assert_padding_is_zero(network, result.velocity[0])
    assert result.steps == 2 * -(-n // batch)


@pytest.mark.parametrize("method", ["hogwild", "atomic", "assm", "sync"])
def test_every_way_of_writing_clips_alike(random, method):
    named = {"atomic": methods.Hogwild(atomic=True), "sync": methods.Sync()}
    method = named.get(method) or methods.resolve(method)
    params, x, targets = make_problem(random, MLP, "softmax", 30)
    how = dict(batch=8, epochs=2, rate=0.1, **HOW["clipped"])
    clipped = run(MLP, params, x, targets, "softmax", method=method, **how)
    alone = run(MLP, params, x, targets, "softmax", **how)
    np.testing.assert_allclose(clipped.params, alone.params, rtol=1e-5, atol=1e-6)
    free = run(MLP, params, x, targets, "softmax", **how | {"largest": 1e6})
    assert np.abs(free.params - alone.params).max() > 1e-3


def test_a_gradient_that_is_not_finite_is_not_clipped_away(random):
    params, x, targets = make_problem(random, MLP, "squared_error", 4)
    x[0, 0] = np.inf
    result = run(MLP, params, x, targets, "squared_error", largest=0.1)
    assert result.diverged


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n", [1, 5, 131])
def test_predictions_are_the_outputs_of_the_twin(seed, n):
    """Without dropout, in chunks of which the last is short."""
    random = np.random.default_rng(seed)
    network = random_image_network(random)
    if seed % 3 == 0:  # what is read may be another layer's buffer
        network = Network([*network.layers[:-1], Dropout(0.5)], network.input_shape)
    params, x, _ = make_problem(random, network, "squared_error", n)
    found = outputs_of(network, params, x, Scaling.none())
    expected = naive.network_outputs(network, params, x)[-1]
    size = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * size)


@pytest.mark.parametrize("loss", LOSSES)
def test_sample_weights_and_zeros_among_them(random, loss):
    """The second of four minibatches weighs nothing: it must not move anything."""
    params, x, targets = make_problem(random, MLP, loss, 30)
    weights = random.uniform(0.1, 3, 30).astype(F32)
    weights[[0, 3, 25]] = 0
    weights[8:16] = 0
    settings = dict(HOW["all"], batch=8, epochs=1, rate=0.1)
    result = run(MLP, params, x, targets, loss, weights=weights, **settings)
    twin = naive.train_network(
        MLP, params, x, targets, loss, weights=naive.f64(weights), **settings
    )
    np.testing.assert_allclose(result.params, twin[0], rtol=1e-5, atol=5e-6)
    assert result.losses == pytest.approx(twin[2], rel=1e-5)


def test_weight_zero_is_as_if_the_sample_were_not_there(random):
    params, x, targets = make_problem(random, MLP, "softmax", 20)
    weights = (np.arange(20) % 3 > 0).astype(F32)
    x[weights == 0] = 1e6
    kept = weights > 0
    settings = dict(HOW["all"], epochs=3, rate=0.1)
    with_zeros = run(MLP, params, x, targets, "softmax", weights=weights, **settings)
    without = run(MLP, params, x[kept], targets[kept], "softmax", **settings)
    np.testing.assert_allclose(with_zeros.params, without.params, rtol=1e-5, atol=2e-6)
    assert with_zeros.losses == pytest.approx(without.losses, rel=1e-5)


def test_nothing_moves_if_all_weights_are_zero(random):
    params, x, targets = make_problem(random, MLP, "softmax", 20)
    result = run(
        MLP, params, x, targets, "softmax", weights=np.zeros(20, F32), batch=7,
        **HOW["all"],
    )  # fmt: skip
    np.testing.assert_array_equal(result.params, params)
    assert not result.velocity.any()


def test_weights_twice_as_large_change_nothing_but_the_decay(random):
    params, x, targets = make_problem(random, MLP, "softmax", 20)
    weights = random.uniform(0.5, 2, 20).astype(F32)
    one, two = (
        run(MLP, params, x, targets, "softmax", weights=F32(k) * weights, batch=8)
        for k in (1, 2)
    )
    np.testing.assert_allclose(one.params, two.params, rtol=1e-5, atol=1e-6)


def test_shuffling_within_one_minibatch_changes_only_the_rounding(random):
    params, x, targets = make_problem(random, MLP, "softmax", 50)
    plain = run(MLP, params, x, targets, "softmax")
    shuffled = run(MLP, params, x, targets, "softmax", shuffle=True)
    np.testing.assert_allclose(plain.params, shuffled.params, rtol=1e-5, atol=2e-6)
    assert (plain.params != shuffled.params).any()


def test_every_sample_once_in_a_shuffled_epoch(random):
    """Mean outputs of a linear model without weights: only biases see the targets."""
    network = Network([Dense(1)], (1,))
    x, targets = np.zeros((23, 1), F32), 2.0 ** np.arange(23, dtype=F32)[:, None]
    rate = 2.0**-40  # the outputs stay what they were
    result = run(
        network, np.zeros(network.size, F32), x, targets, "squared_error", batch=1,
        rate=rate, shuffle=True,
    )  # fmt: skip
    assert result.params[network.tensors[1].offset] / rate == targets.sum()


def test_two_runs_are_the_same_bit_for_bit(random):
    network = Network([Dense(20, "relu"), Dropout(0.5), Dense(3)], (13,))
    params, x, targets = make_problem(random, network, "softmax", 90)
    settings = dict(HOW["all"], batch=8, epochs=3, rate=0.05, shuffle=True)
    runs = [run(network, params, x, targets, "softmax", **settings) for _ in range(2)]
    assert runs[0].params.tobytes() == runs[1].params.tobytes()
    assert runs[0].losses == runs[1].losses


def test_velocity_is_taken_over(random):
    """Two runs of one epoch, velocity handed on, are one run of two epochs."""
    params, x, targets = make_problem(random, MLP, "softmax", 24)
    settings = dict(HOW["all"], batch=8, rate=0.1)
    whole = run(MLP, params, x, targets, "softmax", epochs=2, **settings)
    first = run(MLP, params, x, targets, "softmax", **settings)
    second = run(
        MLP, first.params, x, targets, "softmax", start=first.velocity, **settings
    )
    assert whole.params.tobytes() == second.params.tobytes()
