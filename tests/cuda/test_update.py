"""The momentum step: coefficients, plain stores and additions, minibatches in order."""

import numpy as np
import pytest

from hogblock.kernels.cuda import job, update
from hogblock.kernels.cuda import phases as ph
from hogblock.models import Conv2D, Dense, Flatten, Network
from hogblock.models.plan import make_plan
from support import naive
from support.cuda_pass import CUDA, ON_CARD, Run, make_problem
from support.passes import assert_padding_is_zero
from support.random_networks import decaying_the_other_way

pytestmark = CUDA

F32 = np.float32
MLP = Network([Dense(5, "tanh"), Dense(3)], (4,))
CONVNET = Network([Conv2D(3, 2, activation="tanh"), Flatten(), Dense(2)], (3, 2, 1))
HOW = {
    "plain": dict(momentum=0.0, nesterov=False, alpha=0.0),
    "decay": dict(momentum=0.0, nesterov=False, alpha=0.5),
    "momentum": dict(momentum=0.9, nesterov=False, alpha=0.0),
    "nesterov": dict(momentum=0.9, nesterov=True, alpha=0.0),
    "nesterov without momentum": dict(momentum=0.0, nesterov=True, alpha=0.1),
    "all": dict(momentum=0.9, nesterov=True, alpha=0.5),
}


def training(network, random, how, shape, *, loss="softmax", n=8, batch=5, epochs=2,
             weights=None, **more):  # fmt: skip
    """A run to its end, and the twin's parameters, velocity and losses."""
    params, x, targets = make_problem(network, random, n, loss)
    plan, own = make_plan(network, batch, loss), dict(how)
    if weights is not None:
        more["weights"] = weights.astype(F32)
    run = Run(
        network, [plan], params, x, targets, shape, batch, epochs=epochs, rate=0.1,
        decay=own.pop("alpha"), **own, **more,
    )  # fmt: skip
    run.go(epochs * -(-n // batch))
    twin = naive.train_network(
        network, params, x, targets, loss, batch=batch, epochs=epochs, rate=0.1,
        weights=weights, **how,
    )  # fmt: skip
    return run, params, twin


def assert_as_the_twin(run, twin):
    w, u, losses = twin
    np.testing.assert_allclose(run.params, w, rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(run.velocity(), u, rtol=1e-4, atol=2e-5)
    assert [run.loss(k) for k in range(len(losses))] == pytest.approx(losses, rel=1e-5)
    assert_padding_is_zero(run.network, run.params)
    assert_padding_is_zero(run.network, run.velocity())
    run.check()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("network", [MLP, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize("stores", [False, True])
def test_some_steps(random, network, how, stores):
    """Two epochs with a short last minibatch."""
    run, _, twin = training(network, random, HOW[how], (4, 1), stores=stores)
    assert_as_the_twin(run, twin)


@pytest.mark.parametrize(
    ("network", "blocks"), [(MLP, 3), (CONVNET, 1)], ids=["mlp", "convnet"]
)
def test_what_decays_is_said_by_the_tensor(random, network, blocks):
    network = decaying_the_other_way(network)
    run, _, twin = training(network, random, HOW["all"], (4, blocks), n=40, batch=20)
    assert_as_the_twin(run, twin)


@pytest.mark.parametrize("network", [MLP, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize("copy_at", [-1, 0])
def test_some_steps_of_a_team_of_several_blocks(random, network, copy_at):
    run, _, twin = training(
        network, random, HOW["all"], (4, 3), n=5, batch=3, copy_at=copy_at
    )
    assert_as_the_twin(run, twin)


def test_a_minibatch_that_weighs_nothing_moves_nothing(random):
    weights = random.uniform(0.1, 3, 13)
    weights[[0, 3, 11]] = 0
    weights[4:8] = 0
    run, _, twin = training(
        MLP, random, HOW["all"], (4, 2), n=13, batch=4, epochs=1, weights=weights
    )
    assert_as_the_twin(run, twin)


def test_nothing_moves_if_all_weights_are_zero(random):
    params, x, targets = make_problem(CONVNET, random, 7)
    run = Run(
        CONVNET, [make_plan(CONVNET, 3, "squared_error")], params, x, targets, (4, 1),
        3, weights=np.zeros(7, F32), decay=0.5,
    )  # fmt: skip
    run.train(3)
    np.testing.assert_array_equal(run.params, params)
    assert not run.velocity().any()
    assert run.record()[0, 0].tolist()[:3] == [0, 0, 3]


def test_rates_change_within_an_epoch(random):
    """Points of the table are spread over the minibatches; the last one stays."""
    params, x, targets = make_problem(MLP, random, 6)
    rates = F32([0.1, 0.3, 0.2])
    run = Run(
        MLP, [make_plan(MLP, 1, "squared_error")], params, x, targets, (4, 1), 1,
        rates=rates, rate_points=4, momentum=0.0,
    )  # fmt: skip
    w = params
    for ticket in range(6):
        run.train(ticket + 1)
        part = slice(ticket, ticket + 1)
        _, g = naive.network_gradient(MLP, w, x[part], targets[part], "squared_error")
        w = w - rates[min(ticket * 4 // 6, 2)] * g
        np.testing.assert_allclose(run.params, w, rtol=1e-4, atol=1e-5)


def test_one_factor_changes_all_rates(random):
    params, x, targets = make_problem(MLP, random, 2)
    plan = make_plan(MLP, 2, "squared_error")
    steps = []
    for factor in (1, 0.25):
        run = Run(MLP, [plan], params, x, targets, (4, 1), 2, rate=0.5)
        run.arrays["reals"][job.RATE_FACTOR] = factor
        run.train(1)
        steps.append(params - run.params)
    np.testing.assert_allclose(steps[0] / 4, steps[1], atol=1e-6)


@pytest.mark.skipif(ON_CARD, reason="looks into the simulator")
@pytest.mark.parametrize("stores", [False, True])
def test_additions_keep_what_others_wrote_and_stores_do_not(
    random, monkeypatch, stores
):
    """Between a step's read of its parameters and its write another one's comes."""
    read4 = update.read4

    def interrupted(array, i):
        seen = read4(array, i)
        for k in range(4):
            array[i + k] += F32(100)
        return seen

    params, x, targets = make_problem(MLP, random, 3)
    plan = make_plan(MLP, 3, "squared_error")
    run = Run(MLP, [plan], params, x, targets, (4, 1), 3, rate=0.1, stores=stores)
    monkeypatch.setattr(update, "read4", interrupted)
    run.train(1)
    alone = params - F32(0.1) * run.velocity()
    np.testing.assert_allclose(run.params, alone + 100 * (not stores), atol=1e-4)


def test_teams_have_velocity_of_their_own(random):
    params, x, targets = make_problem(MLP, random, 4)
    plan = make_plan(MLP, 2, "squared_error")
    run = Run(
        MLP, [plan], params, x, targets, (4, 1), 2, teams=2, team_keys=[0, 0], rate=0.0
    )
    run.train(2)
    for team, part in enumerate((slice(0, 2), slice(2, 4))):
        _, g = naive.network_gradient(
            MLP, params, x[part], targets[part], "squared_error"
        )
        np.testing.assert_allclose(run.velocity(team), g, rtol=1e-4, atol=1e-5)


def test_a_wide_layers_update_has_several_tiles(random):
    network = Network([Dense(70), Dense(1)], (20,))
    params, x, targets = make_problem(network, random, 1)
    plan = make_plan(network, 1, "squared_error")
    run = Run(network, [plan], params, x, targets, (8, 3), 1, copy_at=0)
    copies = [p for p in run.program.phases[0] if p.row[ph.PHASE] == ph.COPY_PARAMETERS]
    assert copies[0].row[ph.LENGTH] == network.size
    run.go(1)
    _, g = naive.network_gradient(network, params, x, targets, "squared_error")
    np.testing.assert_allclose(run.velocity(), g, rtol=1e-4, atol=1e-5)
