"""Bad images, networks and options of theirs are refused before anything starts."""

import re

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from hogblock import (
    Augmentation,
    CNNClassifier,
    CNNRegressor,
    NetworkClassifier,
    NetworkRegressor,
)
from hogblock.engines.cpu import pool
from hogblock.models import Conv2D, Dense, Flatten, Network, lenet5
from support.segments import segments

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(40, 4, 6, 1), dtype=np.uint8)
ROWS = IMAGES.reshape(40, 24)
FRACTIONS = IMAGES / 255
Y = np.arange(40) % 2
TWO = dict(n_jobs=2, batch_size=2, max_iter=1, learning_rate="cosine")
SHAPE = dict(image_shape=(4, 6))


def classifier(**changes):
    return CNNClassifier(**(TWO | changes))


@pytest.fixture
def nothing_starts(monkeypatch):
    """No worker is asked for, no memory reserved; none was there, none is left."""
    pool.close()
    for name in (
        "hogblock.engines.cpu.pool.acquire",
        "hogblock.engines.cpu.training.Segment",
    ):
        monkeypatch.setattr(name, lambda *_: pytest.fail("something was started"))
    yield
    assert pool.running() == []
    assert segments() == set()


pytestmark = pytest.mark.usefixtures("nothing_starts")

PAIR = "must be an integer >= 1 or a pair of them"
A_SHAPE = "must be (height, width) or (height, width, channels), positive integers"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("image_shape", (24,), A_SHAPE),
        ("image_shape", (), A_SHAPE),
        ("image_shape", (4, 6, 1, 1), A_SHAPE),
        ("image_shape", (0, 24), A_SHAPE),
        ("image_shape", (-2, 12), A_SHAPE),
        ("image_shape", (-1, -1), A_SHAPE),
        ("image_shape", (-1, 6, -1), A_SHAPE),
        ("image_shape", (4.0, 6.0), A_SHAPE),
        ("image_shape", ("4", "6"), A_SHAPE),
        ("image_shape", (5, 5), "does not match X, which has 24 values"),
        ("image_shape", (4, 6, 3), "does not match X, which has 24 values"),
        ("image_shape", (7, -1), "does not match X, which has 24 values"),
        ("image_shape", 24, "an array-like or None"),
        ("image_shape", "4x6", "an array-like or None"),
        ("conv_layers", 3, "must be an array-like"),
        ("conv_layers", None, "must be an array-like"),
        ("conv_layers", (16, 3), "must be pairs (channels, kernel_size)"),
        ("conv_layers", ((16, 3), (32,)), "and one is (32,)"),
        ("conv_layers", ((16, 3, 1),), "must be pairs (channels, kernel_size)"),
        ("conv_layers", ((0, 3),), "channels=0 of Conv2D must be an integer >= 1"),
        ("conv_layers", ((2.5, 3),), "channels=2.5 of Conv2D must be an integer"),
        ("conv_layers", ((8, 0),), f"kernel_size=0 of Conv2D {PAIR}"),
        ("conv_layers", ((8, 1.5),), f"kernel_size=1.5 of Conv2D {PAIR}"),
        ("conv_layers", ((8, (3, 3, 3)),), f"kernel_size=(3, 3, 3) of Conv2D {PAIR}"),
        ("conv_layers", (("a", "b"),), "channels='a' of Conv2D"),
        ("pool_size", 0, "int in the range [1, inf)"),
        ("pool_size", 1.5, "int in the range [1, inf)"),
        ("pool_size", (2, 0), PAIR),
        ("pool_size", (2, -1), PAIR),
        ("pool_size", (2.5, 2), PAIR),
        ("pool_size", (2, 2, 2), PAIR),
        ("pool_size", (), PAIR),
        ("hidden_layer_sizes", (10, 0), "integers of at least 1"),
        ("activation", "swish", "'relu'"),
        ("dropout", 1.0, "[0.0, 1.0)"),
        ("augmentation", "flip", "'hogblock.Augmentation' or None"),
        ("augmentation", dict(flip=True), "'hogblock.Augmentation'"),
        ("augmentation", Augmentation(pad=5), "larger than images of shape (4, 6, 1)"),
        ("augmentation", Augmentation(cutout=5), "larger than images of shape (4, 6"),
        ("standardize", "yes", "bool"),
        ("device", "tpu", "'cpu'"),
        ("method", "adam", "passm"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_parameters(kind, name, value, allowed):
    with pytest.raises(ValueError) as error:
        kind(**(TWO | SHAPE | {name: value})).fit(ROWS, Y)
    text = str(error.value)
    assert name in text.lower()
    assert str(value).removesuffix(",)").strip("()") in text
    assert allowed in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(pad=-1), r"pad=-1 of Augmentation must be an integer >= 0"),
        (dict(pad=1.5), r"pad=1\.5 of Augmentation must be an integer >= 0"),
        (dict(cutout="3"), r"cutout='3' of Augmentation must be an integer >= 0"),
        (dict(flip="yes"), r"flip='yes' of Augmentation must be a bool"),
        (dict(flip=2), r"flip=2 of Augmentation must be a bool"),
    ],
)
def test_augmentation(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_augmentation_may_be_as_large_as_the_image():
    how = Augmentation(pad=4, flip=np.True_, cutout=np.int64(4))
    model = classifier(n_jobs=1, augmentation=how, **SHAPE).fit(ROWS, Y)
    assert model.n_iter_ == 1
    with pytest.raises(ValueError, match=r"pad=2.*larger than .* \(1, 24, 1\)"):
        classifier(augmentation=Augmentation(pad=2)).fit(ROWS, Y)


@pytest.mark.parametrize("how", [Augmentation(flip=True), Augmentation()])
def test_augmentation_of_rows(how):
    network = Network([Dense(1)], (24,))
    for given in (network, lambda shape, n_outputs: network):
        model = NetworkClassifier(given, augmentation=how, **TWO)
        with pytest.raises(ValueError, match=r"augmentation needs images .*\(24,\)"):
            model.fit(ROWS, Y)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (IMAGES[..., None], r"X has shape \(40, 4, 6, 1, 1\); images are"),
        (IMAGES[:0], r"X has shape \(0, 4, 6, 1\); images are"),
        (IMAGES[:, :0], r"X has shape \(40, 0, 6, 1\); images are"),
        (IMAGES[..., :0], r"X has shape \(40, 4, 6, 0\); images are"),
        (ROWS[:0], "0 sample"),
        (ROWS[:, :0], "0 feature"),
        (ROWS[0], "Expected 2D array"),
        (IMAGES[:30], "inconsistent numbers of samples"),
        (np.where(FRACTIONS == FRACTIONS[3, 1, 1], np.nan, FRACTIONS), "contains NaN"),
        (np.where(FRACTIONS == 0, np.inf, FRACTIONS), "contains infinity"),
        (np.full(IMAGES.shape, "a"), "could not convert string"),
        ([[[1, 2], [3]]] * 40, "inhomogeneous"),
    ],
)
def test_images(x, message):
    for model in (classifier(), NetworkRegressor(lenet5, **TWO)):
        with pytest.raises(ValueError, match=message):
            model.fit(x, Y)


def test_sparse_rows():
    rows = csr_matrix(ROWS)
    with pytest.raises(ValueError, match=r"X is sparse, and images are not"):
        classifier(**SHAPE).fit(rows, Y)
    model = classifier(n_jobs=1).fit(IMAGES, Y)
    for some in (rows, rows / 255):
        with pytest.raises(ValueError, match=r"X is sparse, and images are not"):
            model.predict(some)


def test_images_of_another_shape_than_image_shape():
    with pytest.raises(ValueError, match=r"\(4, 6, 1\), .* image_shape=\(6, 4\)"):
        classifier(image_shape=(6, 4)).fit(IMAGES, Y)
    with pytest.raises(ValueError, match=r"\(4, 6, 1\), .* image_shape=\(2, 6, -1\)"):
        classifier(image_shape=(2, 6, -1)).fit(IMAGES, Y)
    with pytest.raises(ValueError, match=r"image_shape=\(8, 8\) does not match X"):
        classifier(image_shape=(8, 8)).fit(IMAGES, Y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_prediction_wants_the_same_images(n_jobs):
    model = classifier(n_jobs=1).fit(IMAGES, Y).set_params(n_jobs=n_jobs)
    for wrong in ((6, 4), (6, 4, 1), (2, 12), (4, 3, 2), (4, 5), (8, 8)):
        x = np.zeros((3, *wrong))
        shown = re.escape(str((*wrong, 1)[:3]))
        message = rf"X has images of shape {shown}.* fitted to .*\(4, 6, 1\)"
        for predict in (model.predict, model.predict_proba):
            with pytest.raises(ValueError, match=message):
                predict(x)
        with pytest.raises(ValueError, match=message):
            model.score(x, Y[:3])
    for columns in (20, 36):
        with pytest.raises(ValueError, match="expecting 24 features"):
            model.predict(np.zeros((3, columns)))
    with pytest.raises(ValueError, match=r"\(4, 6, 1, 1\).* fitted to .*\(4, 6, 1\)"):
        model.predict(IMAGES[..., None])


# Networks -----------------------------------------------------------------------------


@pytest.mark.parametrize("network", [None, "lenet5", 3, [Dense(1)], Dense(1)], ids=str)
def test_what_is_no_network(network):
    with pytest.raises(ValueError, match="'network' parameter of NetworkClassifier"):
        NetworkClassifier(network, **TWO).fit(ROWS, Y)


@pytest.mark.parametrize("returned", [None, "lenet5", 3, [Dense(1)], Dense(1)], ids=str)
def test_functions_that_return_no_network(returned):
    def make(shape, n_outputs):
        return returned

    message = rf"network=<function .*make.* returned {re.escape(repr(returned))}, which"
    for model in (NetworkClassifier(make, **TWO), NetworkRegressor(make, **TWO)):
        with pytest.raises(ValueError, match=message):
            model.fit(ROWS, Y)


def test_an_error_of_a_function_is_its_own():
    def make(shape, n_outputs):
        raise RuntimeError("no idea")

    with pytest.raises(RuntimeError, match="no idea"):
        NetworkClassifier(make, **TWO).fit(ROWS, Y)


@pytest.mark.parametrize("as_function", [False, True])
def test_networks_of_a_wrong_output(as_function):
    for kind, layers, y, shapes in (
        (NetworkClassifier, [Flatten(), Dense(2)], Y, r"\(2,\).*\(1,\)"),
        (NetworkClassifier, [Flatten(), Dense(1)], np.arange(40) % 3, r"\(1,\).*\(3,"),
        (NetworkClassifier, [Conv2D(1, 3)], Y, r"\(4, 6, 1\).*\(1,\)"),
        (NetworkRegressor, [Flatten(), Dense(3)], np.c_[Y, Y], r"\(3,\).*\(2,\)"),
    ):
        network = Network(layers, (4, 6, 1))

        def make(shape, n_outputs, network=network):
            return network

        model = kind(make if as_function else network, **TWO)
        with pytest.raises(ValueError, match=f"network's output has shape {shapes}"):
            model.fit(IMAGES, y)


@pytest.mark.parametrize("shape", [(4, 5, 1), (25,), (1,), (4, 6, 2)])
def test_networks_for_other_samples(shape):
    """Of another size: they would read past what there is."""
    before = [Flatten()] if len(shape) == 3 else []
    network = Network([*before, Dense(1)], shape)
    shown = re.escape(str(shape))
    size = int(np.prod(shape))
    with pytest.raises(ValueError, match=rf"24 values .*{shown}: {size} values"):
        NetworkClassifier(network, **TWO).fit(ROWS, Y)
    with pytest.raises(ValueError, match=shown):
        NetworkClassifier(network, **TWO).fit(IMAGES, Y)
    for x, given in ((ROWS, r"\(24,\)"), (IMAGES, r"\(4, 6, 1\)")):
        for kind in (NetworkClassifier, NetworkRegressor):
            model = kind(lambda shape, n_outputs: network, **TWO)
            with pytest.raises(
                ValueError, match=rf"network=<function .* {shown}, .* X have .*{given}"
            ):
                model.fit(x, Y)


@pytest.mark.parametrize("shape", [(6, 4, 1), (2, 6, 2), (24,)])
def test_networks_for_images_of_another_form(shape):
    """Of the same size: images would be scrambled."""
    before = [Flatten()] if len(shape) == 3 else []
    network = Network([*before, Dense(1)], shape)
    shown = re.escape(str(shape))
    with pytest.raises(
        ValueError, match=rf"\(4, 6, 1\), and the network takes {shown}"
    ):
        NetworkClassifier(network, **TWO).fit(IMAGES, Y)
    with pytest.raises(ValueError, match=rf"input shape {shown}.*\(4, 6, 1\)"):
        NetworkClassifier(lambda *_: network, **TWO).fit(IMAGES, Y)
    with pytest.raises(ValueError, match=shown):
        model = NetworkClassifier(network, **(TWO | dict(n_jobs=1))).fit(ROWS, Y)
        model.predict(IMAGES)


def test_layers_that_do_not_fit_the_images():
    with pytest.raises(ValueError, match=r"layer 2 \(Conv2D.*5 pixels.* height"):
        NetworkClassifier(lenet5, **TWO).fit(IMAGES, Y)
    with pytest.raises(ValueError, match=r"layer 0 .*\(24,\)"):
        NetworkClassifier(lenet5, **TWO).fit(ROWS, Y)


# One scale ----------------------------------------------------------------------------


def as_frame(rows):
    return pytest.importorskip("pandas").DataFrame(rows)


@pytest.mark.parametrize("form", ["images", "rows", "list", "table", "float32"])
def test_bytes_in_fit_and_fractions_later(form):
    later = {
        "images": FRACTIONS,
        "rows": FRACTIONS.reshape(40, 24),
        "list": FRACTIONS.tolist(),
        "table": as_frame(FRACTIONS.reshape(40, 24)),
        "float32": FRACTIONS.astype(np.float32),
    }[form]
    message = r"X was bytes \(uint8, 0 to 255\) in fit, and {} holds fractions of at"
    model = classifier(n_jobs=1).fit(IMAGES, Y)
    before = model.predict_proba(IMAGES)
    for use in (model.predict, model.predict_proba, lambda x: model.score(x, Y)):
        with pytest.raises(ValueError, match=message.format("X")):
            use(later)
    with pytest.raises(ValueError, match=message.format("X")):
        model.partial_fit(later, Y)
    with pytest.raises(ValueError, match=message.format("X")):
        model.set_params(warm_start=True).fit(later, Y)
    with pytest.raises(ValueError, match=message.format("X_val")):
        classifier().fit(IMAGES, Y, X_val=later, y_val=Y)
    np.testing.assert_array_equal(model.predict_proba(IMAGES), before)


@pytest.mark.parametrize("form", ["images", "rows", "table"])
def test_fractions_in_fit_and_bytes_later(form):
    later = {"images": IMAGES, "rows": ROWS, "table": as_frame(ROWS)}[form]
    message = r"X was scaled to \[0, 1\] in fit, and {} holds bytes \(uint8\) up to 25"
    for x in (FRACTIONS, FRACTIONS.astype(np.float32)):
        model = classifier(n_jobs=1).fit(x, Y)
        with pytest.raises(ValueError, match=message.format("X")):
            model.predict(later)
        with pytest.raises(ValueError, match=message.format("X")):
            model.partial_fit(later, Y)
        with pytest.raises(ValueError, match=message.format("X_val")):
            classifier().fit(x, Y, X_val=later, y_val=Y)


def test_what_is_no_mistake_of_scale():
    """The same values in another type, a black image, and standardised images."""
    on_bytes = classifier(n_jobs=1).fit(IMAGES, Y)
    black = np.zeros((2, 4, 6))
    for x in (IMAGES.astype(float), IMAGES.astype(int), black, black.astype(np.uint8)):
        assert len(on_bytes.predict(x)) == len(x)
    assert len(on_bytes.predict((IMAGES > 99).astype(float))) == 40
    on_fractions = classifier(n_jobs=1).fit(FRACTIONS, Y)
    for x in (black.astype(np.uint8), (IMAGES > 99).astype(np.uint8), FRACTIONS * 1.1):
        assert len(on_fractions.predict(x)) == len(x)
    standardised = (IMAGES - IMAGES.mean()) / IMAGES.std()
    on_others = classifier(n_jobs=1).fit(standardised, Y)
    assert len(on_others.predict(IMAGES)) == len(on_bytes.predict(standardised)) == 40
    binary = classifier(n_jobs=1).fit((IMAGES > 99).astype(np.uint8), Y)
    assert len(binary.predict(IMAGES)) == 40


def test_validation_images():
    model = classifier()
    for wrong in ((6, 4), (2, 12, 1), (4, 3, 2), (5, 6)):
        x = np.zeros((40, *wrong), np.uint8)
        shown = re.escape(str((*wrong, 1)[:3]))
        message = rf"X_val has images of shape {shown}, .*\(4, 6, 1\)"
        with pytest.raises(ValueError, match=message):
            model.fit(IMAGES, Y, X_val=x, y_val=Y)
        with pytest.raises(ValueError, match=message):
            classifier(**SHAPE).fit(ROWS, Y, X_val=x, y_val=Y)
        network = Network([Flatten(), Dense(1)], (4, 6, 1))
        with pytest.raises(ValueError, match=message):
            NetworkClassifier(network, **TWO).fit(ROWS, Y, X_val=x, y_val=Y)
    with pytest.raises(ValueError, match="features"):
        model.fit(IMAGES, Y, X_val=ROWS[:, :20], y_val=Y)
    with pytest.raises(ValueError, match="y_val is missing"):
        model.fit(IMAGES, Y, X_val=IMAGES)
    with pytest.raises(ValueError, match=r"X_val .*\(4, 6, 1, 1\), .*\(4, 6, 1\)"):
        model.fit(IMAGES, Y, X_val=IMAGES[..., None], y_val=Y)


def test_divergence_is_an_error_that_keeps_the_model():
    model = classifier(n_jobs=1, max_iter=3).fit(IMAGES, Y)
    before = model.predict_proba(IMAGES)
    model.set_params(learning_rate_init=1e25, activation="identity")
    with pytest.raises(ValueError, match=r"diverged.*learning_rate_init=1e\+25"):
        model.fit(IMAGES, Y)
    np.testing.assert_array_equal(model.predict_proba(IMAGES), before)
