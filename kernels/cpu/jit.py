"""The one decorator of every CPU kernel, and the disk cache behind it.

Numba's own cache key covers a function's file alone, so an edit of a callee in another
file would leave stale machine code. Here every kernel is stamped with a hash of all
kernel sources: any edit recompiles, nothing else does.
"""

import hashlib
from pathlib import Path

from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.ccallback import CFunc

# NaN and infinity keep their meaning ("nnan" and "ninf" are left out on purpose):
# divergence has to stay visible.
FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


def _hash_of_sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


SOURCE_STAMP = _hash_of_sources()


def _stamped(locator_class):
    return type(
        f"Stamped{locator_class.__name__}",
        (locator_class,),
        {"get_source_stamp": lambda self: SOURCE_STAMP},
    )


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_stamped(c) for c in CompileResultCacheImpl._locator_classes]


class _KernelCache(FunctionCache):
    _impl_class = _KernelCacheImpl


def kernel(function, inline="never"):
    """Compile `function` without the GIL, at its first call, cached on disk.

    Where no directory is writable the kernel works uncached; ``NUMBA_CACHE_DIR``
    names another one.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": FASTMATH}
    dispatcher = njit(inline=inline, **options)(function)
    try:
        dispatcher._cache = _KernelCache(function)
    except RuntimeError:  # "no locator available"
        pass
    return dispatcher


def part(function):
    """A kernel that becomes part of its only caller, not compiled for itself."""
    return kernel(function, inline="always")


def callback(function, signature):
    """`function` for calls by address, cached on disk; compiled by ``compile()``."""
    options = {"error_model": "numpy", "fastmath": FASTMATH}
    result = CFunc(function, (signature.args, signature.return_type), {}, options)
    try:
        result._cache = _KernelCache(function)
    except RuntimeError:  # "no locator available"
        pass
    return result


def is_cached(kernel) -> bool:
    """Whether machine code of these very sources lies on disk."""
    cache_file = getattr(kernel._cache, "_cache_file", None)
    return cache_file is not None and bool(cache_file._load_index())
