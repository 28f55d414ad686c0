"""The run plan: what every engine takes as given."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from hogblock import Augmentation, methods
from hogblock.kernels.ops import FLOAT32_ROWS, FLOAT64_ROWS, UINT8_ROWS
from hogblock.models import Conv2D, Dense, Flatten, Network
from hogblock.training.run_plan import count_batches, make_run_plan
from hogblock.training.settings import Settings, TrainingData

N, EPOCHS = 23, 4
NETWORK = Network([Conv2D(3, 2), Flatten(), Dense(4, "tanh"), Dense(2)], (3, 3, 1))
NONE = np.zeros(0, np.float32)
DATA = TrainingData(np.ones((N, 9)), np.zeros(N, np.int32), NONE, NONE, NONE)
SCALED = replace(DATA, shift=np.full(9, 1e9), scale=np.full(9, 0.5))


def settings(method=None, workers=2, **changes):
    values = dict(
        method=method or methods.PASSM(), workers=workers, batch=5, epochs=EPOCHS,
        loss="softmax", rate=np.ones(1, np.float32), rate_points=1, momentum=0.9,
        nesterov=False, shuffle=True, alpha=0.0, seed=3,
    )  # fmt: skip
    return Settings(**values | changes)


@pytest.mark.parametrize(
    ("n_samples", "batch", "batches"), [(1, 1, 1), (1, 9, 1), (10, 5, 2), (11, 5, 3)]
)
def test_minibatches_of_an_epoch(n_samples, batch, batches):
    assert count_batches(n_samples, batch) == batches


def test_steps():
    plan = make_run_plan(NETWORK, DATA, settings())
    assert (plan.batches, plan.steps) == (5, 20)


def test_every_owner_has_plans_of_its_own_blocks():
    method = methods.PASSM(random_blocks=2)
    plan = make_run_plan(NETWORK, DATA, settings(method, workers=3))
    assert len(plan.blocks) == 6 and len(plan.plans) == 7
    assert (plan.blocks[0].start, plan.blocks[-1].stop) == (0, NETWORK.size)
    assert list(chain(*plan.owned)) == list(range(6))
    for blocks, (full, *own) in zip(plan.owned, plan.numbers, strict=True):
        assert plan.writes[full].all()
        for number, block in zip(own, blocks, strict=True):
            assert np.flatnonzero(plan.writes[number]).tolist() == [block]
            start, stop = plan.blocks[block]
            written = plan.plans[number].updated
            assert written.size
            assert (written[:, 0] >= start).all()
            assert (written[:, :2].sum(axis=1) <= stop).all()


def test_devices_own_the_blocks_and_their_workers_have_keys_of_their_own():
    plan = make_run_plan(NETWORK, DATA, settings(workers=2), devices=3)
    alone = make_run_plan(NETWORK, DATA, settings(workers=6))
    assert (plan.workers, plan.owners, len(plan.blocks)) == (6, 3, 3)
    np.testing.assert_array_equal(plan.worker_keys, alone.worker_keys)
    assert plan.order_key == alone.order_key
    assert len(set(plan.worker_keys.tolist())) == 6


def test_keys_come_from_the_seed():
    first, again, other = (
        make_run_plan(NETWORK, DATA, settings(seed=seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.worker_keys, again.worker_keys)
    assert first.order_key == again.order_key != other.order_key
    assert not (first.worker_keys == other.worker_keys).any()


def test_turns_become_bags_of_plans():
    method = methods.PASSMPlus(random_blocks=2, warmup_fraction=0.5)
    one, two = (
        make_run_plan(NETWORK, DATA, settings(m, workers=1)).bags
        for m in (replace(method, random_blocks=1), method)
    )
    assert one == [(0, False, [0]), (10, False, [1, 0])]
    assert two == [(0, True, [0, 0]), (10, True, [1, 2, 0, 0])]


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_rows_as_the_workers_read_them(copied, scaled):
    """Copies of float64 are scaled, and float32; bytes stay bytes."""
    given = SCALED if scaled else DATA
    for dtype, code in (
        (np.uint8, UINT8_ROWS),
        (np.float32, FLOAT32_ROWS),
        (np.float64, FLOAT32_ROWS if copied else FLOAT64_ROWS),
    ):
        data = replace(given, x=given.x.astype(dtype))
        plan = make_run_plan(NETWORK, data, settings(), copied=copied)
        assert plan.storage == code
        applied = scaled and not (copied and dtype == np.float64)
        sizes = {name: each.size > 0 for name, each in plan.scaling.items()}
        assert not sizes.pop("scale64")  # no scale is beyond float32
        assert set(sizes.values()) == {applied}
        copy = data.copied(np.empty(data.x.shape, data.copy_type))
        seen = copy.scaling.scaled(copy.x)
        np.testing.assert_allclose(seen, data.scaling.scaled(data.x), rtol=1e-6)


def test_augmentation_and_weights():
    changes = dict(augmentation=Augmentation(pad=1))
    plain = make_run_plan(NETWORK, DATA, settings())
    changed = make_run_plan(
        NETWORK,
        replace(DATA, weights=np.ones(N, np.float32)),
        settings(methods.Hogwild(reads="copy", epochs="worker"), **changes),
    )
    assert not plain.augment.any() and changed.augment.any()
    assert (plain.weighted, plain.copy_read, plain.own_epochs) == (False,) * 3
    assert (changed.weighted, changed.copy_read, changed.own_epochs) == (True,) * 3
