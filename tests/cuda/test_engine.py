"""The engine of a CUDA device takes the steps of a sequential run on the host."""

from dataclasses import replace

import numpy as np
import pytest

from hogblock import Augmentation, Cuda, methods
from hogblock.engines.cuda.engine import usable_workers
from hogblock.models import (
    Conv2D,
    Dense,
    Flatten,
    GroupNorm,
    MaxPool2D,
    Network,
    Residual,
)
from hogblock.training.settings import TrainingData
from support import cuda_runs as runs
from support.cuda_runs import CLASSES, DATA, FEATURES, NONE, N, Watch, assert_close, fit

pytestmark = pytest.mark.usefixtures("simulator")

RANDOM = np.random.default_rng(2)
BYTES = RANDOM.integers(0, 256, (N, FEATURES), dtype=np.uint8)
LIGHT = RANDOM.uniform(0.2, 2, N).astype(np.float32)
LIGHT[::4] = 0
VALUES = RANDOM.normal(size=(N, CLASSES)).astype(np.float32)

WEIGHTED = TrainingData(runs.X, (VALUES > 0).astype(np.float32), LIGHT, NONE, NONE)
SCALED = TrainingData(
    BYTES,
    VALUES,
    NONE,
    BYTES.mean(0).astype(np.float32),
    (1 / BYTES.std(0)).astype(np.float32),
)
CASES = {
    "softmax, Nesterov": (DATA, dict(nesterov=True)),
    "logistic, weights": (WEIGHTED, dict(loss="logistic")),
    "squared, bytes": (SCALED, dict(loss="squared_error", momentum=0.0, shuffle=False)),
}
DEVICES = [
    Cuda(threads=2),
    Cuda(threads=1, launch="graph", blocks_per_worker=1),
    Cuda(threads=1, launch="graph", blocks_per_worker=3),
]


def same_trajectory(chosen, device, **problem):
    """Parameters and losses of every epoch, velocity and counts."""
    here, there = Watch(), Watch()
    expected = runs.on_host(chosen, here, **problem)
    found = fit(chosen, there, device=device, **problem)
    for after, wanted in zip(there.params, here.params, strict=True):
        assert_close(after, wanted)
    assert not np.array_equal(here.params[0], here.params[-1])
    np.testing.assert_array_equal(found.params, there.params[-1])
    if chosen.momentum > 0:  # without, the host keeps none
        assert_close(found.velocity, expected.velocity)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-3)
    for name in ("steps_per_worker", "updates_per_block", "staleness", "overlap"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.steps == expected.steps and found.workers == 1
    assert 0 < found.device_seconds < 60 and found.seconds > 0


@pytest.mark.parametrize("case", CASES)
def test_persistent_steps_are_sequential_steps(case):
    data, changes = CASES[case]
    plan = runs.rates(4, schedule="cosine")
    chosen = runs.settings(epochs=4, **(plan | changes))
    same_trajectory(chosen, DEVICES[0], data=data)


@pytest.mark.parametrize("device", DEVICES[1:], ids=["1 block", "3 blocks"])
def test_layered_steps_are_sequential_steps(device):
    data, changes = CASES["logistic, weights"]
    plan = runs.rates(4, schedule="invscaling")
    chosen = runs.settings(epochs=4, nesterov=True, **(plan | changes))
    same_trajectory(chosen, device, data=data)


IMAGES = RANDOM.integers(0, 256, (11, 5 * 4), dtype=np.uint8)
CONVNET = Network(
    [
        Conv2D(3, 2, activation="relu"),
        MaxPool2D(2),
        Residual([Conv2D(2, 1), GroupNorm(1)], [Conv2D(2, 1)]),
        Flatten(),
        Dense(2),
    ],
    (5, 4, 1),
)


@pytest.mark.parametrize(
    ("device", "epochs"),
    [(Cuda(threads=4), 7), (Cuda(threads=1, launch="graph", blocks_per_worker=2), 2)],
    ids=["persistent", "layered"],
)
def test_convnet_takes_sequential_steps(device, epochs):
    labels = (IMAGES[:, :10].mean(1) > IMAGES[:, 10:].mean(1)).astype(np.int32)
    scale = np.full(20, 1 / 128, np.float32)
    data = TrainingData(IMAGES, labels, NONE, np.full(20, 128, np.float32), scale)
    chosen = runs.settings(
        epochs=epochs,
        batch=4,
        **runs.rates(epochs, 3, 11, rate=0.05),
        augmentation=Augmentation(pad=1, flip=True, cutout=2),
    )
    same_trajectory(chosen, device, network=CONVNET, data=data)


def test_synchronous_workers_are_one_team():
    expected = fit(runs.settings(epochs=1))
    found = fit(runs.settings(methods.Sync(), epochs=1))
    np.testing.assert_array_equal(found.params, expected.params)
    method = methods.Sync()
    assert usable_workers(runs.NETWORK, method, 9, 50) == 1


def test_stores_and_additions_are_the_same_without_races():
    expected = fit(runs.settings(epochs=1))
    found = fit(runs.settings(epochs=1), device=Cuda(threads=2, writes="store"))
    assert_close(found.params, expected.params)


def test_rate_factor_counts_from_the_next_epoch():
    def halve(epoch):
        epoch.rate_factor /= 2

    here, there = (Watch(at_0=halve, at_1=halve) for _ in range(2))
    chosen = runs.settings(epochs=3)
    runs.on_host(chosen, here)
    fit(chosen, there)
    assert [e.rate_factor for e in there.epochs] == [0.5, 0.25, 0.25]
    for found, expected in zip(there.params, here.params, strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize(
    "device", [DEVICES[0], DEVICES[2]], ids=["persistent", "graph"]
)
def test_velocity_contains_the_rate_where_it_has_to(device):
    """The velocity of scikit-learn: velocity is scaled when the rate changes."""

    def halve(epoch):
        epoch.rate_factor *= 0.5

    plan = runs.rates(4, schedule="invscaling", rate=1.0)
    chosen = runs.settings(epochs=4, keeps_velocity=True, **plan)
    here, there = Watch(at_1=halve), Watch(at_1=halve)
    expected = runs.on_host(chosen, here)
    found = fit(chosen, there, device=device)
    assert_close(found.params, expected.params)
    assert_close(found.velocity, expected.velocity)
    other = runs.on_host(replace(chosen, keeps_velocity=False), Watch(at_1=halve))
    assert np.abs(other.params - expected.params).max() > 1e-2


def test_velocity_is_carried_on():
    first = fit(runs.settings(epochs=1))
    expected = runs.on_host(runs.settings(epochs=1))
    again, wanted = (
        train(
            runs.NETWORK,
            DATA,
            runs.settings(epochs=1),
            before.params,
            velocity=before.velocity,
            **where,
        )
        for train, before, where in (
            (runs.cuda_training.train, first, {"device": runs.CARD}),
            (runs.training.train, expected, {}),
        )
    )
    assert_close(again.params, wanted.params)
    fresh = runs.cuda_training.train(
        runs.NETWORK,
        DATA,
        runs.settings(epochs=1),
        first.params,
        velocity=first.velocity[:, :-1],  # of another network: not used
        device=runs.CARD,
    )
    assert np.abs(fresh.params - again.params).max() > 1e-3
