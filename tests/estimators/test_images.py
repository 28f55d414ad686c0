"""Estimators for images and over any network: contracts, forms of X, agreement."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from hogblock import (
    Augmentation,
    CNNClassifier,
    CNNRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    methods,
)
from hogblock.models import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    Network,
    small_convnet,
)
from hogblock.models.activations import ACTIVATIONS
from support.image_models import PLANNED, SMALL, assert_same_fit, dense_network, small

# Contracts ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [
        CNNClassifier(),
        CNNRegressor(),
        CNNClassifier(**SMALL, image_shape=(1, -1), n_jobs=2),
        CNNRegressor(**SMALL, image_shape=(1, -1), n_jobs=2),
        NetworkClassifier(dense_network),
        NetworkRegressor(dense_network, n_jobs=2),
    ],
    ids=lambda e: f"{type(e).__name__}-{e.n_jobs}",
)
def test_scikit_learns_checks_pass(estimator):
    failed, passed = [], 0
    for subject, check in estimator_checks_generator(estimator):
        try:
            check(subject)
            passed += 1
        except Exception as error:
            if type(error).__name__ != "SkipTest":
                failed.append((check.func.__name__, error))
    assert failed == []
    assert passed > 50


@pytest.mark.parametrize(
    "estimator",
    [
        CNNClassifier(),
        CNNRegressor(),
        NetworkClassifier(dense_network),
        NetworkRegressor(dense_network),
    ],
    ids=lambda e: type(e).__name__,
)
def test_tags(estimator):
    tags = get_tags(estimator)
    assert tags.input_tags.three_d_array and tags.input_tags.two_d_array
    assert not tags.input_tags.sparse and not tags.input_tags.allow_nan
    if tags.estimator_type == "classifier":
        assert tags.classifier_tags.multi_label and tags.classifier_tags.multi_class
    else:
        assert tags.target_tags.multi_output


@pytest.mark.parametrize(
    "estimator",
    [
        small(augmentation=Augmentation(pad=1), class_weight="balanced"),
        CNNRegressor(image_shape=(8, -1), dropout=0.3, method=methods.Hogwild()),
        NetworkClassifier(small_convnet, max_iter=7),
        NetworkRegressor(Network([Dense(1)], (64,)), alpha=0.1),
    ],
    ids=lambda e: type(e).__name__,
)
def test_parameters_are_kept_and_cloned(estimator):
    kept = estimator.get_params()
    again = clone(estimator)
    assert again is not estimator
    for name, value in again.get_params().items():
        if isinstance(value, Network):
            assert repr(value) == repr(kept[name])
        else:
            assert value == kept[name]
    assert again.set_params(alpha=0.5, n_jobs=2).get_params()["alpha"] == 0.5
    assert estimator.get_params() == kept
    assert type(estimator).__name__ in repr(estimator)


# Forms of X ---------------------------------------------------------------------------


def test_images_and_rows_give_the_same_fit(glyphs):
    """(n, h, w), (n, h, w, 1), and rows with a shape, a -1 in it, or none at all."""
    images, y = glyphs.data[:300], glyphs.target[:300]
    flat = images.reshape(300, 64)
    forms = [
        (images[..., 0], None),
        (np.asfortranarray(images), None),
        (images[..., 0].tolist(), None),
        (images, (8, 8)),
        (images[..., 0], (-1, 8, 1)),
        (flat, (8, 8)),
        (flat, [8, 8, 1]),
        (flat, (8, -1)),
        (flat, (-1, 8)),
        (flat, (8, 8, -1)),
        (flat, np.array([-1, 8, 1])),
        (flat.tolist(), (8, 8)),
        (flat, None),
    ]
    wanted = small().fit(images, y)
    assert wanted.image_shape_ == (8, 8, 1) and wanted.n_features_in_ == 64
    proba = wanted.predict_proba(glyphs.data_test)
    for x, image_shape in forms:
        model = small(image_shape=image_shape)
        if isinstance(x, list):  # of integers, which are stored as float64
            x = np.asarray(x, np.uint8).tolist()
            model.fit(x, y)
            np.testing.assert_allclose(
                model.predict_proba(glyphs.data_test), proba, atol=1e-4
            )
            continue
        model.fit(x, y)
        assert_same_fit(model, wanted)
        assert model.image_shape_ == (8, 8, 1)
        for form in ((-1, 64), (-1, 8, 8), (-1, 8, 8, 1)):
            found = model.predict_proba(glyphs.data_test.reshape(form))
            np.testing.assert_array_equal(found, proba)


def test_rows_that_are_no_square_are_lines_of_pixels(glyphs):
    x, y = glyphs.data[:200].reshape(200, 64)[:, :63], glyphs.target[:200]
    assert small(max_iter=1).fit(x, y).image_shape_ == (1, 63, 1)
    given = small(max_iter=1, image_shape=(7, -1)).fit(x, y)
    assert given.image_shape_ == (7, 9, 1)
    wide = small(max_iter=1, image_shape=(3, 7, -1)).fit(x, y)
    assert wide.image_shape_ == (3, 7, 3)


def test_colours(colours):
    x, y = colours
    model = small(max_iter=30, batch_size=32)
    model.fit(x[:300], y[:300])
    assert model.score(x[300:], y[300:]) > 0.9
    assert model.image_shape_ == (5, 6, 3)
    assert model.coefs_[0].shape == (3, 3, 3, 6)
    for image_shape in ((5, 6, 3), (-1, 6, 3), (5, 6, -1)):
        rows = small(max_iter=30, batch_size=32, image_shape=image_shape)
        assert_same_fit(rows.fit(x[:300].reshape(300, 90), y[:300]), model)
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2))  # channels first, turned
    turned = planes.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(model.predict_proba(turned), model.predict_proba(x))


def test_storage_of_pixels_does_not_matter(glyphs):
    x, y = glyphs.data[:300], glyphs.target[:300]
    bytes_ = small().fit(x, y)
    assert_same_fit(small().fit(x.astype(np.float32), y), bytes_)
    proba = bytes_.predict_proba(glyphs.data_test)
    assert proba.dtype == np.float32
    for kind in (np.float64, np.int64, np.uint16):
        model = small().fit(x.astype(kind), y)
        assert_same_fit(model, bytes_)
        found = model.predict_proba(glyphs.data_test.astype(kind))
        assert found.dtype == (np.float32 if kind == np.uint16 else np.float64)
        np.testing.assert_allclose(found, proba, atol=1e-4)
    mixed = bytes_.predict_proba(glyphs.data_test.astype(np.float32))
    np.testing.assert_array_equal(mixed, proba)
    assert mixed.dtype == np.float32


def test_a_table_of_pixels(glyphs):
    pandas = pytest.importorskip("pandas")
    x, y = glyphs.data[:300].reshape(300, 64), glyphs.target[:300]
    names = [f"pixel{k}" for k in range(64)]
    table = pandas.DataFrame(x, columns=names)
    model = small(image_shape=(8, 8)).fit(table, pandas.Series(y))
    assert list(model.feature_names_in_) == names
    assert_same_fit(model, small().fit(x, y))
    np.testing.assert_array_equal(
        model.predict(table), small().fit(x, y).predict(glyphs.data[:300])
    )
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[names[::-1]])
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(glyphs.data[:3])


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (3, 2), (1, 9), (17, 3)])
def test_small_images(shape):
    """Windows of the pooling are cut to what there is."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, *shape))
    y = (x.mean(axis=(1, 2)) > 0).astype(int)
    model = CNNClassifier(((8, 5), (8, 3), (8, 1)), (3, 2), batch_size=16)
    model.set_params(max_iter=40, **PLANNED).fit(x, y)
    assert model.image_shape_ == (*shape, 1)
    assert model.score(x, y) > 0.85


# Agreement ----------------------------------------------------------------------------


def convolve(x, kernel, bias):
    """ "Same" padding, zeros at the end first."""
    height, width, *_ = kernel.shape
    before = (height - 1) // 2, (width - 1) // 2
    after = height - 1 - before[0], width - 1 - before[1]
    padding = [(0, 0), *zip(before, after, strict=True), (0, 0)]
    padded = np.pad(x, padding)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))
    return np.einsum("nrqchw,hwck->nrqk", windows, kernel) + bias


def pooled(x, size):
    """Maxima of windows side by side; what does not fill a window is left out."""
    n, height, width, channels = x.shape
    height, width = height // size, width // size
    x = x[:, : height * size, : width * size]
    return x.reshape(n, height, size, width, size, channels).max(axis=(2, 4))


def forward(model, x):
    """Outputs of a network of one convolution and one hidden layer."""
    (kernel, w1, w2), (bias, b1, b2) = (
        [a.astype(float) for a in arrays]
        for arrays in (model.coefs_, model.intercepts_)
    )
    hidden = pooled(np.maximum(convolve(x.astype(float), kernel, bias), 0), 2)
    hidden = np.maximum(hidden.reshape(len(x), -1) @ w1 + b1, 0)
    return hidden @ w2 + b2


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def standardised(x):
    """By channel; no channel here has pixels beyond five deviations."""
    x = x.astype(float)
    return (x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2))


@pytest.mark.parametrize("kernel", [3, (2, 3), (5, 4), 1])
@pytest.mark.parametrize("standardize", [False, True])
def test_coefs_are_what_predict_uses(colours, kernel, standardize):
    x, y = colours
    x = x if standardize else x / 255
    model = CNNClassifier(
        ((5, kernel),),
        hidden_layer_sizes=7,
        standardize=standardize,
        max_iter=3,
        **PLANNED,
    ).fit(x, y)
    wanted = softmax(forward(model, standardised(x) if standardize else x))
    assert 0.3 < wanted.max() < 0.9999  # neither untrained nor saturated
    np.testing.assert_allclose(model.predict_proba(x), wanted, atol=2e-5)
    np.testing.assert_array_equal(model.predict(x), wanted.argmax(axis=1))


def test_coefs_of_a_regressor_are_those_of_standardised_targets(colours):
    x, y = colours
    targets = np.c_[1e4 + 300.0 * y, -0.01 * y]
    model = CNNRegressor(**SMALL, max_iter=3, **PLANNED).fit(x, targets)
    outputs = forward(model, standardised(x))
    wanted = targets.mean(axis=0) + outputs * targets.std(axis=0)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5, atol=1e-6)
    raw = CNNRegressor(
        **SMALL, max_iter=3, standardize=False, learning_rate_init=1e-6, **PLANNED
    ).fit(x, 1.0 * y)
    np.testing.assert_allclose(
        raw.predict(x), forward(raw, x)[:, 0], rtol=1e-4, atol=1e-4
    )


def perceptron(activation, dropout=0.0):
    """The function that returns the network of an MLP with hidden layers of 20, 11."""

    def make(shape, n_outputs):
        dropped = [Dropout(dropout)] if dropout else []
        gain = ACTIVATIONS[activation].gain
        output = Dense(n_outputs, ACTIVATIONS["identity"]._replace(gain=gain))
        hidden = [Dense(20, activation), *dropped, Dense(11, activation), *dropped]
        return Network([*hidden, output], shape)

    return make


@pytest.mark.parametrize(("activation", "dropout"), [("relu", 0.2), ("logistic", 0)])
@pytest.mark.parametrize("as_instance", [False, True])
def test_a_network_of_dense_layers_is_a_perceptron(
    glyphs, activation, dropout, as_instance
):
    """Bit for bit: rows are scaled by column, and drawn in the same order."""
    x, y = (
        glyphs.data.reshape(-1, 64) * np.linspace(0.1, 9, 64),
        glyphs.target,
    )
    common = dict(max_iter=3, **PLANNED)
    options = dict(activation=activation, dropout=dropout) | common
    network = perceptron(activation, dropout)

    def over(n_outputs):
        return network((64,), n_outputs) if as_instance else network

    wanted = MLPClassifier((20, 11), **options).fit(x, y)
    found = NetworkClassifier(over(10), **common).fit(x, y)
    np.testing.assert_array_equal(found.predict_proba(x), wanted.predict_proba(x))
    assert found.loss_curve_ == wanted.loss_curve_
    wanted = MLPRegressor((20, 11), **options).fit(x, y)
    found = NetworkRegressor(over(1), **common).fit(x, y)
    np.testing.assert_array_equal(found.predict(x), wanted.predict(x))


def test_a_network_as_the_classifier_for_images_has_it(glyphs):
    x, y = glyphs.data, glyphs.target
    wanted = small(conv_layers=((6, 3), (4, 5)), hidden_layer_sizes=(20, 5))
    layers = [
        Conv2D(6, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(4, 5, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(20, "relu"),
        Dense(5, "relu"),
        Dense(10),
    ]
    network = Network(layers, (8, 8, 1))
    found = NetworkClassifier(network, max_iter=3, **PLANNED)
    wanted.fit(x, y)
    assert_same_fit(found.fit(x, y), wanted)
    # Rows are taken as what the network takes, and scaled by channel all the same.
    rows = x.reshape(-1, 64)
    assert_same_fit(clone(found).fit(rows, y), wanted)
    turned = clone(found).set_params(network=lambda _, n: Network(layers, (8, 8, 1)))
    assert_same_fit(turned.fit(rows, y), wanted)
    np.testing.assert_array_equal(turned.predict(x), wanted.predict(x))
