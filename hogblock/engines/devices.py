"""CUDA devices by name, and the options of one; nothing here asks for a driver."""

import re
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

MOST_THREADS = 256
"""That kernels are compiled for: two such blocks share a multiprocessor's registers."""


class DeviceOptions:
    """Base of objects that name a device and say how to use it.

    Attributes
    ----------
    prefix : str
        Of the engine, in ``registry.ENGINES``.
    """

    prefix: ClassVar[str]


@dataclass(frozen=True)
class Cuda(DeviceOptions):
    """A CUDA device, and how to use it.

    Parameters
    ----------
    index : int, default=0
        Number of the device, as CUDA counts.
    blocks_per_worker : int, default=None
        Thread blocks of one worker, which work on a minibatch together; None lets the
        engine choose.
    writes : {"add", "store"}, default="add"
        "add" loses no update of workers that write the same parameters; plain stores
        may lose some.
    launch : {"persistent", "graph"}, default="persistent"
        "persistent": one kernel runs many steps; "graph": layer by layer, in CUDA
        graphs, on one device only.
    threads : int, default=256
        Threads of a block, a power of two.

    Examples
    --------
    >>> from hogblock import Cuda, MLPClassifier
    >>> model = MLPClassifier(device=Cuda(0, writes="store"))
    """

    __module__ = "hogblock"

    index: int = 0
    blocks_per_worker: int | None = None
    writes: str = "add"
    launch: str = "persistent"
    threads: int = 256

    prefix: ClassVar[str] = "cuda"

    def __post_init__(self):
        _check(self, "index", _is_whole(self.index, 0), "a whole number from 0 on")
        _check(
            self,
            "blocks_per_worker",
            self.blocks_per_worker is None or _is_whole(self.blocks_per_worker, 1),
            "None or a whole number above 0",
        )
        _check(self, "writes", self.writes in ("add", "store"), "'add' or 'store'")
        _check(
            self,
            "launch",
            self.launch in ("persistent", "graph"),
            "'persistent' or 'graph'",
        )
        _check(
            self,
            "threads",
            _is_whole(self.threads, 1)
            and self.threads <= MOST_THREADS
            and self.threads & (self.threads - 1) == 0,
            f"a power of two of at most {MOST_THREADS}",
        )

    @property
    def name(self) -> str:
        """As in ``device="cuda:0"``."""
        return f"cuda:{self.index}"


def _is_whole(value, least: int) -> bool:
    return (
        isinstance(value, Integral)
        and not isinstance(value, bool)
        and int(value) >= least
    )


def _check(device: Cuda, name: str, valid: bool, allowed: str) -> None:
    if not valid:
        raise ValueError(f"{name}={getattr(device, name)!r} of Cuda must be {allowed}")


def simulated() -> bool:
    """Whether Numba simulates CUDA: device arrays are NumPy arrays then."""
    from numba import config  # late: `hogblock.Cuda` needs no compiler

    return bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]  # set by name


def cuda_devices(device) -> tuple[Cuda, ...]:
    """The CUDA devices that `device` of an estimator names; none if it names others."""
    several = isinstance(device, (list, tuple))
    wanted = device if several else (device,)
    found = tuple(cuda for cuda in map(_named, wanted) if cuda is not None)
    return found if len(found) == len(wanted) else ()


def _named(device) -> Cuda | None:
    if isinstance(device, Cuda):
        return device
    match = (
        re.fullmatch(r"cuda(?::(\d+))?", device) if isinstance(device, str) else None
    )
    return Cuda(int(match[1] or 0)) if match else None
