"""A run that goes on from the state of another one, as if that had never ended."""

from dataclasses import replace

import numpy as np
import pytest

from hogblock.engines.cpu.training import train
from hogblock.methods import ASSM, PASSM, SGD, Hogwild, Mixed, PASSMPlus, Sync, Thinned
from hogblock.models import Dense, Dropout, Network
from hogblock.training.run_state import RunState
from support.cpu_runs import BATCHES, CLASSES, FEATURES, N, make_data, settings, start

pytestmark = pytest.mark.timeout(60)

DROPPING = Network(
    [Dense(24, "relu"), Dropout(0.3), Dense(17, "tanh"), Dense(CLASSES)], (FEATURES,)
)
EPOCHS, HALF = 6, 3
SINGLE = [SGD(), PASSMPlus(), Thinned(), Mixed(), PASSM(epochs="worker"), Sync()]


def run(method, workers=1, until=EPOCHS, state=None, answers=None, **changes):
    """A run that is stopped after some epochs; its result, and its states."""
    states = []

    def on_epoch(epoch):
        epoch.then = lambda state_of, over: states.append((state_of(), over))
        if answers:
            epoch.rate_factor = answers[epoch.index]
        return epoch.index + 1 == until

    changes = dict(gate="held", hold_every=1) | changes
    options = settings(method, workers, EPOCHS, **changes)
    result = train(
        DROPPING, make_data(), options, start(DROPPING), on_epoch, state=state
    )
    return result, states


def equal(a, b):
    for name, value in vars(a).items():
        if name not in ("seconds", "device_seconds", "events"):
            np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)


@pytest.mark.parametrize("method", SINGLE, ids=lambda m: m.name)
def test_one_worker_goes_on_bit_for_bit(method):
    whole, _ = run(method)
    _, states = run(method, until=HALF)
    state, over = states[-1]
    assert over and state.epochs == HALF
    rest, _ = run(method, state=state)
    equal(rest, whole)
    assert rest.seconds > state.seconds


def test_it_goes_on_bit_for_bit_where_the_rate_is_changed():
    answers = [1, 0.5, 0.5, 0.25, 0.25, 0.25]
    options = dict(answers=answers, keeps_velocity=True)
    whole, _ = run(SGD(), **options)
    _, states = run(SGD(), until=HALF, **options)
    rest, _ = run(SGD(), state=states[-1][0], **options)
    equal(rest, whole)


@pytest.mark.parametrize("gate", ["held", "open"])
def test_synchronous_workers_go_on_bit_for_bit(gate):
    whole, _ = run(Sync(), workers=2, gate=gate)
    _, states = run(Sync(), workers=2, gate=gate)
    rest, _ = run(Sync(), workers=2, state=states[HALF - 1][0], gate=gate)
    equal(rest, whole)


@pytest.mark.parametrize(
    "method", [Hogwild(), ASSM(), PASSM(), PASSM(epochs="worker")], ids=repr
)
@pytest.mark.parametrize("gate", ["ahead", "open"])
def test_states_of_several_workers_are_exact(method, gate):
    """Nobody is ahead of them: what they count is what was done."""
    _, states = run(method, workers=2, gate=gate)
    passes = 2 if method.epochs == "worker" else 1
    assert [s.epochs for s, _ in states] == list(range(1, EPOCHS + 1))
    for state, over in states:
        assert over == (state.epochs == EPOCHS)
        steps = state.epochs * BATCHES * passes
        assert state.arrays["staleness"][:, 0, 0].sum() == steps
        assert len(state.losses) == state.epochs
    rest, _ = run(method, workers=2, state=states[HALF - 1][0], gate=gate)
    assert rest.steps == EPOCHS * BATCHES * passes
    assert rest.samples == EPOCHS * N * passes
    assert rest.losses[:HALF] == states[HALF - 1][0].losses
    assert rest.losses[-1] < rest.losses[0]


def test_states_come_where_all_wait_only():
    _, states = run(Hogwild(), workers=2, gate="open", hold_every=4)
    assert [s.epochs for s, _ in states] == [4, 6]


@pytest.mark.parametrize(
    "method", [Hogwild(), Sync(), PASSM(epochs="worker")], ids=repr
)
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3)])
def test_another_number_of_workers_goes_on(method, before, after):
    _, states = run(method, workers=before)
    rest, _ = run(method, workers=after, state=states[HALF - 1][0])
    own = method.epochs == "worker"
    steps = BATCHES * (HALF + (EPOCHS - HALF))
    assert rest.steps == steps * (after if own else 1)
    assert len(rest.losses) == EPOCHS and rest.losses[-1] < rest.losses[0]
    samples = N * HALF * (before if own else 1) + N * (EPOCHS - HALF) * (
        after if own else 1
    )
    assert rest.samples == samples


@pytest.fixture(scope="module")
def state():
    return run(SGD(), until=HALF)[1][-1][0]


def spoilt(state, name, change):
    array = (state.params if name == "params" else state.arrays[name]).copy()
    array = change(array)
    if name == "params":
        return replace(state, params=array)
    return replace(state, arrays=state.arrays | {name: array})


def put(value):
    def change(array):
        array.flat[0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("params", lambda a: a[1:], "params of the state is float32 of"),
        ("params", lambda a: a.astype(float), "params of the state is float64"),
        ("params", put(np.nan), "params of the state are not finite"),
        ("velocity", put(np.inf), "velocity of the state are not finite"),
        ("velocity", lambda a: a[0], "velocity of the state is float32"),
        ("rate_factor", put(np.nan), "rate_factor of the state are not finite"),
        ("record", lambda a: a[:, 1:], "record of the state is float64"),
        ("record", lambda a: np.full(a.shape, -1).view(float), "impossible counts"),
        ("state", put(-7), None),
        ("state", lambda a: put(-7)(a[:, ::-1])[:, ::-1], None),
        ("state", lambda a: put(-7)(a[:, 1:]), "state of the state is int64"),
        ("updates", put(-7), "updates of the state holds impossible counts"),
        ("staleness", put(2**62), "staleness of the state holds impossible counts"),
    ],
)
def test_states_that_cannot_be(state, name, change, message):
    broken = spoilt(state, name, change)
    if message is None:  # words that a run sets itself
        run(SGD(), state=broken)
        return
    with pytest.raises(ValueError, match=message):
        run(SGD(), state=broken)


def test_states_of_too_many_epochs_or_losses(state):
    with pytest.raises(ValueError, match="epochs=9 of the state, and the run has 6"):
        run(SGD(), state=replace(state, epochs=9))
    with pytest.raises(ValueError, match="2 losses of the state are of 3 epochs"):
        run(SGD(), state=replace(state, losses=state.losses[1:]))
    arrays = {k: v for k, v in state.arrays.items() if k != "record"}
    with pytest.raises(ValueError, match="record of the state is missing"):
        run(SGD(), state=RunState(HALF, state.params, state.losses, 0.0, arrays))
