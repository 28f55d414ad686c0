"""Scaling: by column, and by channel of images, against NumPy in float64."""

import numpy as np
import pytest

from hogblock import CNNClassifier, NetworkClassifier
from hogblock.models import Dense, Flatten, Network
from hogblock.training.scaling import LARGEST, Scaling, Standardiser, unscaled_weights

NONE = np.zeros(0, np.float32)
F32 = np.float32


def scaling_of(*arguments):
    return Standardiser.of(*arguments).scaling


def images(random, dtype, shape=(23, 5, 3, 3)):
    """Channels of different means and deviations; rows of pixels."""
    if dtype == "u1":
        low, high = [0, 100, 30], [256, 200, 34]
        x = random.integers(low, high, size=shape, dtype=np.uint8)
    else:
        x = 10 ** np.arange(3.0) * (random.normal(size=shape) + [0, 3, -2])
    return x.reshape(len(x), -1).astype(dtype)


def by_hand(x, weights, channels):
    """Mean and width of each channel, repeated over the pixels."""
    weights = np.ones(len(x)) if weights.size == 0 else weights.astype(float)
    pixels = x[weights > 0].astype(float).reshape(-1, x.shape[1] // channels, channels)
    weights = weights[weights > 0][:, None, None]
    total = weights.sum() * pixels.shape[1]
    mean = (weights * pixels).sum(axis=(0, 1)) / total
    variance = (weights * (pixels - mean) ** 2).sum(axis=(0, 1)) / total
    reach = np.abs(pixels - mean).max(axis=(0, 1))
    width = np.maximum(np.sqrt(variance), reach / LARGEST)
    width[width == 0] = 1
    return np.tile(mean, pixels.shape[1]), np.tile(width, pixels.shape[1])


def assert_by_hand(x, weights, channels):
    scaling = scaling_of(x, weights, channels)
    mean, width = by_hand(x, weights, channels)
    assert scaling.shift.dtype == scaling.scale.dtype == np.float64
    np.testing.assert_allclose(scaling.shift, mean, rtol=3e-7, atol=1e-7 * width.max())
    np.testing.assert_allclose(scaling.scale, 1 / width, rtol=3e-7)
    return scaling


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_channels_are_scaled_alike(random, dtype):
    x = images(random, dtype)
    scaling = assert_by_hand(x, NONE, 3)
    scaled = scaling.scaled(x).reshape(len(x), -1, 3)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=(0, 1)), 1, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_weights_count_and_rows_of_weight_zero_do_not(random, dtype, channels):
    x = images(random, dtype)
    weights = random.uniform(0.1, 4, len(x)).astype(F32)
    weights[[0, 1, 9]] = 0
    x[weights == 0] = 255
    assert_by_hand(x, weights, channels)
    kept = np.ascontiguousarray(x[weights > 0])
    for a, b in zip(
        scaling_of(x, weights, channels),
        scaling_of(kept, weights[weights > 0], channels),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_weight_is_so_many_samples(random):
    x = images(random, "f8")
    weights = random.integers(1, 5, len(x))
    weighted = scaling_of(x, weights.astype(F32), 3)
    repeated = scaling_of(np.repeat(x, weights, axis=0), NONE, 3)
    np.testing.assert_allclose(weighted.shift, repeated.shift, rtol=1e-6)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-6)


def test_one_pixel_of_many_channels_is_a_row(random):
    """An image of 1x1 is scaled as columns are."""
    for dtype in ("u1", "f4", "f8"):
        x = images(random, dtype)
        for a, b in zip(scaling_of(x, NONE, 45), scaling_of(x, NONE), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("offset", "size"), [(1e4, 1), (-1e6, 1), (1e9, 3e3)])
def test_doubles_far_from_zero_keep_their_digits(random, offset, size):
    """Sums of squares about zero would lose them, and so would X in float32."""
    deviations = size * np.array([1.0, 10.0, 0.5])
    x = (offset + deviations * random.normal(size=(200, 12, 3))).reshape(200, -1)
    scaling = scaling_of(x, NONE, 3)
    noise = x.reshape(200, 12, 3) - offset  # as far as x could hold it
    width = noise.std(axis=(0, 1))
    np.testing.assert_allclose(scaling.scale.reshape(-1, 3)[0], 1 / width, rtol=1e-6)
    scaled = scaling.scaled(x).reshape(noise.shape)
    np.testing.assert_allclose(scaled.std(axis=(0, 1)), 1, rtol=1e-4)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(
        scaled - scaled.mean(axis=(0, 1)),
        (noise - noise.mean(axis=(0, 1))) / width,
        atol=1e-5,
    )


def test_what_its_type_cannot_tell_from_rounding_counts_as_constant(random):
    z = random.normal(size=(50, 8))
    for x in ((1e9 + z).astype(F32), 1e18 + z):
        assert np.abs(scaling_of(x, NONE, 2).scaled(x)).max() <= 1
    assert np.abs(scaling_of(1e9 + z, NONE, 2).scaled(1e9 + z)).max() > 2


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_constant_channels_become_zero(random, dtype):
    x = images(random, dtype).reshape(23, 15, 3)
    x[..., 1] = 77 if dtype == "u1" else 77.7
    x[..., 2] = 0
    x = x.reshape(23, -1)
    scaling = scaling_of(x, NONE, 3)
    scale = scaling.scale.reshape(-1, 3)
    assert (scale[:, 1:] == 1).all() and np.isfinite(scale).all()
    scaled = scaling.scaled(x).reshape(23, 15, 3)
    np.testing.assert_allclose(scaled[..., 1], 0, atol=1e-5)
    assert (scaled[..., 2] == 0).all()


def test_pixels_that_are_constant_by_themselves_count_for_their_channel():
    """Black corners are no constant columns: the channel has one mean and one width."""
    x = np.zeros((10, 4), np.uint8)
    x[:, 3] = np.arange(10) % 2 * 200
    scaling = assert_by_hand(x, NONE, 1)
    assert len(set(scaling.shift)) == len(set(scaling.scale)) == 1
    np.testing.assert_allclose(scaling.shift, 25)


def test_no_scaled_value_is_larger_than_the_limit():
    x = np.zeros((1000, 12), F32)
    x[7, 3] = 1  # one bright pixel in 4000 of its channel
    scaled = scaling_of(x, NONE, 3).scaled(x)
    assert np.abs(scaled).max() == pytest.approx(LARGEST)
    assert not scaled.reshape(-1, 3)[:, 1:].any()


def test_undo_is_the_inverse(random):
    x = images(random, "f8")
    scaling = scaling_of(x, NONE, 3)
    np.testing.assert_allclose(
        scaling.undo(scaling.scaled(x)), x, rtol=1e-12, atol=1e-12
    )
    nothing = Scaling.none()
    assert nothing.undo(x) is x
    np.testing.assert_array_equal(nothing.scaled(x), x)


def test_weights_for_raw_values_are_those_for_scaled_ones(random):
    x = images(random, "f8")
    y = 5 + 100 * random.normal(size=(len(x), 2))
    inputs, outputs = scaling_of(x, NONE, 3), scaling_of(y, NONE)
    w, b = random.normal(size=(45, 2)), random.normal(size=2)
    (raw_w,), (raw_b,) = unscaled_weights([w], [b], inputs, outputs)
    wanted = outputs.undo(inputs.scaled(x) @ w + b)
    np.testing.assert_allclose(x @ raw_w + raw_b, wanted, rtol=1e-9)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.timeout(60)
def test_brightness_of_channels_does_not_matter_to_a_fit(random, n_jobs):
    """Nor does it to the type that holds it: float64 is scaled before it is shared."""
    x = random.normal(size=(300, 4, 4, 3))
    y = (x[:, :2, :2, 1].sum(axis=(1, 2)) > 0).astype(int)
    model = CNNClassifier(
        ((6, 3),),
        hidden_layer_sizes=8,
        max_iter=25,
        batch_size=16,
        learning_rate="cosine",
        n_jobs=n_jobs,
        random_state=0,
    )
    wild = x * [2.0**20, 2.0**-10, 64] + [2.0**27, 3, -1e5]
    plain = model.fit(x, y).predict_proba(x)
    assert model.score(x, y) > 0.9
    model.fit(wild, y)
    assert model.score(wild, y) > 0.9
    assert model.n_workers_ == n_jobs
    if n_jobs == 1:
        np.testing.assert_allclose(model.predict_proba(wild), plain, atol=0.02)


def test_rows_are_scaled_by_column_and_images_by_channel(random):
    """The same values train differently as a row, unless the columns agree."""
    x = random.normal(size=(60, 4, 4)) * np.linspace(1, 50, 16).reshape(4, 4)
    y = (x[:, 0, 0] > 0).astype(int)
    common = dict(max_iter=4, learning_rate="cosine", random_state=0)

    def scaled(shape, n_outputs):
        layers = (
            [Flatten(), Dense(n_outputs)] if len(shape) == 3 else [Dense(n_outputs)]
        )
        return Network(layers, shape)

    as_rows = NetworkClassifier(scaled, **common).fit(x.reshape(60, -1), y)
    as_images = NetworkClassifier(scaled, **common).fit(x, y)
    assert as_rows.image_shape_ == (16,) and as_images.image_shape_ == (4, 4, 1)
    for model, shape, channels in ((as_rows, (60, 16), 16), (as_images, x.shape, 1)):
        mean, width = by_hand(x.reshape(60, -1), NONE, channels)
        inputs = (x.reshape(60, -1) - mean) / width
        z = inputs @ model.coefs_[0] + model.intercepts_[0]
        np.testing.assert_allclose(
            model.predict_proba(x.reshape(shape))[:, 1],
            1 / (1 + np.exp(-z[:, 0])),
            atol=1e-5,
        )


# Rows that come in parts ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_parts_are_scaled_as_the_whole(random, dtype, channels, weighted):
    x = images(random, dtype)
    x[:7, 5] = x[0, 5]  # varies later only
    weights = random.uniform(0.1, 4, len(x)).astype(F32) if weighted else NONE
    standard = Standardiser.of(x[:1], weights[:1], channels)
    for part in (slice(1, 2), slice(2, 9), slice(9, None)):
        standard = standard.refined(x[part], weights[part])
    whole = scaling_of(x, weights, channels)
    for a, b in zip(standard.scaling, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6 if dtype == "f4" else 1e-12)


@pytest.mark.parametrize("power", [-1000, -300, 300, 1000])
def test_powers_of_two_do_not_matter(random, power):
    x = random.normal(size=(40, 6))
    near, far = (Standardiser.of(a, NONE, 3) for a in (x, np.ldexp(x, power)))
    np.testing.assert_allclose(
        far.scaling.scaled(np.ldexp(x, power)), near.scaling.scaled(x), rtol=1e-12
    )
    y = x[:9] + 100
    near, far = near.refined(y, NONE), far.refined(np.ldexp(y, power), NONE)
    np.testing.assert_allclose(
        far.scaling.scaled(np.ldexp(y, power)), near.scaling.scaled(y), rtol=1e-12
    )


def test_moments_in_parts_keep_their_digits_far_from_zero(random):
    x = 1e9 + random.normal(size=(90, 4))
    parts = Standardiser.of(x[:30], NONE).refined(x[30:], NONE)
    np.testing.assert_allclose(parts.scaling.scale, scaling_of(x, NONE).scale, 1e-8)
    assert np.abs(parts.scaling.scaled(x).mean(axis=0)).max() < 1e-6
