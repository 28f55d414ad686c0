"""What methods take and refuse: scopes, thinning; and that they are plain values."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from hogblock import methods
from hogblock.methods import METHODS, From, Mixed, PASSMPlus, Stretch

EVERY = [
    *(method() for method in METHODS.values()),
    From(-2),
    PASSMPlus(scope="suffix", thinning=0.5),
    PASSMPlus(scope=From(1), switch_epochs=(1, 2)),
    Mixed(mix=[(0.0, {"full": 1.0}), (0.5, {From(1): 0.75, "own": 0.25})]),
]


@pytest.mark.parametrize("layer", ["x", True, 1.0, None, np.float32(1), (1,)])
def test_a_layer_is_an_integer(layer):
    with pytest.raises(
        ValueError, match=r"layer=.* of From must be an integer"
    ) as told:
        From(layer)
    assert repr(layer) in str(told.value)


def test_integers_of_numpy_are_layers():
    assert From(np.int64(1)) == From(1)
    assert hash(From(np.int64(1))) == hash(From(1))


@pytest.mark.parametrize("scope", ["full", "upper", "From(1)", None, 1])
def test_a_partial_step_has_a_scope_that_is_known(scope):
    told = (
        "is no scope of method 'passm+'; allowed are ('own', 'suffix') and From(layer)"
    )
    with pytest.raises(ValueError) as error:
        PASSMPlus(scope=scope)
    assert str(error.value).startswith(f"{scope!r} {told}")


@pytest.mark.parametrize("thinning", [-1e-9, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_thinning_is_finite_and_not_negative(method, thinning):
    with pytest.raises(ValueError) as error:
        method(thinning=thinning)
    told = (
        f"thinning={thinning!r} of method {method.name!r} must be a finite number >= 0"
    )
    assert str(error.value) == told
    plain = 1 if method is METHODS["thinned"] else 0
    assert method().thinning == plain and method(thinning=2.5).thinning == 2.5


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_shared_horizon_is_that_of_one_worker(method):
    """A gradient moves the parameters as far in all, and as long in shared steps."""
    with pytest.raises(ValueError, match="horizon='mine' of method"):
        method(horizon="mine")
    assert method(horizon="own").coefficients(0.9, 4) == (0.9, 1.0)
    momentum, factor = method(horizon="shared").coefficients(0.9, 4)
    if method.together:
        assert (momentum, factor) == (0.9, 1.0)
        return
    assert momentum == pytest.approx(0.9**4)
    assert factor / (1 - momentum) == pytest.approx(1 / (1 - 0.9))
    assert method(horizon="shared").coefficients(0.9, 1) == pytest.approx((0.9, 1))
    assert method(horizon="shared").coefficients(0.0, 4) == (0.0, 1.0)


@pytest.mark.parametrize("value", EVERY, ids=repr)
def test_methods_and_scopes_are_values(value):
    copy = pickle.loads(pickle.dumps(value))
    assert copy == value and hash(copy) == hash(value) and copy is not value
    assert repr(copy) == repr(value)
    assert replace(value) == value and hash(replace(value)) == hash(value)
    assert sum(value == other for other in EVERY) == 1
    with pytest.raises(AttributeError):
        value.layer = value.reads = None


def test_replaced_values_are_checked_too():
    thinned = replace(EVERY[-1], thinning=0.5)
    assert thinned.mix == EVERY[-1].mix and thinned.thinning == 0.5
    with pytest.raises(ValueError, match=r"thinning=-1"):
        replace(thinned, thinning=-1)
    with pytest.raises(ValueError, match=r"'upper' is no scope"):
        replace(PASSMPlus(), scope="upper")
    with pytest.raises(ValueError, match=r"layer='x'"):
        replace(From(1), layer="x")


@pytest.mark.parametrize("scope", ["own", "suffix", From(1), From(-1)], ids=str)
def test_partial_and_full_steps_take_turns(scope):
    """4 of 10 epochs warm up; 7 minibatches an epoch."""
    method = PASSMPlus(scope=scope, warmup_fraction=0.4)
    later = (scope, "full")
    assert method.stretches(7, 10) == [Stretch(0, ("full",)), Stretch(28, later)]
    assert method.stretches(7, 10, 3) == [Stretch(0, ("full",)), Stretch(7, later)]
    assert method.stretches(7, 10, 5) == [Stretch(0, later)]
    alone = replace(method, alternate=False)
    assert alone.stretches(7, 10)[1:] == [Stretch(28, (scope,))]
    toggled = replace(method, switch_epochs=(1, 3))
    assert toggled.stretches(7, 10) == [
        Stretch(0, ("full",)), Stretch(7, later), Stretch(21, ("full",)),
    ]  # fmt: skip


def test_the_scope_of_passm_plus_is_its_owners_block_by_default():
    assert PASSMPlus() == PASSMPlus(scope="own") != PASSMPlus(scope="suffix")


def test_methods_are_found_by_their_names():
    for name, method in METHODS.items():
        assert methods.resolve(name) == method() and method.name == name
    assert METHODS["mixed"] is Mixed
