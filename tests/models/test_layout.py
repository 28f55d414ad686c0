"""Layout of the flat parameter vector."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogblock.kernels import optable
from hogblock.models import Dense, Dropout, Network, ReLU
from hogblock.models.layout import LINE, Tensor, padded

sizes = st.integers(1, 70)
networks = st.builds(
    lambda units, n_in, gaps: Network(
        [
            layer
            for k, n in enumerate(units)
            for layer in [Dense(n), *[Dropout(0.1), ReLU()][: gaps[k % len(gaps)]]]
        ],
        (n_in,),
    ),
    st.lists(sizes, min_size=1, max_size=5),
    sizes,
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
)
tensors = st.builds(
    Tensor,
    name=st.just("0.weight"),
    layer=st.just(0),
    offset=st.integers(0, 20).map(lambda k: k * LINE),
    rows=st.integers(1, 12),
    columns=st.integers(1, 40),
    decays=st.booleans(),
)


@given(st.integers(0, 10_000))
def test_padded(n):
    assert padded(n) % LINE == 0 and n <= padded(n) < n + LINE


def test_models_and_kernels_agree_on_the_line():
    assert LINE == optable.LINE == 64 // 4


@given(networks)
def test_tensors_lie_in_order_on_cache_lines_without_gaps(network):
    offset = 0
    for tensor in network.tensors:
        assert tensor.offset == offset
        assert tensor.offset % LINE == 0 and tensor.stride % LINE == 0
        assert tensor.columns <= tensor.stride
        offset += tensor.size
    assert offset == network.size
    layers = [t.layer for t in network.tensors]
    assert layers == sorted(layers)


@given(networks)
def test_views_are_disjoint_and_leave_only_padding(network):
    vector = np.zeros(network.size, np.int64)
    for k, tensor in enumerate(network.tensors, start=1):
        view = tensor.view(vector)
        assert view.shape == (tensor.rows, tensor.columns)
        assert not view.any()
        view[:] = k
    counts = np.bincount(vector, minlength=len(network.tensors) + 1)
    assert counts[1:].tolist() == [t.rows * t.columns for t in network.tensors]
    assert network.n_parameters == counts[1:].sum()


@given(tensors)
def test_view_round_trip(tensor):
    vector = np.zeros(tensor.offset + tensor.size + LINE, np.float32)
    values = np.arange(1, tensor.rows * tensor.columns + 1, dtype=np.float32)
    tensor.view(vector)[:] = values.reshape(tensor.rows, tensor.columns)
    np.testing.assert_array_equal(tensor.view(vector).ravel(), values)
    assert np.count_nonzero(vector) == values.size
    assert not vector[: tensor.offset].any()
    assert vector[tensor.offset] == 1
    if tensor.rows > 1:
        assert vector[tensor.offset + tensor.stride] == 1 + tensor.columns


@given(tensors, st.integers(0, 600), st.integers(0, 600))
def test_rows_in_are_those_that_start_in_the_range(tensor, a, b):
    start, stop = sorted((a, b))
    first, end = tensor.rows_in(start, stop)
    assert 0 <= first <= end <= tensor.rows
    begins = [tensor.offset + r * tensor.stride for r in range(tensor.rows)]
    expected = [r for r, at in enumerate(begins) if start <= at < stop]
    assert list(range(first, end)) == expected


@given(tensors, st.lists(st.integers(0, 600), max_size=5))
def test_cuts_give_every_row_to_exactly_one_piece(tensor, cuts):
    edges = [0, *sorted(cuts), tensor.offset + tensor.size]
    edges = sorted(min(e, edges[-1]) for e in edges)
    pieces = [tensor.rows_in(*edge) for edge in pairwise(edges)]
    rows = [r for first, end in pieces for r in range(first, end)]
    assert rows == list(range(tensor.rows))


@pytest.mark.parametrize("units", [1, 16, 17])
def test_weight_and_bias_of_a_dense_layer(units):
    weight, bias = Network([Dense(units)], (5,)).tensors
    assert (weight.rows, weight.columns, weight.decays) == (5, units, True)
    assert (bias.rows, bias.columns, bias.decays) == (1, units, False)
    assert (weight.name, bias.name) == ("0.weight", "0.bias")
