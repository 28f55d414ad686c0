"""The processor at hand: the register tile, block sizes, thresholds and distances.

Everything that another processor might want otherwise stands here and nowhere else, as
the context of a BLIS kernel set does.
"""

import os
from typing import NamedTuple

import llvmlite.binding as llvm
from numba.core import config


class TileShape(NamedTuple):
    """Shape of the register tile: accumulators must leave room for the operands.

    Attributes
    ----------
    lanes : int
        float32 in one vector register.
    rows : int
        Rows of the output held in registers.
    vectors : int
        Vectors in one such row.
    """

    lanes: int
    rows: int
    vectors: int


def tile_shape(features: dict[str, bool], architecture: str) -> TileShape:
    """Choose the tile from LLVM's feature names.

    Parameters
    ----------
    features : dict of str to bool
        What ``llvmlite.binding.get_host_cpu_features`` returns.
    architecture : str
        First part of the target triple, such as ``"x86_64"`` or ``"aarch64"``.
    """
    if features.get("avx512f"):  # 32 registers: 16 accumulators, 2 + 1 operands
        return TileShape(16, 8, 2)
    if features.get("avx2") and features.get("fma"):  # 16 registers: 12 + 2 + 1
        return TileShape(8, 6, 2)
    if architecture in ("aarch64", "arm64"):  # 32 registers of 4 lanes: 24 + 4 + 1
        return TileShape(4, 6, 4)
    return TileShape(4, 2, 4)  # SSE2, 16 registers: 8 + 4 + 1


def host_features() -> dict[str, bool]:
    """Vector features that the compiler may use, after Numba's own settings."""
    if config.CPU_FEATURES is not None:
        return {
            name[1:]: name[0] == "+" for name in config.CPU_FEATURES.split(",") if name
        }
    if os.environ.get("NUMBA_CPU_NAME") == "generic":
        return {}
    return dict(llvm.get_host_cpu_features())


ARCHITECTURE = llvm.get_default_triple().split("-")[0]
TILE = tile_shape(host_features(), ARCHITECTURE)

# First cache level (32 to 48 kB, 8,192 float32 and more) -----------------------------
BAND = 4096
"""float32 of a sample before pooling that stay in it, beside the packed image."""

MEAN_CHUNK = 2048
"""float32 of a mean gradient that stay in it from sum to update, with w and u."""

# Second cache level ------------------------------------------------------------------
WINOGRAD_SIZE = 4096
"""Patches x channels of one Winograd product, sixteen places of each: 256 kB."""

# Prefetching -------------------------------------------------------------------------
PREFETCH_AHEAD = 24
"""K steps of the register tile before a line of B is used: some 100 ns of them."""

SAMPLES_AHEAD = 4
"""Rows of X that are asked for before they are gathered."""

# When a way of computing pays --------------------------------------------------------
WINOGRAD_LEAST_PIXELS = 16
"""Output pixels of an image that is worth transforming."""

LIST_COST = 6
"""Of an entry in a list of maxima, in multiply-adds of a vector."""

REDUCTION_CHAINS = 4
"""Independent sums of a reduction, as an addition takes some cycles."""

# Reading past the end ----------------------------------------------------------------
SLACK = 64
"""float32 behind a packed image that vectors may read and never use: a wide row."""
