"""What an engine is: what trains a model, and computes its outputs, on some device.

To add one, write its class and a row of ``engines.registry.ENGINES``: estimators find
it by the prefix of their ``device``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from hogblock.engines.cpu.predict import outputs_of
from hogblock.engines.live import Beside
from hogblock.engines.locations import HOST, Elsewhere, is_device_array
from hogblock.methods import METHODS, Method
from hogblock.models.network import Network
from hogblock.training.run_state import RunState
from hogblock.training.scaling import Scaling
from hogblock.training.settings import OnEpoch, Result, Settings, TrainingData


class Engine(ABC):
    """Trains on the devices that it was made for; making one starts nothing.

    Attributes
    ----------
    follows_schedules : bool
        It logs events, and simulates workers by a scheduler.
    keeps_states : bool
        It hands out states of a run, and `train` goes on from one.
    """

    follows_schedules: ClassVar[bool] = False
    keeps_states: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def named(cls, device) -> "Engine | None":
        """The engine that an estimator's `device` names, or None if it is unknown.

        Parameters
        ----------
        device : str, object or sequence of these
            The first is a name that begins with the engine's prefix, or an object that
            has it as its ``prefix``.

        Raises
        ------
        DeviceUnavailableError
            If it cannot be used: says what is missing, and what mends it.
        """

    @property
    @abstractmethod
    def name(self) -> str | list[str]:
        """As in ``device_`` of an estimator."""

    @property
    def default_method(self) -> str:
        """What ``method="auto"`` is."""
        return "hogwild"

    @property
    def shows_runs(self) -> bool:
        """Whether somebody can look at, and add to, the parameters of a run."""
        return False

    @property
    def clips(self) -> bool:
        """Whether it scales gradients down to ``Settings.max_grad_norm``."""
        return False

    @property
    def takes_sparse(self) -> bool:
        """Whether it trains on ``SparseRows``."""
        return False

    @property
    def location(self) -> str:
        """Where it reads arrays that do not lie on the host, see ``locations``."""
        return HOST

    def refusal_of(self, X) -> str | None:
        """What to do instead, if X does not lie where this engine can read it."""
        if isinstance(X, Elsewhere):
            return "pass device=hogblock.distributed.Ray(...)"
        if is_device_array(X):
            return "pass device='cuda' or 'auto', or a copy of X on the host"
        return None

    def runs(self, method: Method | type[Method]) -> bool:
        """Whether a method runs here, by its traits."""
        return True

    def supports(self, method: Method) -> str | None:
        """None if a method runs here, else the reason why not."""
        if self.runs(method):
            return None
        allowed = [name for name, known in METHODS.items() if self.runs(known)]
        return (
            f"method={method.name!r} does not run on {self.name}; allowed there are "
            f"{', '.join(map(repr, allowed))}"
        )

    @abstractmethod
    def usable_workers(
        self, network: Network, method: Method, n_jobs: int | None, batches: int
    ) -> int:
        """Workers of a run, by device.

        Parameters
        ----------
        network : Network
        method : Method
        n_jobs : int or None
            Of an estimator.
        batches : int
            Minibatches of an epoch.
        """

    def workers_of(self, settings: Settings) -> int:
        """Workers of a run on all devices together."""
        return settings.workers

    @contextmanager
    def opened(self, estimator, given, standing) -> Iterator[Any]:
        """What ``fit`` was given, as `train` can use it, while the block lasts."""
        yield given

    @abstractmethod
    def train(
        self,
        network: Network,
        data: TrainingData,
        settings: Settings,
        params: np.ndarray,
        on_epoch: OnEpoch,
        velocity: np.ndarray | None,
        progress: Callable[[int], None],
        state: RunState | None = None,
        beside: Beside | None = None,
    ) -> Result:
        """Train `network` from `params`, or go on from a state.

        Parameters
        ----------
        network : Network
        data : TrainingData
        settings : Settings
            ``settings.workers`` comes from `usable_workers`.
        params : ndarray of shape (network.size,), float32
            Not changed.
        on_epoch : callable
            Called in this process after every epoch with an ``Epoch``; True ends the
            run.
        velocity : ndarray of shape (workers, network.size) or None
            Of the workers of all devices; None is zeros.
        progress : callable
            Told now and then how many samples are done, by all workers.
        state : RunState or None
            Of a run of equal settings, but for the number of workers; then `params` and
            `velocity` are not read. Only given if ``keeps_states``.
        beside : callable or None
            Told when the parameters of the run can be looked at and added to, see
            ``live.Beside``. Only given if ``shows_runs``.

        Raises
        ------
        StateError
            If `state` is of no such run.
        """

    def outputs(
        self, network: Network, params: np.ndarray, X, inputs: Scaling, threads: int = 1
    ) -> np.ndarray:
        """Raw outputs (before softmax or logistic) on the host, of X on its device.

        Of X on the host the processor computes them, whatever has trained.

        Parameters
        ----------
        network : Network
        params : ndarray of shape (network.size,), float32
        X : array of shape (n_samples, n_features)
        inputs : Scaling
        threads : int, default=1
            Of the host.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), float32
        """
        return outputs_of(network, params, X, inputs, threads)
