"""The one decorator of every CPU kernel."""

import functools
import sys

from numba import njit
from numba.core import config
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.ccallback import CFunc

from hogblock.kernels import cache

# NaN and infinity keep their meaning ("nnan" and "ninf" are left out on purpose):
# divergence has to stay visible.
FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

_KernelCache = cache.kept_on_disk(FunctionCache, IndexDataCacheFile)


def _obstacle() -> str | None:
    if config.DISABLE_JIT:
        return (
            "hogblock's kernels only run compiled, and NUMBA_DISABLE_JIT forbids to "
            "compile them: unset it"
        )
    if sys.platform == "win32":
        return (
            "hogblock's kernels do not run on Windows (they need POSIX threads and "
            "shared memory): use Linux, in WSL 2 for example"
        )
    return None


OBSTACLE = _obstacle()
"""Why kernels cannot run here; None where they can."""


def check_runnable() -> None:
    """Make sure that kernels can run here.

    Raises
    ------
    ImportError
        Under ``NUMBA_DISABLE_JIT``, and on Windows.
    """
    if OBSTACLE:
        raise ImportError(OBSTACLE)


def kernel(function, inline="never", fastmath=FASTMATH, **more):
    """Compile `function` without the GIL, at its first call, cached on disk.

    Where no directory is writable the kernel works uncached; ``NUMBA_CACHE_DIR``
    names another one. Where kernels cannot run, calls raise what `check_runnable` does.
    """
    if OBSTACLE:
        return functools.wraps(function)(lambda *_, **__: check_runnable())
    options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    dispatcher = njit(inline=inline, **options, **more)(function)
    cache.attach(dispatcher, _KernelCache, function)
    return dispatcher


def part(function):
    """A kernel that becomes part of its only caller, not compiled for itself."""
    return kernel(function, inline="always")


def exact(function):
    """A kernel in plain IEEE arithmetic: NumPy's bits, operation by operation.

    It allocates nothing, so Numba need not count who holds an array: that would cost
    more than all else where many go from function to function in a tuple.
    """
    return kernel(function, fastmath=False, _nrt=False)


def callback(function, signature, fastmath=FASTMATH):
    """`function` for calls by address, cached on disk; compiled by ``compile()``."""
    options = {"error_model": "numpy", "fastmath": fastmath}
    result = CFunc(function, (signature.args, signature.return_type), {}, options)
    cache.attach(result, _KernelCache, function)
    return result
