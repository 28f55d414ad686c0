"""What a CUDA run needs: two packages, a driver, a card that is new enough."""

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from hogblock.engines.devices import simulated
from hogblock.errors import DeviceUnavailableError

OLDEST = (8, 0)
"""Compute capability from which on the kernels' instructions are there."""

CAPABILITY = (75, 76)
"""cudaDevAttrComputeCapabilityMajor and ...Minor."""

INSTALL = (
    "pip install 'hogblock[cuda13]' (or 'hogblock[cuda12]' for drivers older than 580)"
)
PACKAGES = ("numba-cuda", "cupy-cuda13x", "cupy-cuda12x", "cupy")


def check_available(indices: Iterable[int]) -> None:
    """Make sure that these devices can be used; in the simulator all can.

    Raises
    ------
    DeviceUnavailableError
        Says what is missing first, and what mends it.
    """
    if simulated():
        return
    runtime = _runtime()
    count = _cards(runtime)
    for index in indices:
        if index >= count:
            raise DeviceUnavailableError(
                f"there is no cuda:{index}: CUDA finds {count} "
                f"device{'s' if count > 1 else ''}, cuda:0"
                + (f" to cuda:{count - 1}" if count > 1 else "")
            )
        capability = _capability(runtime, index)
        if capability < OLDEST:
            raise DeviceUnavailableError(
                f"cuda:{index} is too old: {_card_name(runtime, index)} has compute "
                f"capability {_dotted(capability)}, and {_dotted(OLDEST)} or more is "
                "needed; pass device='cpu'"
            )


def has_card() -> bool:
    """Whether the first device can be used, and is a real one."""
    if simulated():
        return False
    try:
        check_available([0])
    except DeviceUnavailableError:
        return False
    return True


def state() -> Iterator[tuple[str, str]]:
    """Label and text of the packages, the driver and the devices; never raises."""
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
    if simulated():
        yield "GPU", "simulated by Numba (NUMBA_ENABLE_CUDASIM)"
        return
    try:
        runtime = _runtime()
        count = _cards(runtime)
    except DeviceUnavailableError as error:
        yield "GPU", f"none: {error}"
        return
    yield "CUDA of the driver", _cuda(runtime.driverGetVersion())
    for index in range(count):
        capability = _dotted(_capability(runtime, index))
        text = f"{_card_name(runtime, index)}, compute capability {capability}"
        try:
            check_available([index])
        except DeviceUnavailableError:
            text += f": too old, {_dotted(OLDEST)} is needed"
        yield f"cuda:{index}", text


def _runtime():
    """CuPy's CUDA runtime; both packages are there."""
    if find_spec("numba_cuda") is None:
        raise DeviceUnavailableError(f"the package numba-cuda is missing: {INSTALL}")
    try:
        import cupy
    except ImportError as error:
        raise DeviceUnavailableError(
            f"the package CuPy cannot be imported ({error}): {INSTALL}"
        ) from error
    return cupy.cuda.runtime


def _cards(runtime) -> int:
    """How many devices CUDA finds: at least one."""
    driver = runtime.driverGetVersion()
    if driver == 0:
        raise DeviceUnavailableError(
            "no NVIDIA driver was found: install the driver of your card from "
            "https://www.nvidia.com/drivers, until nvidia-smi lists the card"
        )
    built = runtime.runtimeGetVersion()
    if driver // 1000 < built // 1000:
        raise DeviceUnavailableError(
            f"the NVIDIA driver knows CUDA {_cuda(driver)}, and CuPy is built for CUDA "
            f"{_cuda(built)}: update the driver, or pip uninstall cupy-cuda13x and "
            "pip install 'hogblock[cuda12]'"
        )
    try:
        count = runtime.getDeviceCount()
    except RuntimeError as error:
        raise DeviceUnavailableError(
            f"CUDA finds no device ({error}): see whether nvidia-smi lists one, and "
            "what CUDA_VISIBLE_DEVICES says"
        ) from error
    return count


def _capability(runtime, index: int) -> tuple[int, int]:
    major, minor = (runtime.deviceGetAttribute(code, index) for code in CAPABILITY)
    return major, minor


def _card_name(runtime, index: int) -> str:
    return runtime.getDeviceProperties(index)["name"].decode()


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


def _cuda(number: int) -> str:
    """CUDA's version from its number, such as 13020."""
    return f"{number // 1000}.{number % 1000 // 10}"
