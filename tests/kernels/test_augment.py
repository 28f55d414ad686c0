"""Augmentation: the kernels against NumPy, and what they draw."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from hogblock import Augmentation
from hogblock.kernels.cpu.augment import (
    DRAWS,
    blank_square,
    mirror_image,
    shift_image,
)
from support import naive
from support.drawn_images import assert_uniform, augment, many, namer, numbered

SIZES = [(1, 1), (1, 7), (5, 1), (2, 2), (3, 5), (7, 7), (11, 13), (28, 28)]
CHANNELS = [1, 3]
F32 = np.float32


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
