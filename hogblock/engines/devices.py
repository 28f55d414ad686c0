"""Which device trains: the host's processor, or CUDA devices.

Nothing here imports a CUDA package or asks the driver before a device is wanted.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral

MOST_THREADS = 256
"""That kernels are compiled for: two such blocks share a multiprocessor's registers."""
DLPACK_CUDA = 2
"""Code of CUDA memory in ``__dlpack_device__``."""

ALLOWED = "'cpu', 'auto', 'cuda', 'cuda:N', hogblock.Cuda(...), or a list of the last 3"


@dataclass(frozen=True)
class Cuda:
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
        isinstance(value, Integral) and not isinstance(value, bool) and value >= least
    )


def _check(device: Cuda, name: str, valid: bool, allowed: str) -> None:
    if not valid:
        raise ValueError(f"{name}={getattr(device, name)!r} of Cuda must be {allowed}")


def simulated() -> bool:
    """Whether Numba simulates CUDA: device arrays are NumPy arrays then."""
    from numba import config

    return bool(config.ENABLE_CUDASIM)


# Choosing -------------------------------------------------------------------------


def resolve(device, X=None) -> tuple[Cuda, ...]:
    """The CUDA devices of a run on X, all of them usable; none for the host.

    Parameters
    ----------
    device : str, Cuda or sequence of these
        "cpu", "auto", "cuda", "cuda:N", a `Cuda`, or several of the last three. "auto"
        is the device of X if that is a device array, else the first device if it can
        be used and is not simulated, else the host.
    X : array-like, default=None

    Raises
    ------
    ValueError
        If `device` is unknown, or X lies elsewhere.
    DeviceUnavailableError
        Says which package, driver or device is missing, and what mends it.
    """
    devices = named_devices(device)
    if devices:
        _check_available(devices)
        if is_device_array(X) and index_of(X) not in {d.index for d in devices}:
            raise ValueError(
                f"X is on {place_of(X)}, and device={device!r}: pass "
                f"device={place_of(X)!r}, or copy X"
            )
        return devices
    if device == "cpu":
        if is_device_array(X):
            raise ValueError(
                f"X is on {place_of(X)}, and device='cpu': pass device='cuda' or "
                "'auto', or a copy of X on the host"
            )
        return ()
    if is_device_array(X):
        return (device_of(X),)
    from hogblock.engines.cuda.availability import has_card

    return (Cuda(),) if has_card() else ()


def named_devices(device) -> tuple[Cuda, ...]:
    """The CUDA devices that `device` names; none for "cpu" and "auto".

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if device in ("cpu", "auto"):
        return ()
    several = isinstance(device, (list, tuple))
    found = tuple(_named(each) for each in (device if several else (device,)))
    if not found or None in found:
        raise ValueError(f"device={device!r} is unknown; allowed are {ALLOWED}")
    return found


def _named(device) -> Cuda | None:
    if isinstance(device, Cuda):
        return device
    match = (
        re.fullmatch(r"cuda(?::(\d+))?", device) if isinstance(device, str) else None
    )
    return Cuda(int(match[1] or 0)) if match else None


def _check_available(devices: Iterable[Cuda]) -> None:
    from hogblock.engines.cuda.availability import check_available

    check_available(d.index for d in devices)


# Where arrays lie -----------------------------------------------------------------


def is_device_array(x) -> bool:
    """Whether x lies in the memory of a CUDA device."""
    if hasattr(x, "__cuda_array_interface__"):
        return True
    return hasattr(x, "__dlpack_device__") and x.__dlpack_device__()[0] == DLPACK_CUDA


def index_of(x) -> int:
    """Number of the device on which a device array lies."""
    if hasattr(x, "__dlpack_device__"):
        return int(x.__dlpack_device__()[1])
    if simulated():
        return 0
    from cupy.cuda import runtime

    address = x.__cuda_array_interface__["data"][0]
    return int(runtime.pointerGetAttributes(address).device)


def device_of(x) -> Cuda:
    """The device on which a device array lies, with default options.

    Raises
    ------
    DeviceUnavailableError
        If it cannot be used.
    """
    _check_available(())  # `index_of` may need CuPy
    device = Cuda(index_of(x))
    _check_available((device,))
    return device


def place_of(x) -> str:
    """Where x lies, in words: "cuda:0", or "the host"."""
    if not is_device_array(x):
        return "the host"
    try:
        return f"cuda:{index_of(x)}"
    except ImportError:  # only CuPy could tell
        return "a CUDA device"
