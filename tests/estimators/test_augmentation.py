"""Augmentation through the estimators: what it changes, and what it leaves."""

import numpy as np
import pytest

from hogblock import Augmentation, CNNClassifier
from hogblock.datasets import load_digits_images
from hogblock.engines.cpu import training
from support import naive

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
    release = training.Segment.release

    def look(segment):
        shared.append(segment.arrays["x"].copy())
        release(segment)

    monkeypatch.setattr(training.Segment, "release", look)
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
