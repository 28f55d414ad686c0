"""scikit-learn's digits as images."""

import numpy as np
from sklearn.datasets import load_digits

from hogblock import datasets


def test_digits_are_images_and_the_last_360_the_test_set():
    data = datasets.load_digits_images()
    assert data.data.shape == (1437, 8, 8, 1) and data.data_test.shape == (360, 8, 8, 1)
    assert data.data.dtype == data.data_test.dtype == np.uint8
    assert data.target.dtype == data.target_test.dtype == np.int64
    assert data.image_shape == (8, 8, 1)
    X, y = load_digits(return_X_y=True)
    images = np.concatenate([data.data, data.data_test])
    np.testing.assert_array_equal(images.reshape(1797, 64), X)
    np.testing.assert_array_equal(np.concatenate([data.target, data.target_test]), y)
    assert images.max() == 16
    assert data.target_names == [str(k) for k in range(10)] and data.DESCR
    assert set(data.target_test) == set(range(10))


def test_digits_as_x_and_y():
    X, y = datasets.load_digits_images(return_X_y=True)
    assert X.shape == (1437, 8, 8, 1) and y.shape == (1437,)
