"""Runs of the engine for processors that several tests train."""

import numpy as np

from hogblock import schedules
from hogblock.models import Dense, Network
from hogblock.training.settings import Settings, TrainingData

N, FEATURES, CLASSES, BATCH = 203, 13, 5, 16
BATCHES = -(-N // BATCH)
NONE = np.zeros(0, np.float32)


def make_data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, FEATURES)).astype(np.float32)
    y = (x[:, :CLASSES] + 0.1 * rng.normal(size=(N, CLASSES))).argmax(1)
    return TrainingData(x, y.astype(np.int32), NONE, NONE, NONE)


ROWS = Network([Dense(24, "relu"), Dense(17, "tanh"), Dense(CLASSES)], (FEATURES,))


def settings(method, workers=1, epochs=3, rate=0.05, **changes):
    table, points = schedules.rate_table(
        schedules.Schedule(), rate, 0.5, epochs=epochs, batches=BATCHES, samples=N
    )
    values = dict(
        method=method,
        workers=workers,
        batch=BATCH,
        epochs=epochs,
        loss="softmax",
        rate=table,
        rate_points=points,
        momentum=0.9,
        nesterov=False,
        shuffle=True,
        alpha=1e-3,
        seed=3,
    )
    return Settings(**(values | changes))


def start(network):
    return network.initialise(np.random.RandomState(0))
