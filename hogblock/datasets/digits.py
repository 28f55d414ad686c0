"""scikit-learn's digits as a set of images."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from hogblock.datasets.images import make_bunch

N_TEST = 360


def load_digits_images(
    *, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load the 1797 digits that come with scikit-learn, as images.

    The last 360 are the test set: nothing is drawn at random, so that results compare.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return the training images and their classes only.

    Returns
    -------
    Bunch or (data, target)
        - data, data_test : ndarray of shape (1437, 8, 8, 1) and (360, 8, 8, 1), uint8;
          values are 0 to 16
        - target, target_test : ndarray of shape (1437,) and (360,), int64
        - image_shape : (8, 8, 1)
        - target_names : list of the ten digits, as str
        - DESCR : str
    """
    digits = load_digits()
    images = digits.images[..., np.newaxis].astype(np.uint8)
    target = digits.target.astype(np.int64)
    train, test = (
        (images[rows], target[rows])
        for rows in (slice(None, -N_TEST), slice(-N_TEST, None))
    )
    if return_X_y:
        return train
    names = [str(name) for name in digits.target_names]
    return make_bunch(train, test, images.shape[1:], names, digits.DESCR)
