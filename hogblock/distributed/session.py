"""A cluster of Ray, and the actors of a fit on it: from the first word to the last."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import hogblock
from hogblock.distributed.node import Node
from hogblock.distributed.options import Ray
from hogblock.distributed.probe import installed
from hogblock.distributed.task import About
from hogblock.errors import DeviceUnavailableError

ANSWER_SECONDS = 10.0
"""That an address, and what it places, may take."""

START_SECONDS = 60.0
"""That a node may take to tell what is installed there, or to be started again."""

SLOTS = 8
"""Calls that a node serves at a time: one trains, one exchanges, the rest is short."""

LOCAL = dict(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
"""How a local Ray is started."""


def ray_module() -> Any:
    """Ray itself.

    Raises
    ------
    DeviceUnavailableError
        If it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise DeviceUnavailableError(
            f"device=Ray(...) needs Ray ({error}): pip install 'hogblock[ray]'"
        ) from error
    return ray


@contextmanager
def connected(options: Ray, cores: int) -> Iterator[bool]:
    """A connection to a cluster, for the block; True if it is a local one made for it.

    Parameters
    ----------
    options : Ray
    cores : int
        That a local one has to offer.

    Raises
    ------
    DeviceUnavailableError
        If the address does not answer.
    """
    ray = ray_module()
    if ray.is_initialized():
        _check_same(ray, options.address)
        yield False
        return
    with _signals_kept():
        local = _connect(ray, options.address, cores)
        try:
            yield local
        finally:
            ray.shutdown()


def _connect(ray, address: str, cores: int) -> bool:
    """Connect, or start a local cluster; whether it is one."""
    wanted = os.environ.get("RAY_ADDRESS", "auto") if address == "auto" else address
    if wanted == "auto":
        with contextlib.suppress(ConnectionError):
            ray.init(address="auto", logging_level="ERROR")
            return False
    elif wanted != "local":
        check_answers(wanted)
        ray.init(address=wanted, logging_level="ERROR")
        return False
    ray.init(address="local", num_cpus=max(cores, os.cpu_count() or 1), **LOCAL)
    return True


def _check_same(ray, address: str) -> None:
    """Refuse another cluster than that to which this process is connected."""
    here = ray.get_runtime_context().gcs_address
    if address != "auto" and address.removeprefix("ray://") != here:
        raise DeviceUnavailableError(
            f"address={address!r} of Ray, and this process is connected to {here}: "
            "call ray.shutdown() first, or pass address='auto'"
        )


def check_answers(address: str) -> None:
    """Make sure that there is a cluster at an address, within `ANSWER_SECONDS`.

    Raises
    ------
    DeviceUnavailableError
        Names the address, and what happened.
    """
    refusal = f"address={address!r} of Ray does not answer"
    end = time.monotonic() + ANSWER_SECONDS
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        raise DeviceUnavailableError(
            f"address={address!r} of Ray is none: it is host:port, 'auto' or 'local'"
        )
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise DeviceUnavailableError(f"{refusal} ({error})") from None
    if address.startswith("ray://"):
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
    with _ended(subprocess.Popen(
        [*command, "--address", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )) as check:  # fmt: skip
        try:
            code = check.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
    if code != 0:
        raise DeviceUnavailableError(f"{refusal} as a cluster of this version of Ray")


@contextmanager
def _ended(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Handlers of SIGTERM and SIGINT, which Ray replaces, are as before after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGTERM, signal.SIGINT)
    before = {name: signal.getsignal(name) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            if handler is not None:
                signal.signal(name, handler)


@contextmanager
def placed(options: Ray, workers: int, local: bool) -> Iterator[Any]:
    """A placement group with a bundle for each node, for the block.

    Parameters
    ----------
    options : Ray
    workers : int
        Cores that a node asks for.
    local : bool
        The cluster was made for the fit.

    Raises
    ------
    DeviceUnavailableError
        If there is no place for so many nodes, with what there is.
    """
    from ray.util.placement_group import placement_group, remove_placement_group

    if hasattr(options.nodes, "bundle_specs"):
        _check_ready(options.nodes, options, workers, "as they are")
        yield options.nodes
        return
    bundle = {"CPU": float(workers)} | ({"GPU": 1.0} if options.uses_cuda else {})
    strategy = options.strategy or ("PACK" if local else "STRICT_SPREAD")
    group = placement_group([bundle] * options.n_nodes, strategy=strategy)
    try:
        _check_ready(group, options, workers, f"strategy={strategy!r}")
        yield group
    finally:
        remove_placement_group(group)


def _check_ready(group, options: Ray, workers: int, how: str) -> None:
    if group.wait(ANSWER_SECONDS):
        return
    ray = ray_module()
    machines = [
        f"{node['NodeManagerHostname']} with "
        + (
            ", ".join(
                f"{node['Resources'][kind]:g} {kind}"
                for kind in ("CPU", "GPU")
                if node["Resources"].get(kind)
            )
            or "no CPU"
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    gpu = " and a GPU" if options.uses_cuda else ""
    raise DeviceUnavailableError(
        f"nodes={options.n_nodes} of {workers} CPU{gpu} each (n_jobs={workers}; {how}) "
        f"have no place: the cluster has {len(machines)} machines, "
        f"{'; '.join(machines)}. Use fewer nodes, a smaller n_jobs, or another "
        "strategy, or wait until others are done"
    )


def hosts_of(handles: list[Any], options: Ray, group, images: bool) -> list[str]:
    """Names of the machines of the nodes, once all are ready.

    Raises
    ------
    DeviceUnavailableError
        If one has not this version of the package: names the node, its machine and what
        differs.
    """
    ray = ray_module()
    try:
        refs = [handle.ready.remote(images) for handle in handles]
        found = [_told(*each, images) for each in zip(handles, refs, strict=True)]
    except ray.exceptions.RayError as error:
        _check_installed(options, group)
        raise DeviceUnavailableError(f"a node does not start: {error}") from None
    if any(about.version != hogblock.__version__ for about in found):
        _check_installed(options, group)
    return [about.host for about in found]


def _told(handle, ref, images: bool) -> About:
    """Where a node is; asked again while Ray starts it again, for `START_SECONDS`."""
    ray = ray_module()
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return ray.get(ref)
        except ray.exceptions.ActorUnavailableError:
            if time.monotonic() > end:
                raise
            ref = handle.ready.remote(images)


def _check_installed(options: Ray, group) -> None:
    """Raise if a node cannot have this version of the package."""
    ray = ray_module()
    from hogblock.distributed import probe

    ray.cloudpickle.register_pickle_by_value(probe)
    try:
        task = ray.remote(installed)
        refs = [
            task.options(
                # The node itself has the cores.
                **_place(options, group, rank) | dict(num_cpus=0, num_gpus=0),
                max_retries=0,
            ).remote()
            for rank in range(options.n_nodes)
        ]
    finally:
        ray.cloudpickle.unregister_pickle_by_value(probe)
    for rank, ref in enumerate(refs):
        try:
            _check_versions(rank, ray.get(ref, timeout=START_SECONDS))
        except ray.exceptions.RayError as error:
            raise DeviceUnavailableError(
                f"node {rank} cannot run anything: {_first_line(error)}"
            ) from None


def _check_versions(rank: int, found: dict[str, str]) -> None:
    """Raise if what is installed on a node does not do."""
    where = f"node {rank} ({found['host']}, Python {found['Python']})"
    here = hogblock.__version__
    if "missing" in found:
        raise DeviceUnavailableError(
            f"{where} cannot import hogblock ({found['missing']}): install "
            f"'hogblock[ray]=={here}' there"
        )
    if found["hogblock"] != here:
        raise DeviceUnavailableError(
            f"{where} has hogblock {found['hogblock']}, and this process {here}: "
            "install the same version"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _place(options: Ray, group, rank: int) -> dict[str, Any]:
    """Options of a task or an actor in a node's bundle."""
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    bundle = group.bundle_specs[rank]
    more = {"runtime_env": options.runtime_env} if options.runtime_env else {}
    return {
        "num_cpus": bundle.get("CPU", 0),
        "num_gpus": bundle.get("GPU", 0) if options.uses_cuda else 0,
        "scheduling_strategy": PlacementGroupSchedulingStrategy(
            group, placement_group_bundle_index=rank
        ),
        **more,
    }


@contextmanager
def actors(options: Ray, group) -> Iterator[list[Any]]:
    """Handles of the nodes, which are gone after the block."""
    ray = ray_module()
    made = []
    try:
        for rank in range(options.n_nodes):
            actor = ray.remote(Node).options(
                **_place(options, group, rank),
                max_concurrency=SLOTS,
                max_restarts=options.max_node_restarts,
                max_task_retries=0,
            )
            made.append(actor.remote())
        yield made
    finally:
        for handle in made:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(handle)


class Session(NamedTuple):
    """The nodes of a fit.

    Attributes
    ----------
    handles : list of actor handles
    hosts : list of str
        Names of their machines.
    """

    handles: list[Any]
    hosts: list[str]


@contextmanager
def session(options: Ray, workers: int, images: bool) -> Iterator[Session]:
    """The nodes of a fit, each with `workers` cores, for the block.

    Parameters
    ----------
    options : Ray
    workers : int
    images : bool
        Whether they need the kernels for images.

    Raises
    ------
    DeviceUnavailableError
        If there is no such cluster, no place on it, or not this package.
    """
    with (
        connected(options, options.n_nodes * workers) as local,
        placed(options, workers, local) as group,
        actors(options, group) as handles,
    ):
        yield Session(handles, hosts_of(handles, options, group, images))
