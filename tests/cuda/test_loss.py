"""Losses against their twins, through the outputs' gradient in a layer's bias."""

import numpy as np
import pytest

from hogblock.models import Dense, Network
from hogblock.models.plan import make_plan
from support import naive
from support.cuda_pass import CUDA, Run, check_network, make_problem
from support.passes import assert_same_gradient

pytestmark = CUDA

F32 = np.float32
LOSSES = list(naive.LOSSES)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_out", [1, 3, 17])
@pytest.mark.parametrize("shape, rows", [((1, 1), 2), ((4, 3), 11)])
def test_losses(random, loss, n_out, shape, rows):
    """More rows than threads, and than a tile has."""
    network = Network([Dense(n_out)], (3,))
    check_network(network, random, shape, rows=rows, batch=rows + 1, loss=loss)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(8, 1), (4, 2)])
def test_weights_of_samples(random, loss, shape):
    network = Network([Dense(4, "tanh"), Dense(3)], (5,))
    params, x, targets = make_problem(network, random, 7, loss)
    weights = random.uniform(0.1, 3, 7).astype(F32)
    weights[[0, 4]] = 0
    run = Run(
        network, [make_plan(network, 7, loss)], params, x, targets, shape, 7,
        weights=weights, decay=0.3,
    )  # fmt: skip
    run.go(1)
    value, gradient = naive.network_gradient(
        network, params, x, targets, loss, weights=weights, alpha=0.3
    )
    assert run.loss() == pytest.approx(value, rel=1e-5)
    assert_same_gradient(network, run.velocity(), gradient)
    run.check()


def outputs_and_loss(loss, values, target):
    """Loss and output gradient where a layer's bias alone makes the outputs."""
    network = Network([Dense(len(values))], (1,))
    params = np.zeros(network.size, F32)
    bias = network.tensors[1]
    bias.view(params)[:] = values
    x, plan = np.zeros((1, 1), F32), make_plan(network, 1, loss)
    run = Run(network, [plan], params, x, target, (4, 1), 1)
    run.go(1)
    return run.loss(), bias.view(run.velocity()).ravel()


@pytest.mark.parametrize("size", [30, 1e4, 3e38])
def test_large_outputs_do_not_overflow(size):
    label = np.zeros(1, np.int32)
    loss, gradient = outputs_and_loss("softmax", [size, 0, 0], label)
    assert loss == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    loss, gradient = outputs_and_loss("softmax", [-size, 0], label)
    assert loss == pytest.approx(size, rel=1e-6)
    np.testing.assert_allclose(gradient, [-1, 1], atol=1e-6)
    loss, gradient = outputs_and_loss("logistic", [size, -size], F32([[0, 0]]))
    assert loss == pytest.approx(size, rel=1e-6)
    np.testing.assert_allclose(gradient, [1, 0], atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_has_diverged_shows(loss):
    target = np.zeros(1, np.int32) if loss == "softmax" else np.zeros((1, 3), F32)
    for values in ([np.nan, 0, 0], [0, np.nan, 0]):
        assert np.isnan(outputs_and_loss(loss, values, target)[0])


def test_losses_of_epochs_and_teams_are_apart(random):
    network = Network([Dense(2)], (3,))
    params, x, targets = make_problem(network, random, 6)
    how = {"epochs": 2, "teams": 2, "team_keys": [0, 0], "rate": 0.0}
    plan = make_plan(network, 2, "squared_error")
    run = Run(network, [plan], params, x, targets, (4, 1), 2, **how)
    run.train(6)
    first, second, third = (
        naive.network_gradient(network, params, x[k], targets[k], "squared_error")[0]
        for k in (slice(0, 2), slice(2, 4), slice(4, 6))
    )
    record = run.record()
    # Tickets go round the teams: one has minibatches 0, 2 and then 1.
    sums = 2 * np.array([[first + third, second], [second, first + third]])
    np.testing.assert_allclose(record[:, :, 0], sums, rtol=1e-5)
    np.testing.assert_array_equal(record[:, :, 1], [[4, 2], [2, 4]])
    np.testing.assert_array_equal(record[:, :, 2], [[2, 1], [1, 2]])
