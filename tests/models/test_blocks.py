"""Partition of the parameters into blocks, and the cost of a block's step."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hogblock.models import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    Network,
    ReLU,
    Residual,
)
from hogblock.models.blocks import Block, partition, step_cost, whole

sizes = st.integers(1, 60)
rows = st.builds(
    lambda units, n_in: Network([Dense(n, "relu") for n in units], (n_in,)),
    st.lists(sizes, min_size=1, max_size=5),
    st.integers(1, 12),
)


def convolutional(channels, kernel, stride, shortcut):
    """Convolutions, two branches, one dense layer."""
    last = channels[-1]
    short = [Conv2D(last, 1)] if shortcut else []
    layers = [Conv2D(n, kernel, stride) for n in channels]
    layers += [Residual([GroupNorm(1), Conv2D(last, kernel)], short), Flatten()]
    return Network([*layers, Dense(2)], (4, 3, 2))


images = st.builds(
    convolutional,
    st.lists(st.integers(1, 20), min_size=1, max_size=2),
    st.integers(1, 2),
    st.integers(1, 2),
    st.booleans(),
)
networks = rows | images


def layer_starts(network):
    return {network.tensors_of(t.layer)[0].offset for t in network.tensors}


def row_starts(network):
    return [t.offset + r * t.stride for t in network.tensors for r in range(t.rows)]


@given(networks, st.integers(1, 14))
def test_blocks_are_contiguous_non_empty_disjoint_and_cover(network, parts):
    assume(parts <= len(row_starts(network)))
    blocks = partition(network, parts)
    assert len(blocks) == parts
    edges = [b.start for b in blocks] + [blocks[-1].stop]
    assert edges[0] == 0 and edges[-1] == network.size
    assert [b.stop for b in blocks] == edges[1:]
    assert all(b.start < b.stop for b in blocks)


@given(networks, st.integers(1, 14))
def test_blocks_start_at_a_layer_if_there_are_enough_else_at_a_row(network, parts):
    assume(parts <= len(row_starts(network)))
    starts = {b.start for b in partition(network, parts)}
    if parts <= len(layer_starts(network)):
        assert starts <= layer_starts(network)
    else:
        assert layer_starts(network) <= starts <= set(row_starts(network))


@given(networks, st.integers(1, 14))
def test_every_row_of_parameters_has_one_owner(network, parts):
    assume(parts <= len(row_starts(network)))
    blocks = partition(network, parts)
    for tensor in network.tensors:
        owned = [r for b in blocks for r in range(*tensor.rows_in(*b))]
        assert owned == list(range(tensor.rows))


@given(networks, st.data())
def test_the_costliest_step_is_as_cheap_as_it_can_be(network, data):
    starts = sorted(layer_starts(network))
    parts = data.draw(st.integers(1, len(starts)))

    def costliest(cuts):
        edges = [0, *cuts, network.size]
        pairs = pairwise(edges)
        return max(step_cost(network, Block(*pair)) for pair in pairs)

    best = min(costliest(cuts) for cuts in combinations(starts[1:], parts - 1))
    found = max(step_cost(network, b) for b in partition(network, parts))
    assert found == best


@given(networks)
@settings(max_examples=20)
def test_as_many_parts_as_rows_and_not_one_more(network):
    rows = row_starts(network)
    blocks = partition(network, len(rows))
    assert [b.start for b in blocks] == rows
    for parts in (len(rows) + 1, 0, -1):
        with pytest.raises(ValueError, match=rf"parts={parts}\b.*{len(rows)} rows"):
            partition(network, parts)


def test_a_network_without_parameters_cannot_be_cut():
    with pytest.raises(ValueError, match="0 rows"):
        partition(Network([ReLU(), Dropout(0.5)], (3,)), 1)


@given(networks, st.data())
def test_cost_grows_with_the_block(network, data):
    rows = [*row_starts(network), network.size]
    a, b, c, d = sorted(
        data.draw(st.integers(0, len(rows) - 1), label=f"edge {k}") for k in range(4)
    )
    assume(b < c)
    inner, outer = Block(rows[b], rows[c]), Block(rows[a], rows[d])
    assert step_cost(network, inner) <= step_cost(network, outer)
    if inner != outer:
        assert step_cost(network, inner) < step_cost(network, outer)
    assert step_cost(network, outer) <= step_cost(network, whole(network))


def test_cost_of_a_small_network_counted_by_hand():
    """Widths 10-32-16, no padding: forward 320 + 512, input gradient of the second
    layer 512, parameter gradients 11 * 32 and 33 * 16."""
    network = Network([Dense(32, "relu"), Dense(16)], (10,))
    second = network.tensors_of(1)[0].offset
    assert step_cost(network, Block(0, second)) == 832 + 512 + 352
    assert step_cost(network, Block(second, network.size)) == 832 + 528
    assert step_cost(network, whole(network)) == 832 + 512 + 352 + 528


def test_no_step_costs_less_than_the_forward_pass():
    network = Network([Dense(32, "relu"), Dense(16), Dense(5)], (10,))
    costs = [step_cost(network, b) for b in partition(network, 20)]
    assert min(costs) > 32 * 10 + 32 * 16 + 16 * 16


def test_more_parts_mean_a_cheaper_worst_step():
    network = Network([Dense(256, "relu"), Dense(128, "relu"), Dense(10)], (784,))
    worst = [max(step_cost(network, b) for b in partition(network, p)) for p in (1, 2)]
    assert worst[1] < worst[0]


def test_the_longest_blocks_are_halved():
    network = Network([Dense(16)], (63,))  # 63 rows of weights and one of the bias
    lengths = [b.stop - b.start for b in partition(network, 4)]
    np.testing.assert_array_equal(lengths, [256, 256, 256, 256])
