"""The options of ``device=Ray(...)``; nothing here asks for a cluster."""

from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, ClassVar

from hogblock.distributed.averaging import Averaging
from hogblock.engines.devices import DeviceOptions, cuda_devices

STRATEGIES = ("STRICT_SPREAD", "SPREAD", "PACK", "STRICT_PACK")
SAMPLING = ("auto", "all", "own")


@dataclass(frozen=True)
class Ray(DeviceOptions):
    """Several machines of a Ray cluster: a ``device`` of all estimators.

    Every node trains a model of its own with ``n_jobs`` workers, and exchanges it with
    the others beside them, see `Averaging`. -1 counts the cores of this machine.

    Parameters
    ----------
    nodes : int or ray.util.placement_group.PlacementGroup, default=2
        How many; or a placement group with a bundle for each, which is left as it is.
    address : str, default="auto"
        Of the cluster, as for ``ray.init``. "auto" is that to which this process is
        connected, else one that runs on this machine (or ``RAY_ADDRESS``), else a local
        one, which is started for the fit and ended with it. "local" is such a one.
    strategy : str or None, default=None
        How Ray places the nodes: "STRICT_SPREAD" (no two on a machine), "SPREAD",
        "PACK", "STRICT_PACK". None: the first on a cluster, "PACK" on a local one that
        was started for the fit.
    device : str or Cuda, default="cpu"
        Of each node: its processes, or one CUDA device; as ``device`` of an estimator.
        Nodes on CUDA devices ask for one GPU each.
    sampling : {"auto", "all", "own"}, default="auto"
        "all": each node draws its minibatches from all samples, of which every node
        has a copy; in an epoch none is drawn twice. "own": each has a part, dealt at
        random, and passes over it in each epoch. "auto": "own" for `Parts`, else "all".
    averaging : Averaging, default=Averaging()
    min_nodes : int, default=1
        The fit goes on while so many nodes live, or may come back.
    max_node_restarts : int, default=3
        How often Ray starts a node again that was lost. It goes on from the last
        average, at the next epoch.
    runtime_env : dict or None, default=None
        Of the nodes' processes, see Ray.

    Raises
    ------
    ValueError
        If an option is impossible; names it.

    Notes
    -----
    A node's momentum and thinning stay with it. With ``partial_fit`` and warm starts,
    momentum begins at zero. Asynchronous nodes are not reproducible.

    Examples
    --------
    >>> from hogblock import MLPClassifier
    >>> from hogblock.distributed import Averaging, Ray
    >>> device = Ray(nodes=4, averaging=Averaging(compression="bfloat16"))
    >>> model = MLPClassifier(device=device, n_jobs=8)
    """

    __module__ = "hogblock.distributed"
    prefix: ClassVar[str] = "ray"

    nodes: Any = 2
    address: str = "auto"
    strategy: str | None = None
    device: Any = "cpu"
    sampling: str = "auto"
    averaging: Averaging = field(default_factory=Averaging)
    min_nodes: int = 1
    max_node_restarts: int = 3
    runtime_env: dict | None = None

    def __post_init__(self):
        placed = hasattr(self.nodes, "bundle_specs")
        self._check(
            "nodes",
            placed or _is_whole(self.nodes, 1),
            "a whole number above 0, or a placement group of Ray",
        )
        self._check("address", isinstance(self.address, str), "a str")
        self._check(
            "strategy",
            self.strategy is None or self.strategy in STRATEGIES,
            f"None or one of {', '.join(map(repr, STRATEGIES))}",
        )
        self._check(
            "device",
            _is_local(self.device),
            "'cpu', 'cuda', 'cuda:N' or hogblock.Cuda(...)",
        )
        self._check(
            "sampling",
            self.sampling in SAMPLING,
            f"one of {', '.join(map(repr, SAMPLING))}",
        )
        self._check("averaging", isinstance(self.averaging, Averaging), "an Averaging")
        self._check(
            "min_nodes",
            _is_whole(self.min_nodes, 1) and self.min_nodes <= self.n_nodes,
            f"a whole number from 1 to the number of nodes, {self.n_nodes}",
        )
        self._check(
            "max_node_restarts",
            _is_whole(self.max_node_restarts, 0),
            "a whole number from 0 on",
        )
        self._check(
            "runtime_env",
            self.runtime_env is None or isinstance(self.runtime_env, dict),
            "a dict or None",
        )

    @property
    def n_nodes(self) -> int:
        """How many nodes there are."""
        bundles = getattr(self.nodes, "bundle_specs", None)
        return int(self.nodes) if bundles is None else len(bundles)

    @property
    def uses_cuda(self) -> bool:
        """Whether the nodes train on CUDA devices."""
        return self.device != "cpu"

    def _check(self, name: str, valid: bool, allowed: str) -> None:
        if not valid:
            raise ValueError(f"{name}={getattr(self, name)!r} of Ray must be {allowed}")


def _is_whole(value, least: int) -> bool:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and int(value) >= least


def _is_local(device) -> bool:
    """Whether this can be the device of a node: servers on several cards cannot."""
    return device == "cpu" or len(cuda_devices(device)) == 1
