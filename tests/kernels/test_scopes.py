"""A partial step is a full step restricted to its span, bit for bit."""

import numpy as np
import pytest

from hogblock.methods import ASSM, PASSM, From, Hogwild, Mixed, PASSMPlus
from hogblock.models.blocks import partition
from support.random_networks import random_image_network, random_network
from support.steps import OF_EVERY_KIND, make_problem, take_steps

SCOPES = ["own", "suffix"]


def partial(scope, blocks=1):
    """Every step has this scope, a block of the only worker's `blocks` is drawn."""
    return Mixed(mix=[(0.0, {scope: 1.0})], random_blocks=blocks)


def layer_starts(network):
    starts = {}
    for tensor in network.tensors:
        starts.setdefault(tensor.layer, tensor.offset)
    return list(starts.values())


def assert_restricted(network, params, found, full, start, stop):
    inside = slice(start, stop)
    np.testing.assert_array_equal(found.params[inside], full.params[inside])
    np.testing.assert_array_equal(found.velocity[0, inside], full.velocity[0, inside])
    for outside in (slice(0, start), slice(stop, network.size)):
        np.testing.assert_array_equal(found.params[outside], params[outside])
        assert not found.velocity[0, outside].any()


def check_blocks(network, problem, loss, scope, blocks, seeds=6, **changes):
    """Steps on drawn blocks, of which the counts say which one it was."""
    shares, seen = partition(network, blocks), set()
    for key in range(seeds):
        full = take_steps(network, problem, loss, key=key, **changes)
        method = partial(scope, blocks)
        found = take_steps(network, problem, loss, method, key=key, **changes)
        written = np.flatnonzero(found.updates_per_block)
        first = written[0]
        last = first if scope == "own" else blocks - 1
        assert written.tolist() == list(range(first, last + 1))
        start, stop = shares[first].start, shares[last].stop
        assert_restricted(network, problem[0], found, full, start, stop)
        seen.add(first)
    return seen


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("kind", OF_EVERY_KIND)
def test_steps_on_blocks_of_every_kind_of_layer(random, kind, scope):
    network = OF_EVERY_KIND[kind]
    problem = make_problem(random, network, "softmax", 9)
    for blocks in (1, 2, 3, 4):
        seen = check_blocks(network, problem, "softmax", scope, blocks)
        assert len(seen) > 1 or blocks == 1


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_steps_on_blocks_of_random_networks(make, seed, scope):
    random = np.random.default_rng(seed)
    network = make(random)
    problem = make_problem(random, network, "huber", int(random.choice([1, 3, 8, 33])))
    blocks = min(1 + seed % 4, sum(t.rows for t in network.tensors))
    check_blocks(network, problem, "huber", scope, blocks, seeds=2)


@pytest.mark.parametrize("kind", OF_EVERY_KIND)
def test_steps_from_every_layer(random, kind):
    network = OF_EVERY_KIND[kind]
    problem = make_problem(random, network, "softmax", 9)
    full = take_steps(network, problem, "softmax", key=1)
    starts = layer_starts(network)
    for layer, start in enumerate(starts):
        for scope in (From(layer), From(layer - len(starts))):
            found = later_step(network, problem, scope)
            assert_restricted(network, problem[0], found, full, start, network.size)


def later_step(network, problem, scope, **changes):
    """A step late in a plan whose earlier steps were full."""
    mix = [(0.0, {"full": 1.0}), (0.5, {scope: 1.0})]
    how = dict(key=1, planned=2, trained=1) | changes
    return take_steps(network, problem, "softmax", Mixed(mix=mix), **how)


@pytest.mark.parametrize("kind", ["residual", "winograd", "dense"])
def test_velocity_and_penalty_of_some_steps(random, kind):
    """The last layer's model of a run does not know the others, which stand still."""
    network = OF_EVERY_KIND[kind]
    params, x, targets = make_problem(random, network, "softmax", 22)
    start = layer_starts(network)[-1]
    how = dict(momentum=0.9, nesterov=True, alpha=0.3, batch=8)
    found = later_step(network, (params, x, targets), From(-1), **how)
    np.testing.assert_array_equal(found.params[:start], params[:start])
    assert not found.velocity[0, :start].any()
    # Step by step: each is a full step's, from where the one before has left.
    how = how | dict(batch=8, momentum=0.0)
    now = params
    for k in range(3):
        part = slice(8 * k, 8 * k + 8)
        full = take_steps(network, (now, x[part], targets[part]), "softmax", **how)
        now = np.concatenate([params[:start], full.params[start:]])
    found = later_step(network, (params, x, targets), From(-1), **how)
    np.testing.assert_array_equal(found.params, now)


@pytest.mark.parametrize("kind", ["residual", "group norm", "dense"])
@pytest.mark.parametrize("write", ["copy", "thinned"])
def test_a_partial_step_of_other_reads(random, kind, write):
    network = OF_EVERY_KIND[kind]
    problem = make_problem(random, network, "softmax", 9)
    how = dict(reads="copy") if write == "copy" else dict(thinning=1.3)
    full = take_steps(network, problem, "softmax", Hogwild(**how), key=4)
    for blocks in (2, 3):
        method = PASSM(random_blocks=blocks, **how)
        found = take_steps(network, problem, "softmax", method, key=4)
        block = int(found.updates_per_block.argmax())
        start, stop = partition(network, blocks)[block]
        assert_restricted(network, problem[0], found, full, start, stop)


def test_scopes_are_of_any_way_of_writing(random):
    """A method that locks may have scopes: its step is that of ASSM, restricted."""

    class Careful(PASSMPlus):
        locks = True

    network = OF_EVERY_KIND["residual"]
    problem = make_problem(random, network, "softmax", 9)
    full = take_steps(network, problem, "softmax", ASSM())
    method = Careful(scope=From(2), switch_epochs=(1,), alternate=False)
    found = take_steps(network, problem, "softmax", method, planned=2, trained=1)
    start = layer_starts(network)[2]
    assert_restricted(network, problem[0], found, full, start, network.size)
