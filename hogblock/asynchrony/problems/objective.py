"""Objective of a network on given samples: value and gradient at many parameters."""

import numpy as np

from hogblock.asynchrony.problems.base import call_kernel
from hogblock.engines.cpu.memory import private_floats
from hogblock.kernels.cpu.image_ops import image_op_of
from hogblock.kernels.cpu.lowering import lower_plans
from hogblock.kernels.events import network as kernels
from hogblock.models import Dropout, Network
from hogblock.models.losses import Loss, RegressionLoss, loss_of
from hogblock.models.plan import make_plan
from hogblock.training.run_plan import count_batches
from hogblock.training.scaling import Scaling
from hogblock.training.storage import STORAGE


class Objective:
    """What a training run of a network minimises, on the host.

    (sum_i w_i loss_i + batches alpha / 2 |W|^2) / sum_i w_i: what the steps on
    minibatches add up to over an epoch. A regression's loss is the sum over its outputs
    here, as its gradient is. Made once, evaluated at many parameters; one evaluation at
    a time, as it has one work space.

    Parameters
    ----------
    network : Network
    x : ndarray of shape (n_rows, n_inputs), float32, float64 or uint8, C order
    targets : ndarray, int32 of shape (n_rows,) or float32 of shape (n_rows, n_outputs)
    loss : str or Loss
    weights : ndarray of shape (n_rows,) or (0,), float32
        Of samples; empty means all 1.
    scaling : Scaling
        What the network sees of x.
    alpha : float
    batch : int
        Rows of a minibatch; the last may be short.

    Raises
    ------
    ValueError
        If a layer drops values: then steps follow no one function.
    """

    def __init__(
        self,
        network: Network,
        x: np.ndarray,
        targets: np.ndarray,
        loss: str | Loss,
        *,
        weights: np.ndarray,
        scaling: Scaling,
        alpha: float,
        batch: int,
    ):
        _check_sure(network)
        self.network, self.targets, self.loss = network, targets, loss_of(loss)
        self.weights, self.scaling, self.alpha = weights, scaling, float(alpha)
        self.x = np.ascontiguousarray(scaling.storable(x))
        self.batch = min(batch, len(x))
        self.batches = count_batches(len(x), self.batch)
        self._numbers = np.zeros(kernels.NUMBERS_WIDTH)
        self._numbers[kernels.ALPHA] = self.alpha
        self._numbers[kernels.LOSS_FACTOR] = _loss_factor(self.loss, network)
        self._words, self._kept = self._packed()

    def __reduce__(self):
        return _again, (
            (self.network, self.x, self.targets, self.loss),
            {
                "weights": self.weights,
                "scaling": self.scaling,
                "alpha": self.alpha,
                "batch": self.batch,
            },
        )

    @property
    def data(self) -> int:
        """Address of what ``kernels.network`` reads."""
        return self._words.ctypes.data

    def gradient(self, params, minibatch: int = -1) -> np.ndarray:
        """Gradient at `params` of shape (network.size,), float64; padding is zero.

        minibatch : one alone, without the others; -1: of all.
        """
        at = np.ascontiguousarray(params, np.float64)
        return call_kernel(kernels.network, at, minibatch, self.data)

    def value(self, params, minibatch: int = -1) -> float:
        """The objective, likewise."""
        self.gradient(params, minibatch)
        return float(self._numbers[kernels.VALUE])

    def coordinates(self) -> np.ndarray:
        """Of the flat vector, those that are no padding."""
        used = np.zeros(self.network.size, bool)
        for tensor in self.network.tensors:
            tensor.view(used)[:] = True
        return np.flatnonzero(used)

    def _packed(self) -> tuple[np.ndarray, list]:
        """Words of ``kernels.FIELDS``, and the arrays that they are addresses of."""
        lowered = lower_plans([make_plan(self.network, self.batch, self.loss)])
        plan = lowered.plans[0]
        scaling = self.scaling.for_kernels()
        arrays = {
            **private_floats(
                params=self.network.size,
                gradient=self.network.size,
                work=lowered.work_size,
                zeros=lowered.zeros_size,
            ),
            **scaling,
            "x": self.x,
            "targets": self.targets,
            "weights": self.weights,
            "ops": np.ascontiguousarray(plan.ops),
            "reals": np.ascontiguousarray(plan.reals, np.float32),
            "tensors": np.array(
                [
                    [t.offset, t.rows, t.columns, t.stride, t.decays]
                    for t in self.network.tensors
                ],
                np.int64,
            ),
            "indices": np.zeros(self.batch, np.int64),
            "numbers": self._numbers,
        }
        sizes = {
            "storage": STORAGE[self.x.dtype],
            "n_features": self.x.shape[1],
            "n_samples": len(self.x),
            "batch": self.batch,
            "n_weights": self.weights.size,
            "n_scaled": scaling["shift"].size,
            "n_wide": scaling["scale64"].size,
            "n_forward": plan.n_forward,
            "n_ops": len(plan.ops),
            "image_op": image_op_of(plan.ops),
            "n_tensors": len(self.network.tensors),
        }
        found = sizes | {name: array.ctypes.data for name, array in arrays.items()}
        words = np.array([found[name] for name in kernels.FIELDS], np.int64)
        return words, list(arrays.values())


def _again(arguments, options) -> Objective:
    """Addresses are those of this process: they are taken anew."""
    return Objective(*arguments, **options)


def _check_sure(network: Network) -> None:
    for stage in network.stages:
        if isinstance(stage.layer, Dropout) and stage.layer.rate > 0:
            raise ValueError(
                f"layer {stage.name} ({stage.layer}) drops values at random, so that "
                "steps follow no one function: take a network without it"
            )


def _loss_factor(loss: Loss, network: Network) -> float:
    """What the mean over outputs is times, in the function that gradients are of."""
    regression = isinstance(loss, RegressionLoss)
    return float(network.output_shape[0]) if regression else 1.0
