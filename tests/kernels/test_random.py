"""The keyed hash and the random permutation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogblock.kernels.cpu.random import hash_bits, mix_keys, permuted

KEYS = [0, 1, 2, 12345, 2**31, 2**32 - 1]
COUNT = 4000
int64s = st.integers(-(2**63), 2**63 - 1)


def hashes(counters, key):
    values = (hash_bits(np.uint32(c), np.uint32(key)) for c in counters)
    return np.fromiter(values, np.uint32)


def bits(values):
    """[n, 32] of 0 and 1."""
    return (values[:, None] >> np.arange(32, dtype=np.uint32)) & 1


def permutation(n, key):
    return [permuted(i, n, key) for i in range(n)]


def excess(counts, expected, freedom):
    """Chi-square in standard deviations above its mean."""
    chi_square = ((counts - expected) ** 2 / expected).sum()
    return (chi_square - freedom) / np.sqrt(2 * freedom)


@pytest.mark.parametrize("key", KEYS)
def test_every_bit_of_the_hash_is_balanced(key):
    share = bits(hashes(range(COUNT), key)).mean(axis=0)
    assert np.abs(share - 0.5).max() < 4.5 * 0.5 / np.sqrt(COUNT)


@pytest.mark.parametrize("key", KEYS)
def test_no_two_bits_go_together(key):
    signs = 2.0 * bits(hashes(range(COUNT), key)) - 1
    correlation = signs.T @ signs / COUNT - np.eye(32)
    assert np.abs(correlation).max() < 5.5 / np.sqrt(COUNT)


@pytest.mark.parametrize("bit", [0, 1, 15, 31])
def test_one_bit_of_the_counter_turns_half_of_the_hash(bit):
    counters = np.arange(1000, dtype=np.uint32)
    turned = hashes(counters, 7) ^ hashes(counters ^ np.uint32(1 << bit), 7)
    share = bits(turned).mean(axis=0)
    assert np.abs(share - 0.5).max() < 0.09


def test_hashes_of_two_keys_are_unrelated():
    different = bits(hashes(range(COUNT), 3) ^ hashes(range(COUNT), 4)).mean(axis=0)
    assert np.abs(different - 0.5).max() < 4.5 * 0.5 / np.sqrt(COUNT)


def test_hash_is_one_to_one_in_the_counter():
    assert len(set(hashes(range(COUNT), 99).tolist())) == COUNT


@given(n=st.integers(1, 300), key=int64s)
def test_permutation_is_a_bijection(n, key):
    assert sorted(permutation(n, key)) == list(range(n))


@pytest.mark.parametrize("n", [1023, 1024, 1025, 4097, 60_000])
def test_permutation_of_many(n):
    order = permutation(n, 77)
    assert sorted(order) == list(range(n))
    # Neighbours are torn apart: a random order has one step of 1 in n/2.
    assert (np.abs(np.diff(order)) == 1).sum() < 15


@given(n=st.integers(30, 300), key=int64s)
def test_permutation_depends_on_the_key_and_nothing_else(n, key):
    first = permutation(n, key)
    assert first == permutation(n, key)
    for other in (key ^ 1, key ^ (1 << 40)):
        assert first != permutation(n, other)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 16, 17])
def test_every_place_is_equally_likely(n):
    """Over keys, as an epoch's order is drawn: from `mix_keys` of the run's key."""
    orders = [permutation(n, mix_keys(31, epoch)) for epoch in range(COUNT)]
    counts = np.zeros((n, n))
    for order in orders:
        counts[np.arange(n), order] += 1
    assert excess(counts, COUNT / n, (n - 1) ** 2) < 5


@pytest.mark.parametrize("n", [5, 10, 16])
def test_every_pair_of_places_is_equally_likely(n):
    orders = np.array([permutation(n, mix_keys(8, e)) for e in range(COUNT)])
    counts = np.zeros((n, n))
    np.add.at(counts, (orders[:, 0], orders[:, 1]), 1)
    pairs = counts[~np.eye(n, dtype=bool)]
    assert not np.diag(counts).any()
    assert excess(pairs, COUNT / pairs.size, pairs.size - 1) < 5


@given(key=int64s, salt=st.integers(0, 2**31))
def test_mixed_keys_change_with_either_argument(key, salt):
    mixed = mix_keys(key, salt)
    assert mixed == mix_keys(key, salt)
    assert mixed != mix_keys(key, salt + 1)
    assert mixed != mix_keys(key ^ 1, salt)


def test_mixed_keys_do_not_repeat():
    keys = {mix_keys(k, salt) for k in range(40) for salt in range(100)}
    assert len(keys) == 4000
