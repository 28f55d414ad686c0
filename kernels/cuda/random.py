"""The hash and the permutation of ``kernels.cpu.random``, to the bit, on a card."""

from hogblock.kernels.cuda.integers import int32, int64, uint32
from hogblock.kernels.cuda.jit import part


@part
def hash_bits(counter, key):
    """32 random bits of (counter, key), both uint32."""
    h = uint32(counter ^ key)
    h = uint32((h ^ (h >> uint32(17))) * uint32(0xED5AD4BB))
    h = uint32((h ^ (h >> uint32(11))) * uint32(0xAC4C1B51))
    h = uint32((h ^ (h >> uint32(15))) * uint32(0x31848BAB))
    return uint32(h ^ (h >> uint32(14)) ^ uint32(key * uint32(0x9E3779B9)))


@part
def permuted(index, n, low_key, high_key):
    """Where `index` goes in a random permutation of range(n); the key in two uint32."""
    half = 1  # bits of each half
    while (int64(1) << (2 * half)) < n:
        half += 1
    mask = uint32((1 << half) - 1)
    value = int64(index)
    turns = 8 if half <= 6 else 4
    while True:
        left = uint32(value >> half)
        right = uint32(value) & mask
        for turn in range(turns):
            turn_key = uint32(low_key + uint32(turn * 0x9E3779B9))
            mixed = hash_bits(uint32(right ^ high_key), turn_key) & mask
            other = uint32(left ^ mixed)
            left = right
            right = other
        value = (int64(left) << half) | int64(right)
        if value < n:
            return value


@part
def below(bits, end):
    """An integer in [0, end) from 32 random bits."""
    return int32((int64(uint32(bits)) * int64(end)) >> 32)
