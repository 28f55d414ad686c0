"""The tables of activations and losses: complete in both backends, the only way in."""

from dataclasses import dataclass

import pytest

from hogblock.kernels import ops as op
from hogblock.kernels.cpu import activation as cpu_activation
from hogblock.kernels.cpu import loss as cpu_loss
from hogblock.kernels.cuda import activation as cuda_activation
from hogblock.kernels.cuda import loss as cuda_loss
from hogblock.models import Conv2D, Dense, Flatten, GroupNorm, Network, ReLU
from hogblock.models.activations import Activation, codes
from hogblock.models.layers.pointwise import Pointwise
from hogblock.models.losses import LOSSES, Loss
from hogblock.models.plan import make_plan


@pytest.mark.parametrize("backend", [cpu_activation, cuda_activation])
def test_every_activation_has_a_formula(backend):
    assert set(backend.FORMULAS) == codes()


@pytest.mark.parametrize("backend", [cpu_loss, cuda_loss])
def test_every_loss_has_a_kernel(backend):
    assert set(backend.KERNELS) == {loss.code for loss in LOSSES.values()}
    assert len({loss.code for loss in LOSSES.values()}) == len(LOSSES)


@dataclass(frozen=True)
class Unknown(Pointwise):
    """A layer from outside the package, of an activation that no kernel knows."""

    @property
    def act(self):
        return Activation(99)


@dataclass(frozen=True)
class Within(GroupNorm):
    """A layer that runs an activation where only those of outputs can run."""

    @property
    def act(self):
        return Activation(op.FROM_INPUT)


def plan_of(*layers, loss="squared_error"):
    network = Network([*layers, Flatten(), Dense(2)], (4, 4, 1))
    return make_plan(network, 3, loss)


def test_an_unknown_activation_is_refused_and_the_layer_named():
    with pytest.raises(ValueError, match=r"layer 1 \(Unknown\(\)\).*code 99"):
        plan_of(Conv2D(3, 3), Unknown())
    with pytest.raises(ValueError, match=r"code=99.*unknown code; allowed are \[0"):
        Dense(3, Activation(99))


def test_an_activation_from_inputs_runs_alone():
    with pytest.raises(ValueError, match=r"layer 0 \(Within\(.*\)\)"):
        plan_of(Within(1))


class Strange(Loss):
    """A loss from outside the package."""

    name = "strange"
    code = 99
    link = "identity"


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match=r"Strange.*code 99.*squared_error"):
        plan_of(ReLU(), loss=Strange())
    with pytest.raises(ValueError, match=r"loss='cubic' is unknown; allowed are"):
        plan_of(ReLU(), loss="cubic")
