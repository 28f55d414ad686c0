"""What training sees of images that are changed at random."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from hogblock import Augmentation, methods, schedules
from hogblock.engines.cpu import training
from hogblock.models import (
    Dense,
    Flatten,
    MaxPool2D,
    Network,
    ReLU,
    SpatialDropout2D,
)
from hogblock.training.run_plan import make_run_plan
from hogblock.training.settings import Settings, TrainingData
from support import naive
from support.drawn_images import assert_uniform, augment, many, namer, numbered

NONE = np.zeros(0, np.float32)
F32 = np.float32


def settings(how, *, samples=1, batch=1, epochs=1, rate=1.0, **changes):
    """A run of plain steps."""
    batches = -(-samples // batch)
    table, points = schedules.rate_table(
        schedules.Schedule(), rate, 0.5, epochs=epochs, batches=batches, samples=samples
    )
    values = dict(
        method=methods.SGD(),
        workers=1,
        batch=batch,
        epochs=epochs,
        loss="squared_error",
        rate=table,
        rate_points=points,
        momentum=0.0,
        nesterov=False,
        shuffle=False,
        alpha=0.0,
        seed=0,
        augmentation=how,
    )
    return Settings(**(values | changes))


def seen_by_one_step(image, how, seed, *, shift=NONE, scale=NONE, first=()):
    """The image as it reaches the dense layer, out of the weights after a step.

    With weights of zero, a target of 1 and squared error the first step is the input.
    """
    network = Network([*first, Flatten(), Dense(1)], image.shape)
    one = np.ones((1, 1), F32)
    data = TrainingData(image.reshape(1, -1), one, NONE, shift, scale)
    start = np.zeros(network.size, F32)
    result = training.train(network, data, settings(how, seed=seed), start)
    return network.tensors[0].view(result.params).reshape(image.shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_training_sees_scaled_images_then_changed(dtype):
    """What comes in from outside is the mean of the channel: zero once scaled."""
    image = (10 * numbered(3, 4, 2)).astype(dtype)
    kept = image.copy()
    shift, scale = np.tile(F32([100, 50]), 12), np.tile(F32([0.5, 0.25]), 12)
    scaled = (image - shift.reshape(image.shape)) * scale.reshape(image.shape)
    plain = seen_by_one_step(image, None, 0, shift=shift, scale=scale)
    np.testing.assert_allclose(plain, scaled)
    name_of = namer(
        {
            draw: naive.shift_image(plain, *draw[:2])[:, :: draw[2]]
            for draw in product(range(-2, 3), range(-2, 3), (1, -1))
        }
    )
    first, again = (
        [
            seen_by_one_step(
                image, Augmentation(pad=2, flip=True), seed, shift=shift, scale=scale
            )
            for seed in range(30)
        ]
        for _ in range(2)
    )
    assert len(set(map(name_of, first))) > 10
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize(
    "first", [ReLU(), MaxPool2D(1), SpatialDropout2D(1e-9)], ids=str
)
@pytest.mark.parametrize("channels", [1, 3, 16])
def test_images_are_changed_before_their_channels_are_padded(first, channels):
    """For first layers that want whole lines of channels; these do nothing else."""
    image = numbered(3, 4, channels)
    name_of = namer(
        {
            draw: naive.shift_image(image, *draw[:2])[:, :: draw[2]]
            for draw in product((-1, 0, 1), (-1, 0, 1), (1, -1))
        }
    )
    how = Augmentation(pad=1, flip=True)
    seen = [seen_by_one_step(image, how, seed, first=[first]) for seed in range(30)]
    assert len(set(map(name_of, seen))) > 8


def test_every_sample_of_every_minibatch_is_drawn_anew():
    """Steps too small to matter to each other add up what was seen."""
    image = np.zeros((3, 3, 1), F32)
    image[1, 1] = 1
    network = Network([Flatten(), Dense(1)], image.shape)
    samples, epochs, rate = 7, 200, 2.0**-40
    x = np.repeat(image.reshape(1, -1), samples, axis=0)
    data = TrainingData(x, np.ones((samples, 1), F32), NONE, NONE, NONE)
    run = settings(
        Augmentation(pad=1), samples=samples, batch=samples, epochs=epochs, rate=rate
    )
    result = training.train(network, data, run, np.zeros(network.size, F32))
    times = network.tensors[0].view(result.params).ravel() / rate * samples
    counts = Counter(dict(enumerate(times.round().astype(int).tolist())))
    np.testing.assert_allclose(times, list(counts.values()), atol=0.01)
    assert counts.total() == samples * epochs
    assert_uniform(counts, 9)


def test_workers_draw_apart(aligned):
    """Their keys come from one seed, and differ."""
    network = Network([Flatten(), Dense(1)], (4, 4, 1))
    how = Augmentation(pad=1, flip=True)
    run = settings(how, samples=9, method=methods.Hogwild(), workers=3)
    x = np.zeros((9, 16), F32)
    data = TrainingData(x, x[:, :1].copy(), NONE, NONE, NONE)
    keys = make_run_plan(network, data, run).worker_keys
    images = many(numbered(4, 4, 1), 50)
    drawn = [augment(aligned, images, how, key=int(key)) for key in keys]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (drawn[a] == drawn[b]).all(axis=(1, 2, 3)).mean() < 0.3
