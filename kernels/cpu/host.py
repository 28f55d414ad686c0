"""Sizes of the register tile for the processor at hand."""

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
