"""``hogblock info``: processor, tile, cache, memory and CUDA devices, or a plan."""

import argparse
import timeit
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from hogblock.cli.output import put

BATCH = 64  # of the plan that info prints, and of the matrix product that it times
N_IN, N_OUT = 784, 256


def info(options: argparse.Namespace) -> None:
    """Print what matters for speed, and for a bug report; or a network's plan."""
    if options.plan:
        put(_plan_of(options.plan))
        return
    for label, text in _facts():
        put(f"{label:<20}{text}")


def _plan_of(name: str) -> str:
    """A ready network, and the operations of a step on its default images."""
    from hogblock import models
    from hogblock.models.plan import make_plan

    network = getattr(models, name)()
    plan = make_plan(network, BATCH, "softmax")
    return f"{name} on images of shape {network.input_shape}\n\n{plan.describe()}"


def _facts():
    """Pairs of label and text, the slow ones last."""
    import joblib
    import llvmlite.binding as llvm
    import numba
    import sklearn

    import hogblock
    from hogblock.engines.cuda import availability
    from hogblock.kernels.cache import obstacle
    from hogblock.kernels.cpu.host import TILE
    from hogblock.kernels.cpu.jit import OBSTACLE
    from hogblock.kernels.cpu.warmup import cache_state

    yield "hogblock", hogblock.__version__
    yield "numba", numba.__version__
    yield "numpy", np.__version__
    yield "scikit-learn", sklearn.__version__
    yield "processor", _processor()
    yield "LLVM name", llvm.get_host_cpu_name()
    yield "cores usable", str(joblib.cpu_count())
    yield "vectors", f"{32 * TILE.lanes} bits ({TILE.lanes} float32)"
    yield "tile", f"{TILE.rows} rows x {TILE.vectors} vectors"
    if OBSTACLE:
        yield "kernels", f"do not run here: {OBSTACLE}"
    else:
        state = cache_state()
        yield "kernel cache", state.path or f"none: {obstacle()}"
        yield (
            "kernels compiled",
            _compiled(state.complete, cache_state(images=False).complete),
        )
    yield "memory for workers", _memory_room()
    yield from availability.state()
    if OBSTACLE:
        return
    tile, blas = _matmul_rates()
    yield (
        f"{BATCH}x{N_IN} . {N_IN}x{N_OUT}",
        f"tile {tile:.0f} GF/s, numpy's BLAS {blas:.0f} GF/s, one thread each",
    )


def _compiled(all_of_them: bool, those_of_rows: bool) -> str:
    if all_of_them:
        return "yes"
    if those_of_rows:
        return "yes, but for images: the first fit to some will"
    return "no: the first fit will"


def _processor() -> str:
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_room() -> str:
    from hogblock.engines.cpu.available import available_memory

    room = available_memory()
    return f"{room / 2**30:.1f} GiB free" if isfinite(room) else "unknown"


def _matmul_rates() -> tuple[float, float]:
    """GF/s of the register tile and of numpy's BLAS, on one thread."""
    from threadpoolctl import threadpool_limits

    from hogblock.engines.cpu.memory import private_arrays
    from hogblock.kernels.cpu.dense import dense_forward
    from hogblock.kernels.ops import LINEAR

    arrays = private_arrays(
        {
            "x": ((BATCH, N_IN), "f4"),
            "w": ((N_IN, N_OUT), "f4"),
            "b": ((N_OUT,), "f4"),
            "y": ((BATCH, N_OUT), "f4"),
        }
    )
    random = np.random.default_rng(0)
    for name in ("x", "w"):
        random.standard_normal(out=arrays[name], dtype=np.float32)
    x, w, b, y = (arrays[name].ctypes.data for name in "xwby")
    one = np.float32(1)
    tile = _gigaflops(
        lambda: dense_forward(x, N_IN, w, b, y, N_OUT, BATCH, N_IN, LINEAR, one)
    )
    with threadpool_limits(1, user_api="blas"):
        blas = _gigaflops(lambda: np.matmul(arrays["x"], arrays["w"], out=arrays["y"]))
    return tile, blas


def _gigaflops(product: Callable[[], Any]) -> float:
    product()  # compiles or loads, and warms the caches
    calls = 20
    seconds = min(timeit.repeat(product, number=calls, repeat=20)) / calls
    return 2e-9 * BATCH * N_IN * N_OUT / seconds
