"""Estimators for images and over any network: contracts, forms of X, agreement."""

import copy
import io
import os
import pickle
import time

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
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
from hogblock.datasets import load_digits_images
from hogblock.models import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    Network,
    resnet8,
    small_convnet,
)
from hogblock.models.activations import ACTIVATIONS

PLANNED = dict(learning_rate="cosine", random_state=0)  # never a ConvergenceWarning
SMALL = dict(conv_layers=((6, 3),), hidden_layer_sizes=24)


def dense_network(shape, n_outputs):
    """A hidden layer over rows or images."""
    before = [Flatten()] if len(shape) == 3 else []
    return Network([*before, Dense(16, "relu"), Dense(n_outputs)], shape)


def strided_network(shape, n_outputs):
    layers = [Conv2D(8, 3, stride=2, activation="relu"), GlobalAvgPool2D()]
    return Network([*layers, Dense(n_outputs)], shape)


@pytest.fixture(scope="module")
def digits():
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


def small(**changes):
    return CNNClassifier(**(SMALL | PLANNED | dict(max_iter=3) | changes))


def assert_same_fit(a, b):
    """Bit for bit."""
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(one, other)
    assert a.loss_curve_ == b.loss_curve_


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


def test_images_and_rows_give_the_same_fit(digits):
    """(n, h, w), (n, h, w, 1), and rows with a shape, a -1 in it, or none at all."""
    images, y = digits.data[:300], digits.target[:300]
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
    proba = wanted.predict_proba(digits.data_test)
    for x, image_shape in forms:
        model = small(image_shape=image_shape)
        if isinstance(x, list):  # of integers, which are stored as float64
            x = np.asarray(x, np.uint8).tolist()
            model.fit(x, y)
            np.testing.assert_allclose(
                model.predict_proba(digits.data_test), proba, atol=1e-4
            )
            continue
        model.fit(x, y)
        assert_same_fit(model, wanted)
        assert model.image_shape_ == (8, 8, 1)
        for form in ((-1, 64), (-1, 8, 8), (-1, 8, 8, 1)):
            found = model.predict_proba(digits.data_test.reshape(form))
            np.testing.assert_array_equal(found, proba)


def test_rows_that_are_no_square_are_lines_of_pixels(digits):
    x, y = digits.data[:200].reshape(200, 64)[:, :63], digits.target[:200]
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


def test_storage_of_pixels_does_not_matter(digits):
    x, y = digits.data[:300], digits.target[:300]
    bytes_ = small().fit(x, y)
    assert_same_fit(small().fit(x.astype(np.float32), y), bytes_)
    proba = bytes_.predict_proba(digits.data_test)
    assert proba.dtype == np.float32
    for kind in (np.float64, np.int64, np.uint16):
        model = small().fit(x.astype(kind), y)
        found = model.predict_proba(digits.data_test.astype(kind))
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, proba, atol=1e-4)
    mixed = bytes_.predict_proba(digits.data_test.astype(np.float32))
    np.testing.assert_array_equal(mixed, proba)
    assert mixed.dtype == np.float32


def test_a_table_of_pixels(digits):
    pandas = pytest.importorskip("pandas")
    x, y = digits.data[:300].reshape(300, 64), digits.target[:300]
    names = [f"pixel{k}" for k in range(64)]
    table = pandas.DataFrame(x, columns=names)
    model = small(image_shape=(8, 8)).fit(table, pandas.Series(y))
    assert list(model.feature_names_in_) == names
    assert_same_fit(model, small().fit(x, y))
    np.testing.assert_array_equal(
        model.predict(table), small().fit(x, y).predict(digits.data[:300])
    )
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[names[::-1]])
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(digits.data[:3])


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


# What is learned ----------------------------------------------------------------------


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
@pytest.mark.parametrize("method", list(methods.METHODS))
def test_every_method_learns_digits_with_two_workers(digits, method, kind):
    model = CNNClassifier(
        ((8, 3),), hidden_layer_sizes=32, method=method, n_jobs=2, max_iter=30,
        batch_size=32, **PLANNED,
    )  # fmt: skip
    model.fit(digits.data.astype(kind), digits.target)
    assert model.score(digits.data_test.astype(kind), digits.target_test) > 0.9
    assert model.n_workers_ == (1 if method == "sgd" else 2)
    assert model.staleness_.shape == (model.n_workers_, 64)
    assert model.updates_per_block_.shape == (model.n_workers_,)
    assert (model.updates_per_block_ > 0).all()


@pytest.mark.timeout(60)
def test_nothing_is_left_in_shared_memory(digits):
    small(n_jobs=2).fit(digits.data, digits.target)  # the workers are there from now on
    before = set(os.listdir("/dev/shm"))
    model = small(n_jobs=2, augmentation=Augmentation(pad=1))
    assert model.fit(digits.data, digits.target).n_workers_ == 2
    deadline = time.monotonic() + 5  # what other programs put there comes and goes
    while left := set(os.listdir("/dev/shm")) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_residual_network_learns_digits(digits, n_jobs):
    model = NetworkClassifier(resnet8, max_iter=3, n_jobs=n_jobs, **PLANNED)
    model.fit(digits.data[:800], digits.target[:800])
    assert model.score(digits.data_test, digits.target_test) > 0.75
    assert model.n_workers_ == n_jobs and model.image_shape_ == (8, 8, 1)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (CNNClassifier, SMALL | dict(dropout=0.2, augmentation=Augmentation(1, True))),
        (CNNRegressor, SMALL | dict(image_shape=(8, 8))),
        (NetworkClassifier, dict(network=strided_network)),
        (NetworkRegressor, dict(network=strided_network, learning_rate_init=1e-3)),
    ],
    ids=["CNNClassifier", "CNNRegressor", "NetworkClassifier", "NetworkRegressor"],
)
def test_one_job_is_bit_reproducible(digits, make, options):
    fits = [
        make(**options, max_iter=2, n_jobs=1, **PLANNED).fit(digits.data, digits.target)
        for _ in range(2)
    ]
    assert_same_fit(*fits)
    other = make(**options, max_iter=2, learning_rate="cosine", random_state=1)
    other.fit(digits.data, digits.target)
    assert not np.array_equal(other.coefs_[0], fits[0].coefs_[0])


def test_fitted_attributes(digits):
    model = CNNClassifier(
        ((4, (3, 5)), (6, 2)), hidden_layer_sizes=(20, 9), max_iter=4, **PLANNED
    )
    model.fit(digits.data, digits.target)
    assert [w.shape for w in model.coefs_] == [
        (3, 5, 1, 4),
        (2, 2, 4, 6),
        (24, 20),
        (20, 9),
        (9, 10),
    ]
    assert [b.shape for b in model.intercepts_] == [(4,), (6,), (20,), (9,), (10,)]
    assert all(w.dtype == np.float32 for w in [*model.coefs_, *model.intercepts_])
    assert model.image_shape_ == (8, 8, 1) and model.n_features_in_ == 64
    np.testing.assert_array_equal(model.classes_, np.arange(10))
    assert (model.n_outputs_, model.n_layers_) == (10, 6)
    assert model.out_activation_ == "softmax"
    assert len(model.loss_curve_) == model.n_iter_ == 4
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_) < model.loss_curve_[0]
    assert model.t_ == 4 * len(digits.data)
    steps = 4 * -(-len(digits.data) // 64)
    assert model.steps_per_worker_.tolist() == [steps]
    assert model.updates_per_block_.tolist() == [steps]
    assert model.staleness_[0, 0] == steps == model.staleness_.sum()
    assert (model.n_workers_, model.device_) == (1, "cpu")
    assert model.training_seconds_ > 0
    assert model.validation_scores_ is None and model.best_validation_score_ is None


def test_attributes_of_a_network_without_biases(digits):
    model = NetworkClassifier(resnet8, max_iter=1, **PLANNED)
    model.fit(digits.data[:200], digits.target[:200])
    assert model.coefs_[0].shape == (3, 3, 1, 16)
    assert model.coefs_[-1].shape == (64, 10)
    network = resnet8((8, 8, 1), 10)
    values = sum(w.size for w in [*model.coefs_, *model.intercepts_])
    assert values == network.n_parameters
    assert model.n_layers_ == 11  # ten kernels and dense weights, and the input


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
    digits, activation, dropout, as_instance
):
    """Bit for bit: rows are scaled by column, and drawn in the same order."""
    x, y = digits.data.reshape(-1, 64) * np.linspace(0.1, 9, 64), digits.target
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


def test_a_network_as_the_classifier_for_images_has_it(digits):
    x, y = digits.data, digits.target
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


# Targets and weights ------------------------------------------------------------------


def test_two_classes(digits):
    keep = digits.target < 2
    x, y = digits.data[keep], np.array(["zero", "one"])[digits.target[keep]]
    model = small(max_iter=10).fit(x, y)
    assert model.score(x, y) > 0.98
    assert model.classes_.tolist() == ["one", "zero"]
    assert model.n_outputs_ == 1 and model.out_activation_ == "logistic"
    proba = model.predict_proba(x)
    assert proba.shape == (len(x), 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        model.classes_[proba.argmax(axis=1)], model.predict(x)
    )


def test_probabilities(digits):
    model = small(max_iter=10).fit(digits.data, digits.target)
    x, y = digits.data_test, digits.target_test
    proba = model.predict_proba(x)
    assert proba.shape == (len(x), 10) and (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x)), proba, rtol=1e-4)
    np.testing.assert_array_equal(proba.argmax(axis=1), model.predict(x))
    assert model.score(x, y) == accuracy_score(y, model.predict(x)) > 0.85


def test_several_labels(colours):
    x, y = colours
    labels = np.c_[y // 2, y % 2, y == 3].astype(int)
    model = small(max_iter=30).fit(x, labels)
    assert model.predict(x).shape == model.predict_proba(x).shape == (400, 3)
    assert model.score(x, labels) > 0.9
    assert model.out_activation_ == "logistic" and model.n_outputs_ == 3


@pytest.mark.parametrize("make", [CNNRegressor, NetworkRegressor])
def test_several_outputs(colours, make):
    x, _ = colours
    targets = np.c_[
        x[..., 0].mean(axis=(1, 2)), 1e-3 * x[:, 0, 0, 1], -7.0 * x[:, 4, 5]
    ]
    options = SMALL if make is CNNRegressor else dict(network=dense_network)
    model = make(**options, max_iter=60, batch_size=16, **PLANNED).fit(x, targets)
    assert model.predict(x).shape == (400, 5)
    assert model.score(x, targets) == pytest.approx(r2_score(targets, model.predict(x)))
    assert model.score(x, targets) > 0.8
    one = clone(model).fit(x, targets[:, 0])
    assert one.predict(x).shape == (400,) and one.out_activation_ == "identity"
    assert one.score(x, targets[:, 0]) > 0.7


def test_a_weight_of_two_is_a_sample_twice(colours):
    """To the last bit where one minibatch holds them all."""
    x, y = colours[0][:40], colours[1][:40]
    weights = 1 + np.arange(40) % 2
    weighted = small().fit(x, y, weights)
    assert_same_fit(
        weighted, small().fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    )
    order = np.random.default_rng(0).permutation(40)
    assert_same_fit(weighted, small().fit(x[order], y[order], weights[order]))
    by_class = dict(enumerate([1.0, 2.0, 0.5, 3.0]))
    assert_same_fit(
        small(class_weight=by_class).fit(x, y),
        small().fit(x, y, np.array([by_class[k] for k in y])),
    )
    assert not np.array_equal(small().fit(x, y).coefs_[0], weighted.coefs_[0])


def test_weights_of_many_samples(colours):
    x, y = colours
    wrong = np.r_[y, (y + 1) % 4]
    weights = np.r_[np.ones(400), np.zeros(400)]
    model = small(max_iter=30).fit(np.r_[x, x], wrong, weights)
    assert model.score(x, y) > 0.9
    by_class = {0: 1.0, 1: 2.0, 2: 0.5, 3: 3.0}
    a = small().fit(x, y, np.array([by_class[k] for k in y]))
    b = small(class_weight=by_class).fit(x, y)
    assert_same_fit(a, b)
    real = CNNRegressor(**SMALL, max_iter=30, **PLANNED)
    real.fit(np.r_[x, x], np.r_[y, 100 - y], weights)
    assert real.score(x, y) > 0.8


# Going on, stopping, searching --------------------------------------------------------


def test_partial_fit(digits):
    model = small(learning_rate="constant")
    for epoch in range(8):
        for part in range(0, 1400, 350):
            rows = slice(part, part + 350)
            x = digits.data[rows]
            model.partial_fit(
                x if part else x.reshape(-1, 64),  # rows and images may alternate
                digits.target[rows],
                classes=np.arange(10) if part == epoch == 0 else None,
            )
    assert model.n_iter_ == len(model.loss_curve_) == 32
    assert model.t_ == 32 * 350
    assert model.score(digits.data_test, digits.target_test) > 0.85
    before = model.predict_proba(digits.data_test)
    for wrong in ((4, 16), (4, 16, 1), (4, 4, 4), (16, 4)):
        x = digits.data[:10].reshape(10, *wrong)
        shown = rf"\({', '.join(map(str, (*wrong, 1)[:3]))}\)"
        with pytest.raises(ValueError, match=rf"{shown}.*\(8, 8, 1\)"):
            model.partial_fit(x, digits.target[:10])
    with pytest.raises(ValueError, match="25 features"):
        model.partial_fit(np.zeros((3, 25)), [0, 1, 2])
    np.testing.assert_array_equal(model.predict_proba(digits.data_test), before)
    with pytest.raises(ValueError, match="classes must be passed"):
        small().partial_fit(digits.data, digits.target)


def test_partial_fit_of_a_regressor_and_a_network(digits):
    x, y = digits.data, digits.target
    model = NetworkRegressor(small_convnet((8, 8, 1), 1), random_state=0)
    for _ in range(6):
        model.partial_fit(x, y)
    assert model.n_iter_ == 6
    assert model.score(digits.data_test, digits.target_test) > 0.6
    with pytest.raises(ValueError, match=r"\(8, 7, 1\).*\(8, 8, 1\)"):
        model.partial_fit(x[:, :, :7], y)


def test_dark_images_do_not_fix_the_scale(digits):
    """A first part of black and nearly black bytes is no part scaled to [0, 1]."""
    model = small()
    dark = (digits.data[:100] > 8).astype(np.uint8)
    model.partial_fit(dark, digits.target[:100], classes=np.arange(10))
    model.partial_fit(digits.data, digits.target)
    assert model.n_iter_ == 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start(digits):
    x, y = digits.data, digits.target
    model = small(warm_start=True, learning_rate="constant")
    first = model.fit(x, y).loss_
    assert model.fit(x[..., 0], y).loss_curve_[0] < first
    assert model.fit(x.reshape(-1, 64), y).n_iter_ == 3
    with pytest.raises(ValueError, match=r"\(4, 16, 1\).*\(8, 8, 1\)"):
        model.fit(x.reshape(-1, 4, 16), y)
    cold = small(learning_rate="constant").fit(x, y)
    assert cold.loss_ == first
    assert cold.fit(x.reshape(-1, 4, 16), y).image_shape_ == (4, 16, 1)


def test_unfinished_fit_warns(digits):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        CNNClassifier(**SMALL, max_iter=2).fit(digits.data[:200], digits.target[:200])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_early_stopping_keeps_the_best_snapshot(digits, n_jobs):
    x_val, y_val = digits.data_test, digits.target_test
    model = small(
        early_stopping=True, n_iter_no_change=3, n_jobs=n_jobs, max_iter=100,
        learning_rate="constant", learning_rate_init=0.05,
    )  # fmt: skip
    model.fit(digits.data, digits.target, X_val=x_val, y_val=y_val)
    assert len(model.validation_scores_) == model.n_iter_ < 100
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.85
    assert model.score(x_val, y_val) == pytest.approx(model.best_validation_score_)


def test_validation_images_may_be_rows(digits):
    x_val, y_val = digits.data_test, digits.target_test
    scores = [
        small().fit(digits.data, digits.target, X_val=form, y_val=y_val)
        for form in (x_val, x_val[..., 0], x_val.reshape(-1, 64))
    ]
    assert all(m.validation_scores_ == scores[0].validation_scores_ for m in scores)
    last = scores[0].validation_scores_[-1]
    assert scores[0].score(x_val, y_val) == pytest.approx(last)


def test_early_stopping_sets_images_aside(digits):
    model = small(
        early_stopping=True, validation_fraction=0.25, n_iter_no_change=2, max_iter=20
    ).fit(digits.data, digits.target)
    assert model.t_ == model.n_iter_ * int(0.75 * len(digits.data))
    assert model.best_validation_score_ > 0.85


def test_search_over_images(digits):
    x, y = digits.data[:400], digits.target[:400]
    grid = {
        "conv_layers": [((4, 3),), ()],
        "augmentation": [None, Augmentation(pad=1)],
    }
    search = GridSearchCV(small(max_iter=15, batch_size=16), grid, cv=2).fit(x, y)
    assert search.best_score_ > 0.6
    assert search.best_estimator_.image_shape_ == (8, 8, 1)
    networks = {"network": [dense_network, small_convnet]}
    search = GridSearchCV(
        NetworkClassifier(dense_network, max_iter=15, **PLANNED), networks, cv=2
    ).fit(x[..., 0], y)
    assert search.best_params_["network"] in networks["network"]
    assert search.score(digits.data_test, digits.target_test) > 0.7
    rows = make_pipeline(MinMaxScaler(), small(max_iter=15, batch_size=16))
    assert cross_val_score(rows, x.reshape(400, 64), y, cv=2).min() > 0.6


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_models_can_be_kept(digits, tmp_path, n_jobs):
    """pickle, joblib and deepcopy; what comes back predicts, and can be trained on."""
    x, y = digits.data, digits.target
    for model in (
        small(n_jobs=n_jobs, method=methods.Hogwild()),
        NetworkClassifier(strided_network, n_jobs=n_jobs, max_iter=1, **PLANNED),
        NetworkRegressor(small_convnet((8, 8, 1), 1), max_iter=1, **PLANNED),
    ):
        model.fit(x, y)
        wanted = model.predict(digits.data_test)
        buffer = io.BytesIO()
        joblib.dump(model, buffer)
        buffer.seek(0)
        for again in (
            pickle.loads(pickle.dumps(model)),
            joblib.load(buffer),
            copy.deepcopy(model),
        ):
            np.testing.assert_array_equal(again.predict(digits.data_test), wanted)
            assert again.image_shape_ == (8, 8, 1)
            assert again.partial_fit(x, y).n_iter_ == model.n_iter_ + 1
            with pytest.raises(ValueError, match=r"\(4, 16, 1\)"):
                again.predict(digits.data_test.reshape(-1, 4, 16))
        np.testing.assert_array_equal(model.predict(digits.data_test), wanted)


def test_predicting_in_threads_changes_nothing(digits):
    model = small(max_iter=1).fit(digits.data, digits.target)
    x = np.tile(digits.data, (6, 1, 1, 1))  # enough for two threads
    one = model.predict_proba(x)
    np.testing.assert_allclose(
        model.set_params(n_jobs=2).predict_proba(x), one, rtol=1e-5, atol=1e-7
    )
