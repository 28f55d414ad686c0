"""Images that kernels change at random, and what became of them."""

import numpy as np

from hogblock.kernels.cpu.augment import augment_rows
from hogblock.kernels.ops import padded

F32 = np.float32


def numbered(height, width, channels):
    """An image of which no two values are equal, and none is zero."""
    values = np.arange(1, height * width * channels + 1, dtype=F32)
    return values.reshape(height, width, channels)


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
