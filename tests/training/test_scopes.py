"""Scopes of a run: spans, owners and plans of random networks."""

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from hogblock.methods import PASSM, From, Hogwild, Mixed, PASSMPlus, Sync
from hogblock.models import Dense, Network, ReLU
from hogblock.models.blocks import partition
from hogblock.training.run_plan import make_run_plan
from hogblock.training.scopes import scopes_of
from support.cpu_runs import BATCHES, ROWS, make_data
from support.cpu_runs import settings as make_settings
from support.random_networks import random_image_network, random_network

NAMED = ["full", "own", "suffix"]


def layer_starts(network):
    """Offset of the first tensor of each layer that has parameters."""
    starts = {}
    for tensor in network.tensors:
        starts.setdefault(tensor.layer, tensor.offset)
    return list(starts.values())


@st.composite
def runs(draw):
    """A network, a method that takes all of some scopes in turn, and owners."""
    seed, images = draw(st.integers(0, 10**6)), draw(st.booleans())
    make = random_image_network if images else random_network
    network = make(np.random.default_rng(seed))
    owners, each = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    assume(owners * each <= sum(t.rows for t in network.tensors))
    layers = len(layer_starts(network))
    cuts = st.builds(From, st.integers(-layers, layers - 1))
    more = draw(st.lists(st.sampled_from(NAMED) | cuts, unique=True, max_size=4))
    scopes = list(dict.fromkeys(["full", *more]))  # so that everything is updated
    mix = [(0.0, dict.fromkeys(scopes, 1 / len(scopes)))]
    return network, Mixed(mix=mix, random_blocks=each), owners, scopes


def expected_span(network, scope, block):
    if scope == "full":
        return 0, network.size
    if isinstance(scope, From):
        return layer_starts(network)[scope.layer], network.size
    return block.start, block.stop if scope == "own" else network.size


@how(max_examples=150)
@given(runs())
def test_scopes_of_random_networks(run):
    network, method, owners, scopes = run
    each = method.random_blocks
    found = scopes_of(network, make_settings(method, owners), BATCHES, owners)
    shares = partition(network, owners * each)

    # Blocks partition the vector, and no owner's share or cut lies inside one.
    assert (found.blocks[0].start, found.blocks[-1].stop) == (0, network.size)
    assert all(a.stop == b.start for a, b in pairwise(found.blocks))
    assert all(a < b for a, b in found.blocks)
    starts = {block.start for block in found.blocks}
    cuts = {layer_starts(network)[s.layer] for s in scopes if isinstance(s, From)}
    assert starts == {share.start for share in shares} | cuts

    # Owners share the blocks out, each its own stretch of the vector.
    assert list(chain(*found.owned)) == list(range(len(found.blocks)))
    for owner, blocks in enumerate(found.owned):
        mine = shares[owner * each : (owner + 1) * each]
        assert found.blocks[blocks[0]].start == mine[0].start
        assert found.blocks[blocks[-1]].stop == mine[-1].stop

    # Spans are unions of blocks, none is there twice, and all are somebody's.
    assert found.spans[0] == (0, network.size)
    assert len(set(found.spans)) == len(found.spans) == len(found.writes)
    assert set(chain(*found.numbers)) == set(range(len(found.spans)))
    for (start, stop), written in zip(found.spans, found.writes, strict=True):
        inside = [found.blocks[k] for k in np.flatnonzero(written)]
        assert (inside[0].start, inside[-1].stop) == (start, stop)
        assert sum(b.stop - b.start for b in inside) == stop - start

    # Each owner's numbers: the full plan, then its own spans, scope by scope.
    local = [scope for scope in dict.fromkeys(scopes) if scope != "full"]
    for owner, numbers in enumerate(found.numbers):
        mine = shares[owner * each : (owner + 1) * each]
        assert numbers[0] == 0
        assert len(numbers) == 1 + each * len(local)
        for scope, block, number in zip(
            [scope for scope in local for _ in range(each)],
            mine * len(local), numbers[1:], strict=True,
        ):  # fmt: skip
            assert tuple(found.spans[number]) == expected_span(network, scope, block)
    for bag in found.bags:
        assert bag.drawn == (each > 1)
        assert set(bag.plans) <= set(range(len(found.numbers[0])))


@how(max_examples=40)
@given(runs())
def test_bags_hold_the_turns_in_their_order(run):
    network, method, owners, scopes = run
    assume(method.random_blocks == 1)
    found = scopes_of(network, make_settings(method, owners), BATCHES, owners)
    (stretch,) = method.stretches(BATCHES, 3)
    ((start, drawn, plans),) = found.bags
    assert (start, drawn) == (0, False)
    local = ["full", *(s for s in dict.fromkeys(stretch.turns) if s != "full")]
    assert [local[plan] for plan in plans] == list(stretch.turns)
    assert set(local) == set(scopes)


def test_equal_spans_are_one_plan():
    """The first owner's suffix is everything; From(0) is, for all of them."""
    mix = [(0.0, dict.fromkeys(["full", "suffix", From(0), From(-3)], 0.25))]
    found = scopes_of(ROWS, make_settings(Mixed(mix=mix), 3), BATCHES, 3)
    first, second, third = (block.start for block in found.blocks)
    ends = [(start, ROWS.size) for start in (first, second, third)]
    assert [tuple(span) for span in found.spans] == ends
    # In the order in which the turns come: full, suffix, From(0), From(-3).
    assert found.numbers == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 2, 0, 0]]


def test_suffix_of_the_last_owner_is_its_own_block():
    """One plan for two scopes, and blocks that From cuts are the owner's still."""
    mix = [(0.0, {"full": 0.25, "own": 0.25, "suffix": 0.25, From(1): 0.25})]
    found = scopes_of(ROWS, make_settings(Mixed(mix=mix), 2), BATCHES, 2)
    local = list(dict.fromkeys(found.bags[0].plans))
    assert local == [0, 1, 2, 3]
    last = found.numbers[1]
    assert last[1] == last[2] != 0
    whole = scopes_of(ROWS, make_settings(PASSM(), 2), BATCHES, 2).blocks
    for share, blocks in zip(whole, found.owned, strict=True):
        owned = [found.blocks[k] for k in blocks]
        assert (owned[0].start, owned[-1].stop) == share


MLP_WITH_NAMES = Network(
    [Dense(4), ReLU(), Dense(3, "tanh"), Dense(2)], (5,)
)  # layers 0, 2 and 3 have parameters


@pytest.mark.parametrize("layer", [3, 7, -4])
@pytest.mark.parametrize("start", [0.0, 0.9], ids=["at-once", "later"])
def test_a_layer_that_is_not_there_names_those_that_are(layer, start):
    mix = [(0.0, {"full": 1.0}), (start, {"full": 0.5, From(layer): 0.5})]
    method = Mixed(mix=mix[-1:] if start == 0 else mix)
    told = rf"From\(layer={layer}\) is no layer: the network has 3 with parameters, "
    with pytest.raises(ValueError, match=told + r"0, 2, 3$"):
        scopes_of(MLP_WITH_NAMES, make_settings(method, 2), BATCHES, 2)


ONLY_UPPER = PASSMPlus(scope=From(1), alternate=False, warmup_fraction=0)


def plan(method, network=ROWS, workers=2, **changes):
    return scopes_of(
        network, make_settings(method, workers, **changes), BATCHES, workers
    )


@pytest.mark.parametrize(
    ("method", "tensor"),
    [
        (ONLY_UPPER, 0),
        (PASSMPlus(scope=From(-1), alternate=False, warmup_fraction=0), 0),
        (PASSMPlus(scope=From(2), alternate=False, switch_epochs=(0,)), 0),
        (Mixed(mix=[(0.0, {From(1): 0.5, From(2): 0.5})]), 0),
        (Mixed(mix=[(0.0, {From(1): 1.0, "full": 0.0})]), 0),
        # Not one minibatch of the warm-up is left after rounding.
        (PASSMPlus(scope=From(1), alternate=False, warmup_fraction=0.001), 0),
    ],
    ids=repr,
)
def test_a_tensor_without_any_update_is_named(method, tensor):
    told = f"never updates {ROWS.tensors[tensor].name}: no scope"
    with pytest.raises(ValueError) as error:
        plan(method)
    assert told in str(error.value) and repr(method) in str(error.value)


@pytest.mark.parametrize(
    "method",
    [
        PASSM(),
        PASSMPlus(scope="suffix", alternate=False, warmup_fraction=0),
        PASSMPlus(scope=From(1), warmup_fraction=0),
        PASSMPlus(scope=From(1), alternate=False, warmup_fraction=0.1),
        PASSMPlus(scope=From(0), alternate=False, warmup_fraction=0),
        Mixed(mix=[(0.0, {From(1): 0.99, "own": 0.01})]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_method_that_updates_everything_at_some_time_is_taken(method, workers):
    found = plan(method, workers=workers)
    assert found.writes.any(axis=0).all()


def test_a_late_part_of_a_plan_may_leave_out_what_the_early_one_trained():
    """One call of partial_fit, after others: the lower layer had its updates."""
    method = PASSMPlus(scope=From(1), alternate=False, warmup_fraction=0.5)
    late = plan(method, epochs=1, planned=10, trained=9)
    assert [bag.plans for bag in late.bags] == [[1]]
    assert late.spans[1].start > 0
    # A first call that is too short for what comes later in the plan.
    first = plan(method, epochs=1, planned=10, trained=0)
    assert first.bags[0].plans == [0]
    # Epochs behind the end of the plan have its last turns.
    assert plan(method, epochs=5, planned=10, trained=20).bags[-1].plans == [1]
    with pytest.raises(ValueError, match="never updates"):
        plan(ONLY_UPPER, epochs=1, planned=10, trained=9)


def test_updates_that_are_planned_for_later_calls_count():
    """A method may begin with the upper layers."""
    method = PASSMPlus(scope=From(1), alternate=False, switch_epochs=(0, 5))
    assert plan(method, epochs=1, planned=10).bags[0].plans == [1]
    with pytest.raises(ValueError, match="never updates"):
        plan(method, epochs=5, planned=5)
    assert plan(method, epochs=6, planned=6)


@pytest.mark.parametrize("method", [Hogwild(), Sync(), Mixed(mix=[(0, {"full": 1})])])
@pytest.mark.parametrize("workers", [1, 3])
def test_methods_of_full_steps_make_one_plan(method, workers):
    found = make_run_plan(ROWS, make_data(), make_settings(method, workers))
    assert len(found.plans) == 1 and found.writes.tolist() == [[1] * workers]
    assert found.numbers == [[0]] * workers
    assert found.bags == [(0, False, [0])]
    hogwild = make_run_plan(ROWS, make_data(), make_settings(Hogwild(), workers))
    np.testing.assert_array_equal(found.plans[0].ops, hogwild.plans[0].ops)
    np.testing.assert_array_equal(found.plans[0].reals, hogwild.plans[0].reals)
    assert found.blocks == hogwild.blocks and found.owned == hogwild.owned


@given(st.integers(1, 5), st.integers(1, 3))
@example(1, 1)
def test_from_the_first_layer_is_a_full_step(owners, each):
    mix = [(0.0, {"full": 0.5, From(0): 0.25, From(-3): 0.25})]
    method = Mixed(mix=mix, random_blocks=each)
    found = scopes_of(ROWS, make_settings(method, owners), BATCHES, owners)
    assert len(found.spans) == 1
    assert found.numbers == [[0] * (1 + 2 * each)] * owners
