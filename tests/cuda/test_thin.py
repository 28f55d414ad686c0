"""Thinning: the samples that go on, and their factors, are those of a CPU."""

from dataclasses import replace

import numpy as np
import pytest

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import thin as cpu
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.thin import uniform_of
from hogblock.methods import SGD
from hogblock.models import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
)
from hogblock.models.plan import make_plan
from hogblock.training.settings import TrainingData
from support import cuda_runs as runs
from support.cuda_pass import CUDA, ON_CARD, SHAPES, Run, make_problem

# The CPU's kernels may have to be compiled first.
pytestmark = [*CUDA, pytest.mark.timeout(300)]

F32 = np.float32
NETWORK = Network([Dense(20, "tanh"), Dense(3)], (4,))
BATCH = 11


def thinned(dy, thinning, uniform):
    """What a CPU goes on with, every sample in its place."""
    dy = dy.copy()
    norms, kept = np.zeros(len(dy), F32), np.zeros(len(dy), np.int64)
    count = cpu.thin(
        dy.ctypes.data, dy.shape[1], len(dy), F32(thinning), uniform, norms, kept
    )
    found = np.zeros_like(dy)
    found[kept[:count]] = dy[kept[:count]]
    return found


def thin_rows(random, shape, thinning, fill, rows=BATCH, steps=1, key=5):
    """DY of the minibatch before and behind its thinning, and what a CPU makes of it.

    fill : float32 [rows, words of a row] -> None, changes it; rows that are not the
    minibatch's are large. The minibatch is the last one of `steps`.
    """
    samples = (steps - 1) * BATCH + rows
    params, x, targets = make_problem(NETWORK, random, samples)
    plan = make_plan(NETWORK, BATCH, "squared_error", thinning=thinning)
    run = Run(
        NETWORK, [plan], params, x, targets, shape, BATCH, team_keys=[key]
    )  # fmt: skip
    for _ in range(steps):
        run.begin()
    phases = [p.row for p in run.program.phases[0]]
    codes = [row[ph.PHASE] for row in phases]
    first = codes.index(ph.THIN_NORMS)
    assert codes[first + 1] == ph.THIN_ROWS
    at, row = phases[first][op.DY], phases[first][op.Y_ROW]
    work = run.work().copy()
    dy = work[at : at + BATCH * row].reshape(BATCH, row)
    dy[rows:] = 1e3
    fill(dy[:rows])
    before = dy.copy()
    run.set("work", work)
    for k in (first, first + 1):
        run.phase(k)
    run.check()
    found = run.buffer(at, row, BATCH)
    np.testing.assert_array_equal(found[rows:], before[rows:])
    uniform = cpu.uniform_of(steps, np.uint32(key))
    return before[:rows], found[:rows], thinned(before[:rows], thinning, uniform)


def spread(random):
    """Fills rows with numbers of few digits, whose squares add up exactly."""

    def fill(dy):
        digits = random.integers(-4, 5, dy.shape)
        dy[:] = digits * 2.0 ** random.integers(-5, 2, (len(dy), 1))

    return fill


def assert_same(found, wanted):
    np.testing.assert_array_equal(found == 0, wanted == 0)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("thinning", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_samples_are_those_of_a_cpu(random, shape, thinning):
    before, found, wanted = thin_rows(random, shape, thinning, spread(random))
    assert_same(found, wanted)
    kept = found.any(axis=1)
    assert kept.any() and kept.all() == (thinning < 1)  # small ones are not worth it
    if thinning > 1:  # some are drawn, and stand for others
        assert (np.abs(found[kept]) > np.abs(before[kept])).any()


@pytest.mark.parametrize("shape", [(4, 1), (4, 3), (1, 5)])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_short_minibatch_of_a_later_step(random, shape, rows):
    """Which minibatch of its own it is decides the draw; large rows lie behind."""
    _, found, wanted = thin_rows(random, shape, 1.5, spread(random), rows, steps=3)
    assert_same(found, wanted)


def test_draws_differ_with_the_step_and_the_team(random):
    def equal(dy):
        dy[:, :16] = 0.5  # norm 2: with thinning at 2 every second sample goes on
        dy[:, 16:] = 0

    places = set()
    for steps, key in ((1, 5), (2, 5), (3, 5), (1, 6), (1, 7), (1, 8)):
        _, found, wanted = thin_rows(
            random, (4, 1), 2.0, equal, steps=steps, key=key
        )  # fmt: skip
        assert_same(found, wanted)
        assert set(np.unique(found)) == {0, 1}
        places.add(tuple(np.flatnonzero(found[:, 0])))
    assert len(places) == 2  # the even ones, and the odd ones


@pytest.mark.filterwarnings("ignore:.*overflow")
@pytest.mark.parametrize("shape", [(4, 1), (4, 3)])
@pytest.mark.parametrize("value", [0, np.nan, np.inf, 1e30])
def test_all_go_on_where_norms_say_nothing(random, shape, value):
    """All zero, not finite, or too large for their squares."""

    def fill(dy):
        spread(random)(dy)
        dy[3 if value else slice(None)] = value

    before, found, _ = thin_rows(random, shape, 1.0, fill)
    np.testing.assert_array_equal(found, before)


@pytest.mark.parametrize("shape", [(4, 1), (4, 3)])
def test_nothing_is_left_if_nobody_is_drawn(random, shape):
    """With odds of one to millions; as on a CPU, whose one row of zeros it goes on
    with."""
    before, found, wanted = thin_rows(random, shape, 1e8, spread(random))
    assert before.any() and not found.any() and not wanted.any()


@pytest.mark.skipif(ON_CARD, reason="calls a device function")
@pytest.mark.parametrize("key", [0, 5, 2**31, 2**32 - 1])
def test_uniform_numbers_are_those_of_a_cpu(key):
    signed = int(np.uint32(key).view(np.int32))
    for drawn in (1, 2, 3, 2**31 - 1):
        found = uniform_of(drawn, signed)
        assert 0 <= found < 1 and found == cpu.uniform_of(drawn, np.uint32(key))


# Whole steps -------------------------------------------------------------------------

NETWORKS = {
    "dense": runs.NETWORK,
    "dropout": Network([Dense(9, "relu"), Dropout(0.3), ReLU(), Dense(3)], (5,)),
    "round the last layer": Network([Dense(3), Residual([Dense(3)])], (5,)),
    "images": Network(
        [Conv2D(3, 2, activation="relu"), MaxPool2D(2), GroupNorm(1, 0.1)]
        + [Residual([Conv2D(3, 1)]), Flatten(), Dense(3)],
        (4, 5, 1),
    ),
    "pooled": Network([Conv2D(3, 2), MaxPool2D(2), Flatten(), Dense(3)], (4, 5, 1)),
}


def data_of(network, random):
    shape = runs.N, int(np.prod(network.input_shape))
    x = random.normal(size=shape).astype(F32)
    return TrainingData(x, x[:, :3].argmax(1).astype(np.int32), *[runs.NONE] * 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_one_worker_takes_the_steps_of_a_cpu(random, name):
    """Minibatches of which some samples go on: backward passes on zeros are the same
    as without them."""
    network = NETWORKS[name]
    given = {"network": network, "data": data_of(network, random)}
    chosen = runs.settings(SGD(thinning=1.9), epochs=2)
    found, wanted = runs.fit(chosen, **given), runs.on_host(chosen, **given)
    runs.assert_close(found.params, wanted.params)
    runs.assert_close(found.velocity, wanted.velocity)
    whole = runs.on_host(runs.settings(SGD(), epochs=2), **given)
    assert np.abs(wanted.params - whole.params).max() > 1e-2


def test_weights_of_zero_are_never_drawn(random):
    weights = np.ones(runs.N, F32)
    weights[::3] = 0
    data = replace(runs.DATA, weights=weights)
    chosen = runs.settings(SGD(thinning=2.0), epochs=2)
    found, wanted = runs.fit(chosen, data=data), runs.on_host(chosen, data=data)
    runs.assert_close(found.params, wanted.params)
