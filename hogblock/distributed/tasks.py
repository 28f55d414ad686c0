"""Tasks of the nodes of a fit, at its start and for those who come back."""

from dataclasses import dataclass, replace

import numpy as np

from hogblock.distributed.options import Ray
from hogblock.distributed.task import Task
from hogblock.models.network import Network
from hogblock.training.settings import Settings


@dataclass(frozen=True, eq=False)
class Tasks:
    """Makes tasks.

    Attributes
    ----------
    options : Ray
    network : Network
    settings : Settings
        Of the fit.
    start : ndarray of shape (size,), float32
    shared : bool
        All nodes draw from the same samples, each its part of an epoch.
    """

    options: Ray
    network: Network
    settings: Settings
    start: np.ndarray
    shared: bool

    @property
    def holds(self) -> frozenset[int]:
        """Epochs at whose end all nodes wait for a verdict."""
        epochs, every = range(self.settings.epochs), self.settings.hold_every
        if self.settings.gate != "open":
            return frozenset(epochs)
        return frozenset(e for e in epochs if every and (e + 1) % every == 0)

    def holds_still(self, epoch: int) -> bool:
        """Whether no worker is ahead of an epoch when it is judged."""
        every = self.settings.hold_every
        exact = bool(every) and (epoch + 1) % every == 0
        return epoch in self.holds and (self.settings.gate != "ahead" or exact)

    def of(
        self, node: int, run: int, params: np.ndarray, first_epoch: int, factor: float
    ) -> Task:
        """The task of a node that starts from an average.

        Parameters
        ----------
        node, run : int
        params : ndarray of shape (size,), float32
        first_epoch : int
            Epochs of the fit that are over for it.
        factor : float
            On its learning rates.
        """
        return Task(
            run=run,
            network=self.network,
            settings=self._settings(node, first_epoch, factor),
            params=params,
            origin=self.start,
            device=self.options.device,
            averaging=self.options.averaging,
            first_epoch=first_epoch,
            holds=self.holds,
        )

    def _settings(self, node: int, first: int, factor: float) -> Settings:
        """Those of the epochs that are left; a rate for each, as it was planned."""
        fit = self.settings
        gate = "open"
        if self.holds:
            gate = "ahead" if fit.gate == "ahead" and not fit.hold_every else "held"
        own = [] if self.shared else [node]
        again = [first] if first else []
        return replace(
            fit,
            epochs=fit.epochs - first,
            rate=fit.rate[first * fit.rate_points :] * np.float32(factor),
            planned=fit.planned or fit.epochs,
            trained=fit.trained + first,
            seed=_seed(fit.seed, *own, *again),
            gate=gate,
            hold_every=0,
            part=(node, self.options.n_nodes) if self.shared else (0, 1),
        )


def _seed(*entropy: int) -> int:
    """A seed of its own for each; a single one as it is."""
    if len(entropy) == 1:
        return entropy[0]
    # A zero at the end would not count.
    words = [entropy[0], *(each + 1 for each in entropy[1:])]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint32)[0] >> 1)
