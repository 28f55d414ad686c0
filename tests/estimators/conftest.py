"""Fixtures of the tests of estimators."""

import numpy as np
import pytest

from hogblock.datasets import load_digits_images


@pytest.fixture(scope="module")
def glyphs():
    """uint8 images (n, 8, 8, 1) of 0 to 16, and a test part."""
    return load_digits_images()


@pytest.fixture(scope="module")
def colours():
    """RGB images of 5x6 pixels; the class is the corner that is green."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 120, size=(400, 5, 6, 3), dtype=np.uint8)
    y = rng.integers(4, size=400)
    for image, corner in zip(x, y, strict=True):
        rows, columns = (slice(3 * k, 3 * k + 3) for k in divmod(corner, 2))
        image[rows, columns, 1] += 100
    return x, y
