"""Augmentation: the kernels against NumPy, what they draw, and what training sees."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from hogblock import Augmentation, CNNClassifier, methods, schedules
from hogblock.datasets import load_digits_images
from hogblock.engines.cpu import engine
from hogblock.kernels.cpu.augment import (
    DRAWS,
    augment_rows,
    blank_square,
    mirror_image,
    shift_image,
)
from hogblock.models import (
    Dense,
    Flatten,
    MaxPool2D,
    Network,
    ReLU,
    SpatialDropout2D,
)
from hogblock.models.layout import padded
from support import naive

SIZES = [(1, 1), (1, 7), (5, 1), (2, 2), (3, 5), (7, 7), (11, 13), (28, 28)]
CHANNELS = [1, 3]
NONE = np.zeros(0, np.float32)
F32 = np.float32


def numbered(height, width, channels):
    """An image of which no two values are equal, and none is zero."""
    values = np.arange(1, height * width * channels + 1, dtype=F32)
    return values.reshape(height, width, channels)


def changed(aligned, kernel, image, *args):
    """What a kernel that works in place makes of an image."""
    row = aligned.zeros(image.size)
    row[: image.size], row[image.size :] = image.ravel(), 7
    kernel(row[: image.size], *image.shape, *args)
    assert (row[image.size :] == 7).all(), "padding was written"
    return row[: image.size].reshape(image.shape).copy()


def offsets(size):
    """All shifts of a small image, and those at the ends of a large one's."""
    everything = range(-size, size + 1)
    return everything if size < 8 else [*everything[:2], -3, -1, 0, 1, *everything[-2:]]


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("size", SIZES)
def test_shift(aligned, size, channels):
    image = numbered(*size, channels)
    for down, right in product(*map(offsets, size)):
        found = changed(aligned, shift_image, image, down, right)
        np.testing.assert_array_equal(found, naive.shift_image(image, down, right))
    for far in (size[0], -size[0]):
        assert not changed(aligned, shift_image, image, far, 0).any()


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("size", SIZES)
def test_mirror(aligned, size, channels):
    image = numbered(*size, channels)
    found = changed(aligned, mirror_image, image)
    np.testing.assert_array_equal(found, image[:, ::-1])
    np.testing.assert_array_equal(changed(aligned, mirror_image, found), image)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("size", SIZES)
def test_blank(aligned, size, channels):
    image = numbered(*size, channels)
    for side in {1, 2, 3, min(size), max(size)}:
        places = product(*(offsets(n + side) for n in size))
        for top, left in places:
            found = changed(aligned, blank_square, image, top, left, side)
            wanted = naive.blank_square(image, top, left, side)
            np.testing.assert_array_equal(found, wanted)


# What is drawn ------------------------------------------------------------------------


def augment(aligned, images, how, key=1, counter=0):
    """Copies of the images, augmented in rows as training has them."""
    images = np.asarray(images, F32)
    size = images[0].size
    rows = aligned.zeros(len(images), size)
    rows[:, :size], rows[:, size:] = images.reshape(len(images), -1), 7
    augment_rows(
        rows.ctypes.data, padded(size), len(images), how.words(images.shape[1:]), key,
        counter,
    )  # fmt: skip
    assert (rows[:, size:] == 7).all(), "padding was written"
    return rows[:, :size].reshape(images.shape).copy()


def many(image, count):
    return np.broadcast_to(image, (count, *image.shape))


def namer(outcomes):
    """Function that tells which of the possible outcomes an augmented image is."""
    names = {(o + F32(0)).tobytes(): name for name, o in outcomes.items()}

    def name_of(image):
        name = names.get((image + F32(0)).tobytes())
        assert name is not None, f"no change that is allowed gives {image.tolist()}"
        return name

    return name_of


def assert_uniform(counts, cells):
    """Every outcome came, and none much more often than another."""
    assert len(counts) == cells
    mean = sum(counts.values()) / cells
    allowed = 4.5 * np.sqrt(mean)
    assert all(abs(count - mean) < allowed for count in counts.values()), counts


@pytest.mark.parametrize("key", [0, 12345, 2**32 - 1])
def test_all_shifts_and_both_sides_come_equally_often(aligned, key):
    image = numbered(4, 5, 2)
    outcomes = {
        (down, right, flip): naive.shift_image(image, down, right)[:, :: 1 - 2 * flip]
        for down, right, flip in product(range(-2, 3), range(-2, 3), (0, 1))
    }
    found = augment(aligned, many(image, 5000), Augmentation(pad=2, flip=True), key)
    counts = Counter(map(namer(outcomes), found))
    assert_uniform(counts, 50)
    assert_uniform(Counter(flip for *_, flip in counts.elements()), 2)
    assert_uniform(Counter(right for _, right, _ in counts.elements()), 5)


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_squares_are_blanked_around_every_pixel(aligned, side):
    """At the edges a part of the square falls outside."""
    height, width = 4, 7
    image = numbered(height, width, 1)
    half = side // 2
    outcomes = {
        (r, q): naive.blank_square(image, r - half, q - half, side)
        for r, q in product(range(height), range(width))
    }
    different = Counter(o.tobytes() for o in outcomes.values())
    found = augment(aligned, many(image, 6000), Augmentation(cutout=side))
    counts = Counter(one.tobytes() for one in found)
    assert counts.keys() == different.keys()
    for outcome, count in counts.items():  # pixels may share what is left of a square
        mean = 6000 * different[outcome] / (height * width)
        assert abs(count - mean) < 4.5 * np.sqrt(mean)
    blanked = (found == 0).sum(axis=(1, 2, 3))
    assert blanked.max() == side * side and blanked.min() >= (side - half) ** 2


def test_shift_then_mirror_then_blank(aligned):
    image = numbered(3, 4, 3)
    draws = product(range(-1, 2), range(-1, 2), (1, -1), range(3), range(4))
    outcomes = {
        draw: naive.blank_square(
            naive.shift_image(image, *draw[:2])[:, :: draw[2]],
            draw[3] - 1, draw[4] - 1, 2,
        )
        for draw in draws
    }  # fmt: skip
    found = augment(aligned, many(image, 400), Augmentation(1, True, 2))
    assert len(set(map(namer(outcomes), found))) > 100


def test_images_of_a_minibatch_are_changed_apart(aligned, random):
    """Each row by its own draws, and no row by the values of another."""
    images = random.normal(size=(40, 5, 6, 3))
    how = Augmentation(pad=2, flip=True, cutout=2)
    together = augment(aligned, images, how, counter=100)
    for i, image in enumerate(images):
        alone = augment(aligned, image[None], how, counter=100 + i)
        np.testing.assert_array_equal(alone[0], together[i])
    same = augment(aligned, many(images[0], 40), how)
    assert len({one.tobytes() for one in same}) > 30


def test_draws_depend_on_key_and_counter_alone(aligned, random):
    images = random.normal(size=(30, 6, 6, 1))
    how = Augmentation(pad=3, flip=True, cutout=3)
    first = augment(aligned, images, how, key=5, counter=60)
    np.testing.assert_array_equal(
        first, augment(aligned, images, how, key=5, counter=60)
    )
    for key, counter in ((6, 60), (5, 90), (5, 61)):
        other = augment(aligned, images, how, key=key, counter=counter)
        equal = (first == other).all(axis=(1, 2, 3))
        assert equal.mean() < 0.2


def test_a_long_run_does_not_run_out_of_draws(aligned):
    """The counter of the hash has 32 bits, and begins again after them."""
    image = numbered(4, 4, 1)
    how = Augmentation(pad=1, flip=True)
    late = augment(aligned, many(image, 900), how, counter=2**40)
    assert len({one.tobytes() for one in late}) == 18
    start = 2**32 // DRAWS - 450
    around = augment(aligned, many(image, 900), how, counter=start)
    assert len({one.tobytes() for one in around}) == 18


def test_nothing_changes_with_all_off(aligned, random):
    images = random.normal(size=(20, 5, 4, 3)).astype(F32)
    np.testing.assert_array_equal(augment(aligned, images, Augmentation()), images)


def test_one_pixel(aligned):
    images = np.ones((500, 1, 1, 3), F32)
    found = augment(aligned, images, Augmentation(pad=1, flip=True))
    kept = found.all(axis=(1, 2, 3))
    assert 500 / 9 / 2 < kept.sum() < 500 / 9 * 2  # one shift of nine leaves it there
    assert not found[~kept].any()
    assert not augment(aligned, images, Augmentation(cutout=1)).any()


# What training sees -------------------------------------------------------------------


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
    return engine.Settings(**(values | changes))


def seen_by_one_step(image, how, seed, *, shift=NONE, scale=NONE, first=()):
    """The image as it reaches the dense layer, out of the weights after a step.

    With weights of zero, a target of 1 and squared error the first step is the input.
    """
    network = Network([*first, Flatten(), Dense(1)], image.shape)
    one = np.ones((1, 1), F32)
    data = engine.TrainingData(image.reshape(1, -1), one, NONE, shift, scale)
    start = np.zeros(network.size, F32)
    result = engine.train(network, data, settings(how, seed=seed), start)
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
    data = engine.TrainingData(x, np.ones((samples, 1), F32), NONE, NONE, NONE)
    run = settings(
        Augmentation(pad=1), samples=samples, batch=samples, epochs=epochs, rate=rate
    )
    result = engine.train(network, data, run, np.zeros(network.size, F32))
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
    data = engine.TrainingData(x, x[:, :1].copy(), NONE, NONE, NONE)
    tasks, _ = engine._make_tasks(network, data, run, 9)
    images = many(numbered(4, 4, 1), 50)
    drawn = [augment(aligned, images, how, key=task.key) for task in tasks]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (drawn[a] == drawn[b]).all(axis=(1, 2, 3)).mean() < 0.3


# Through fit --------------------------------------------------------------------------

PLANNED = dict(learning_rate="cosine", random_state=0)
SMALL = dict(conv_layers=((8, 3),), hidden_layer_sizes=32)
HOW = Augmentation(pad=2, flip=True, cutout=3)


@pytest.fixture(scope="module")
def digits():
    return load_digits_images()


def test_one_job_is_bit_reproducible_and_augmentation_matters(digits):
    def fit(how):
        model = CNNClassifier(**SMALL, **PLANNED, max_iter=2, augmentation=how)
        return model.fit(digits.data, digits.target).coefs_

    plain, changes, again, off = (fit(how) for how in (None, HOW, HOW, Augmentation()))
    for a, b in zip(changes, again, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(plain, off, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(np.allclose(a, b) for a, b in zip(plain, changes, strict=True))


def test_predict_sees_images_as_they_are(digits):
    model = CNNClassifier(**SMALL, **PLANNED, max_iter=2, augmentation=HOW)
    model.fit(digits.data, digits.target)
    image = digits.data_test[:1]
    once = model.predict_proba(image)
    for many_of_it in (np.repeat(image, 300, axis=0), image):
        found = model.predict_proba(many_of_it)
        np.testing.assert_allclose(found, np.broadcast_to(once, found.shape), rtol=1e-5)
    before = model.predict_proba(digits.data_test)
    model.set_params(augmentation=None)
    np.testing.assert_array_equal(model.predict_proba(digits.data_test), before)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_images_are_left_as_they_are(digits, monkeypatch, dtype, n_jobs):
    """The caller's, and those that the workers share."""
    x = digits.data.astype(dtype)
    shared = []
    release = engine.Segment.release

    def look(segment):
        shared.append(segment.arrays["x"].copy())
        release(segment)

    monkeypatch.setattr(engine.Segment, "release", look)
    model = CNNClassifier(
        **SMALL, **PLANNED, max_iter=2, augmentation=HOW, n_jobs=n_jobs,
        standardize=False, learning_rate_init=1e-3,
    )  # fmt: skip
    model.fit(x, digits.target)
    np.testing.assert_array_equal(x, digits.data)
    assert len(shared) == n_jobs - 1
    for rows in shared:
        np.testing.assert_array_equal(rows, digits.data.reshape(rows.shape))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_shifts_teach_that_the_place_does_not_matter(digits, n_jobs):
    moved = np.stack([naive.shift_image(one, 0, 2) for one in digits.data_test])

    def score(how):
        model = CNNClassifier(
            **SMALL, **PLANNED, max_iter=25, augmentation=how, n_jobs=n_jobs
        )
        model.fit(digits.data, digits.target)
        assert model.n_workers_ == n_jobs
        return model.score(moved, digits.target_test)

    assert score(Augmentation(pad=2)) > score(None) + 0.05
