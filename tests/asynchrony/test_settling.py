"""A small ReLU network settles under steps that satisfy the assumptions."""

import numpy as np
import pytest

from hogblock.asynchrony import Law, NetworkProblem, simulate, stationarity
from hogblock.models import Dense, Network


@pytest.fixture(scope="module")
def problem():
    """Regression on a function with a kink, which six units cannot fit exactly."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((96, 3)).astype(np.float32)
    y = np.abs(X[:, 0]) - 0.5 * X[:, 1]
    network = Network([Dense(6, "relu"), Dense(1)], (3,))
    return NetworkProblem(network, X, y, "squared_error", batch=16, alpha=1e-2)


@pytest.mark.parametrize(("ownership", "n"), [("shared", 60_000), ("owned", 200_000)])
@pytest.mark.parametrize("age", [0, 8])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_relu_network_settles(problem, momentum, age, ownership, n):
    """So does the least element of its sampled subdifferential, also on each block.

    Owned blocks learn from half of the steps each, and take longer.
    """
    start = problem.network.initialise(np.random.RandomState(0)).astype(float)
    blocks = problem.blocks(2)
    run = simulate(
        problem, Law(2, ages=age), n, x0=start, blocks=blocks, momentum=momentum,
        ownership=ownership, rate=lambda t: 0.5 * (1 - momentum) / (t + 20) ** 0.75,
        n_records=20, random_state=0,
    )  # fmt: skip

    def stationary(x):
        options = dict(radius=0.003, n_samples=60, blocks=blocks, random_state=0)
        return stationarity(problem, x, **options)

    first, last = stationary(start), stationary(run.x)
    assert run.values[-1] < 0.05 * run.values[0]
    late = run.values[-5:]
    assert late.max() - late.min() < 0.01 * (run.values[0] - run.values[-1])
    assert last.distance < 0.05 * first.distance
    for block in range(2):
        assert last.per_block[block] < 0.1 * first.per_block[block]
    assert last.distance <= last.gradient_norm
