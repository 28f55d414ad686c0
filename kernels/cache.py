"""The disk cache behind every kernel, of the host and of CUDA devices.

Numba's own cache key covers a function's file alone, so an edit of a callee in another
file would leave stale machine code. Here every kernel is stamped with a hash of all
kernel sources: any edit recompiles, nothing else does.

A cache may be damaged, full, or another user's. Whatever is wrong with it costs a
compilation and a warning, never a fit. One that anybody else could have written to is
not used: it is code that would be run.
"""

import contextlib
import hashlib
import os
import pickle
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from hogblock.kernels.say import say
from hogblock.kernels.trust import risk_of
from hogblock.kernels.warn import warn

DIGEST = hashlib.sha256


def _sources(folder: Traversable) -> Iterator[Traversable]:
    """Source files of a package and those in it, on disk or in an archive."""
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir():
            yield from _sources(each)
        elif each.name.endswith(".py"):
            yield each


def _hash_of_sources() -> str:
    digest = DIGEST()
    for source in _sources(files(__package__)):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


SOURCE_STAMP = _hash_of_sources()

_warned = False
_risk: str | None = None
"""Why a folder for the cache is not used, if there is one."""


def _warn(folder: str, error: Exception) -> None:
    """Warn of a cache that does not work, once in a process."""
    global _warned
    if _warned:
        return
    _warned = True
    warn(
        f"hogblock: the kernel cache in {folder} does not work "
        f"({type(error).__name__}: {error}); kernels that it lacks are compiled again, "
        "and replaced in it if they can be. If this comes back, make room there, "
        "delete its .nbi and .nbc files, or let NUMBA_CACHE_DIR name another folder.",
        RuntimeWarning,
    )


class _Entries:
    """For Numba's files of a kernel: what cannot be read is missing, and replaced."""

    def load(self, key):
        name = self._load_index().get(key)
        if name is None:
            return None
        try:
            return self._load_data(name)
        except FileNotFoundError:  # removed, or never written, since the index was
            return None
        except Exception as error:  # damaged pickles raise whatever they like
            _warn(self._cache_path, error)
            return None

    def holds(self, description) -> bool:
        """Whether there is an entry for a processor, with any types of arguments."""
        return any(
            key[1:3] == description and os.path.exists(self._data_path(name))
            for key, name in self._load_index().items()
        )

    def _load_index(self):
        try:
            return dict(super()._load_index())
        except (AttributeError, ImportError):  # of other sources: it names what is gone
            return {}
        except Exception as error:
            _warn(self._cache_path, error)
            return {}

    def _save_data(self, name, data):
        packed = self._dump(data)
        super()._save_data(name, (DIGEST(packed).digest(), packed))

    def _load_data(self, name):
        digest, packed = super()._load_data(name)
        if DIGEST(packed).digest() != digest:  # LLVM would crash on it, or run it
            raise ValueError(f"the checksum of {name} is wrong")
        return pickle.loads(packed)


def kept_on_disk(cache_class, file_class):
    """The cache class that works as this module says.

    cache_class, file_class : Numba's own, or those of numba-cuda.
    """
    entries_class = type("Entries", (_Entries, file_class), {})

    class Kept(cache_class):
        def __init__(self, function):
            super().__init__(function)
            name = self._impl.filename_base
            self._cache_file = entries_class(self._cache_path, name, SOURCE_STAMP)

        def holds(self, codegen) -> bool:
            return self._cache_file.holds(self._index_key(None, codegen)[1:3])

        def _load_overload(self, signature, target_context):
            try:
                return super()._load_overload(signature, target_context)
            except Exception as error:
                _warn(self._cache_path, error)
                return None

        def save_overload(self, signature, data):
            try:
                super().save_overload(signature, data)
            except Exception as error:
                _warn(self._cache_path, error)

    return Kept


def attach(compiled, cache_class, function) -> None:
    """Give what Numba compiles a cache, if there is a folder for one.

    Beside the source it is as safe as Python's own compiled files, which lie there too.
    """
    global _risk
    with contextlib.suppress(RuntimeError):  # "no locator available"
        found = cache_class(function)
        risk = None if _beside(function, found) else risk_of(found.cache_path)
        if risk is None:
            compiled._cache = found
        else:
            _risk = risk


def _beside(function, found) -> bool:
    return Path(found.cache_path).parent == Path(function.__code__.co_filename).parent


def obstacle() -> str:
    """Why there is no cache, where there is none, and what helps."""
    if _risk is None:
        return "no folder for a cache is writable: let NUMBA_CACHE_DIR name one"
    return (
        f"{_risk}, and a cache is code that is run: change that, or let "
        "NUMBA_CACHE_DIR name another folder"
    )


def is_cached(compiled) -> bool:
    """Whether machine code of these very sources, for this processor, lies on disk."""
    holds = getattr(compiled._cache, "holds", None)
    target = getattr(compiled, "targetdescr", None) or compiled._targetdescr
    return holds is not None and holds(target.target_context.codegen())


def announce(what: str, folder: str | None) -> None:
    """Say on stderr, if there is one, that kernels are compiled, and how often."""
    often = f"once (cache: {folder})"
    if folder is None:
        often = f"in every process anew, as {obstacle()}"
    say(f"hogblock: compiling {what}, {often}")
