"""What goes into a run of the engine, and what comes out."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hogblock.augmentation import Augmentation
from hogblock.methods import Method, Stretch
from hogblock.models.losses import Loss
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.log import EventLog, Recording
from hogblock.training.nodes import NodeReport, Rounds
from hogblock.training.run_state import RunState
from hogblock.training.scaling import Scaling
from hogblock.training.sparse_rows import SparseRows

ROWS_AT_ONCE = 4096
"""Of float64 X, when they are scaled on their way into a copy."""


@dataclass(frozen=True)
class TrainingData:
    """Samples and targets as the kernels read them.

    Attributes
    ----------
    x : array of shape (n_samples, n_features), float32, float64 or uint8, C order
        Of NumPy, or for a CUDA device also of CuPy, and not float64; for the host also
        ``SparseRows``.
    targets : ndarray, int32 of shape (n_samples,) or float32 (n_samples, n_outputs)
    weights : ndarray of shape (n_samples,) or (0,), float32
        Sample weights; empty means all 1.
    shift, scale : ndarray of shape (n_features,) or (0,), float64
        The network sees (x - shift) * scale; see ``scaling.Scaling``.
    """

    x: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    @property
    def scaling(self) -> Scaling:
        """What the network sees of X."""
        return Scaling(self.shift, self.scale)

    @property
    def sparse(self) -> bool:
        """Whether X is sparse rows."""
        return isinstance(self.x, SparseRows)

    @property
    def scaled_in_copies(self) -> bool:
        """Whether copies of X for the workers hold what the network sees.

        Those of float64 do: they are float32, and a float32 would lose what is small
        beside its mean. Those of sparse rows do, too.
        """
        if self.sparse:
            return True
        return self.x.dtype == np.float64 and self.shift.size > 0

    @property
    def copy_type(self) -> np.dtype:
        """Type of copies of X for the workers: bytes stay bytes."""
        return np.dtype(np.uint8 if self.x.dtype == np.uint8 else np.float32)

    @property
    def copy_specification(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shapes and types of the arrays of a copy of X, by name."""
        if isinstance(self.x, SparseRows):
            return self.x.specification
        return {"x": (self.x.shape, self.copy_type.str[1:])}

    def copy_into(self, arrays: dict[str, np.ndarray]) -> None:
        """Fill the arrays of a copy of X."""
        if isinstance(self.x, SparseRows):
            self.x.copy_into(arrays, self.scale)
        else:
            self.copied(arrays["x"])

    def arrays(self) -> dict[str, np.ndarray]:
        """X as kernels of this process read it, by name."""
        if isinstance(self.x, SparseRows):
            return self.x.arrays(self.scale)
        return {"x": self.x}

    def copied(self, rows: np.ndarray) -> "TrainingData":
        """These samples with their X in `rows`, of `copy_type`, which are filled."""
        if not self.scaled_in_copies:
            rows[...] = self.x
            return replace(self, x=rows)
        for start in range(0, len(self.x), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            rows[part] = self.scaling.seen(self.x[part])
        return replace(self, x=rows, **Scaling.none()._asdict())


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    method : Method
    workers, batch, epochs : int
    loss : Loss or str
        See ``models.losses``.
    rate, rate_points : ndarray of float32, int
        See ``schedules.rate_table``.
    momentum : float
    max_grad_norm : float, default=None
        Norm that a worker's gradient is scaled down to; that of all, if they work
        together.
    nesterov, shuffle : bool
    alpha : float
        The objective of a minibatch is (sum_i w_i loss_i + alpha/2 |W|^2) / sum_i w_i.
    seed : int
        Every random number of the run comes from it.
    gate : {"open", "ahead", "held"}
        How far several workers may run before `on_epoch` has judged an epoch. "open":
        to the end of the run, which no judgement but that of a failure ends. "ahead":
        to the end of the epoch after it; that one is trained to its end and counts.
        "held": all wait at the end of each epoch, and a run can end exactly there.
    augmentation : Augmentation, default=None
    planned : int, default=None
        Epochs for which the training of the model is planned, which a method's
        stretches may be fractions of; None: those of this run.
    trained : int, default=0
        Epochs that the model was trained before this run.
    keeps_velocity : bool, default=False
        Momentum of the only worker goes on as if it contained the rate, see
        ``schedules.Schedule``.
    schedule : Recording or Scheduler, default=None
        Who takes which step when: the machine decides it, and what it does is logged;
        or this process takes the steps of all workers in the order of a scheduler.
    hold_every : int, default=0
        All workers wait at the end of each epoch whose number it divides, whatever the
        gate: there the run's state is exact. 0: nowhere.
    max_worker_restarts : int, default=10
        Workers that are replaced when they die, before the run ends.
    memmap_dir : str or None, default=None
        Folder for what the workers share, where memory does not hold it.
    part : (int, int), default=(0, 1)
        Number of the part of each epoch's minibatches that this run takes, and how many
        parts there are: other runs, of the same seed, take the others.
    """

    method: Method
    workers: int
    batch: int
    epochs: int
    loss: Loss | str
    rate: np.ndarray
    rate_points: int
    momentum: float
    nesterov: bool
    shuffle: bool
    alpha: float
    seed: int
    gate: str = "open"
    augmentation: Augmentation | None = None
    planned: int | None = None
    trained: int = 0
    keeps_velocity: bool = False
    schedule: Recording | Scheduler | None = None
    hold_every: int = 0
    max_worker_restarts: int = 10
    memmap_dir: str | None = None
    part: tuple[int, int] = (0, 1)
    max_grad_norm: float | None = None

    def stretches(self, batches: int) -> list[Stretch]:
        """Stretches of the method in a run of `batches` minibatches an epoch."""
        return self.method.stretches(batches, self.planned or self.epochs, self.trained)

    def rate_after(self, epochs: int) -> float:
        """Learning rate after so many epochs of the run; its last one at its end."""
        return float(self.rate[min(epochs * self.rate_points, self.rate.size - 1)])

    def velocity_factor(self, epochs: int, before: float, after: float) -> float:
        """What to multiply velocity by after so many epochs of the run.

        before, after : float
            Factor on the rate in the last epoch, and from now on.
        """
        if not self.keeps_velocity:
            return 1.0
        last = float(self.rate[epochs * self.rate_points - 1]) * before
        following = self.rate_after(epochs) * after
        return last / following if following > 0 else 1.0


@dataclass
class Epoch:
    """What `on_epoch` learns, and may answer.

    Attributes
    ----------
    index : int
    loss : float
        Mean training loss over the epoch, without penalty.
    params : ndarray of shape (size,)
        Snapshot copy of the parameters, if the run is held or has one worker; else a
        copy of what they are by now.
    seconds : float
        Training time so far.
    rate_factor : float
        To be changed: factor on the learning rate from now on.
    then : callable or None
        To be set: called when the answer has been acted on, with a function that
        returns the `RunState`, and whether the run is over. Not by engines that keep
        no states, nor where workers run ahead of the judgement.
    """

    index: int
    loss: float
    params: np.ndarray
    seconds: float
    rate_factor: float
    then: Callable[[Callable[[], RunState], bool], None] | None = None


@dataclass
class Result:
    """Outcome of a run.

    Attributes
    ----------
    params, velocity : ndarray of shape (size,), (workers, size)
    losses : list of float
        One per finished epoch, all of which `on_epoch` was told of.
    loss_so_far : float or None
        Mean training loss over what was trained of the next epoch, if a run was
        interrupted there.
    workers : int
    steps, samples : int
        Minibatches done, and the samples in them.
    steps_per_worker : ndarray of shape (workers,)
    updates_per_block : ndarray of shape (blocks,)
    staleness, overlap : ndarray of shape (blocks, bins)
        Steps by the age of each block that they read, and of each block that they
        wrote: the writes by others between a step's start and its end. The last bin
        holds that many or more.
    kept : int or None
        Samples whose gradient went below the output layer, see `Method.thinning`; None
        where that is not counted.
    seconds : float
        Training time: from the first step to the last, without `on_epoch`.
    interrupted : bool
        Ctrl-C came.
    diverged : bool
        A loss or a parameter was found not to be finite, and the run ended.
    restarts : int
        Workers that died and were replaced.
    error : Exception or None
        What ended the run: nothing else of it can be had than what is here.
    device_seconds : float or None
        Time that a CUDA device spent in the kernels of the run.
    events : EventLog or None
        If `Settings.schedule` asks for it.
    nodes, rounds : tuple of NodeReport, Rounds; or None
        Of a run on several machines.
    """

    params: np.ndarray
    velocity: np.ndarray
    losses: list[float]
    loss_so_far: float | None
    workers: int
    steps: int
    samples: int
    steps_per_worker: np.ndarray
    updates_per_block: np.ndarray
    staleness: np.ndarray
    overlap: np.ndarray
    seconds: float
    interrupted: bool = False
    diverged: bool = False
    restarts: int = 0
    error: Exception | None = None
    device_seconds: float | None = None
    kept: int | None = None
    events: EventLog | None = None
    nodes: tuple[NodeReport, ...] | None = None
    rounds: Rounds | None = None


OnEpoch = Callable[[Epoch], bool]
