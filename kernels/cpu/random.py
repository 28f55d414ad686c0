"""Stateless random numbers: a keyed hash, and a random permutation evaluated by index.

Nothing is stored or locked: every worker computes the same shuffled order of an epoch
from its key alone, one index at a time.
"""

import numpy as np

from hogblock.kernels.cpu.jit import kernel


@kernel
def hash_bits(counter, key):
    """32 random bits of (counter, key), both uint32.

    Two rounds of Wellons' ``triple32`` family ("Prospecting for hash functions", 2018).
    """
    h = np.uint32(counter ^ key)
    h = np.uint32((h ^ (h >> np.uint32(17))) * np.uint32(0xED5AD4BB))
    h = np.uint32((h ^ (h >> np.uint32(11))) * np.uint32(0xAC4C1B51))
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(0x31848BAB))
    return np.uint32(h ^ (h >> np.uint32(14)) ^ (key * np.uint32(0x9E3779B9)))


@kernel
def permuted(index, n, key):
    """Where `index` goes in a random permutation of range(n), chosen by the int64 key.

    A balanced Feistel network on the smallest even number of bits that holds n, walked
    until it lands inside (Black and Rogaway, "Ciphers with arbitrary finite domains",
    2002): at most four walks on average.
    """
    half = 1  # bits of each half
    while (1 << (2 * half)) < n:
        half += 1
    mask = np.uint32((1 << half) - 1)
    low_key = np.uint32(key & 0xFFFFFFFF)
    high_key = np.uint32((key >> 32) & 0xFFFFFFFF)
    value = index
    turns = 8 if half <= 6 else 4  # halves of few bits need more rounds to mix
    while True:
        left = np.uint32(value >> half)
        right = np.uint32(value) & mask
        for turn in range(turns):
            turn_key = np.uint32(low_key + np.uint32(turn) * np.uint32(0x9E3779B9))
            mixed = hash_bits(np.uint32(right ^ high_key), turn_key) & mask
            left, right = right, np.uint32(left ^ mixed)
        value = (np.int64(left) << half) | np.int64(right)
        if value < n:
            return value


@kernel
def mix_keys(key, salt):
    """Another int64 key of (key, salt), as splitmix64 does (Steele et al., 2014)."""
    z = np.uint64(key) + np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(z ^ (z >> np.uint64(31)))
