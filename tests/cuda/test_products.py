"""Products of matrices, by the dense layers that are nothing else, and their tiles."""

import pytest

from hogblock.kernels.cuda.job import SHARED_AT
from hogblock.kernels.cuda.patches import divided, magic
from hogblock.kernels.cuda.tiles import SHARED_BYTES, choose_split, choose_tile
from hogblock.models import Dense, Network
from hogblock.models.activations import ACTIVATIONS
from support.cuda_pass import CUDA, SHAPES, TEAMS, check_network

pytestmark = CUDA

SIZES = [  # features, outputs of each layer, rows of the minibatch
    (1, (1,), 1),
    (1, (1, 1), 3),
    (13, (17, 2), 5),
    (16, (16, 16), 16),
    (5, (33, 7), 2),
    (67, (3, 1), 3),
    (3, (1, 65), 4),
    (31, (19, 37), 9),
    (2, (5, 3), 37),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("features, outputs, rows", SIZES[1:3])
def test_dense_layers_at_any_shape(random, shape, features, outputs, rows):
    network = Network([Dense(n, "tanh") for n in outputs], (features,))
    check_network(network, random, shape, rows=rows, batch=rows)


@pytest.mark.parametrize("shape", TEAMS[:2])
@pytest.mark.parametrize("features, outputs, rows", SIZES[4:])
def test_dense_layers_of_odd_sizes(random, shape, features, outputs, rows):
    network = Network([Dense(n, "tanh") for n in outputs], (features,))
    check_network(network, random, shape, rows=rows, batch=rows + 2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_in_a_product(random, activation):
    network = Network([Dense(9, activation), Dense(3, activation)], (6,))
    for shape in ((8, 1), (4, 3)):
        check_network(network, random, shape, rows=4)


def test_more_threads_than_outputs(random):
    """Then several add up shares of one output's sum."""
    network = Network([Dense(11, "relu"), Dense(3)], (29,))
    check_network(network, random, (32, 1), rows=3)
    check_network(network, random, (64, 1), rows=1, batch=2)


# Tiles ------------------------------------------------------------------------------

EXTENTS = [1, 5, 16, 64, 100, 784, 5000]


def is_power_of_two(n):
    return n & (n - 1) == 0


@pytest.mark.parametrize("threads", [1, 4, 8, 32, 128, 256])
def test_every_tile_fits_a_block(threads):
    for m in EXTENTS:
        for n in EXTENTS:
            for blocks in (1, 5, 132):
                tile = choose_tile(m, n, 97, blocks, threads)
                assert all(map(is_power_of_two, tile))
                assert tile.m >= 8 and tile.n >= 16 and tile.k >= 4 * tile.slices
                items = tile.m // 8 * (tile.n // 4)
                assert items * tile.slices <= max(threads, 8)
                assert 4 * (tile.shared + SHARED_AT) <= SHARED_BYTES
                assert tile.m <= 128  # rows of the table of pixels


def test_long_sums_are_cut_and_short_ones_are_not():
    for blocks in (1, 6, 132):
        _, parts = choose_split(9, 16, 50_000, blocks, 256)
        assert parts > 1 or blocks == 1
        tile, parts = choose_split(9, 16, 40, blocks, 256)
        assert parts <= max(1, 40 // (4 * tile.k))


def test_division_without_a_divider(random):
    divisors = {*range(1, 70), 127, 128, 784, 1000, 4095, 4096, 65535}
    for divisor in divisors:
        values = {0, 1, divisor - 1, divisor, divisor + 1}
        end = min(2**31, 2**32 // divisor)
        values |= {end - 1, *map(int, random.integers(0, end, 20))}
        for value in values:
            assert divided(value, magic(divisor)) == value // divisor


def test_division_by_powers_of_two_has_no_bound():
    for bits in range(1, 31):
        for value in (2**31 - 1, 2**31 - 2**bits, 2**bits - 1, 2**bits):
            assert divided(value, magic(2**bits)) == value >> bits
