"""Arrays on a CUDA device as X, y, weights and validation set, and as predictions."""

import numpy as np
import pytest

from hogblock import CNNClassifier, Cuda, MLPClassifier, MLPRegressor, NetworkClassifier
from hogblock.engines.cuda import moments
from hogblock.engines.cuda.arrays import Arrays, SimulatedArray
from hogblock.engines.locations import is_device_array
from hogblock.models import Conv2D, Dense, Flatten, MaxPool2D, Network
from hogblock.training.scaling import Standardiser
from support.fake_cuda import DeviceArray, Engines

N = 30
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(N, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
VALUES = X[:, :2] - X[:, 2:]
IMAGES = RANDOM.integers(0, 256, size=(12, 6, 5, 1), dtype=np.uint8)
IMAGES[0, 0, 0] = 255
BRIGHT = (IMAGES[:, :3].mean((1, 2, 3)) > IMAGES[:, 3:].mean((1, 2, 3))).astype(int)
PLAN = dict(max_iter=2, learning_rate="cosine", batch_size=10, random_state=0)


@pytest.fixture
def engines(monkeypatch, simulator):
    """The engines of simulated devices, watched."""
    return Engines().install(monkeypatch)


def on_card(x, index=0):
    return DeviceArray(x, index)


def classifier(**parameters):
    return MLPClassifier((5,), **PLAN | dict(device="cuda") | parameters)


def shares_memory(x, device_array):
    return np.shares_memory(np.asarray(x), device_array.values)


# Arrays ---------------------------------------------------------------------------


def test_arrays_copy_and_view():
    arrays = Arrays(Cuda(1))
    with arrays.current():
        made = arrays.to_device(X.T)
    assert made.flags.c_contiguous
    assert not np.shares_memory(made, X)
    np.testing.assert_array_equal(arrays.to_host(made), X.T)
    assert not arrays.zeros((2, 3), np.uint8).any()
    given = on_card(X)
    view = arrays.wrap(given)
    assert isinstance(view, SimulatedArray)
    assert shares_memory(view, given)
    assert is_device_array(view[3:5])
    assert view[[1, 2]].__dlpack_device__() == (2, 1)
    assert arrays.wrap(view) is view
    host = arrays.to_host(given)
    assert type(host) is np.ndarray
    assert not shares_memory(host, given)


def test_wrap_reads_dlpack():
    class OnlyDlpack:
        def __dlpack_device__(self):
            return 2, 0

        def __dlpack__(self, **options):
            return X.__dlpack__(**options)

    assert is_device_array(OnlyDlpack())
    view = Arrays(Cuda()).wrap(OnlyDlpack())
    assert np.shares_memory(view, X)
    assert is_device_array(view)


# Fitting --------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda", "auto", "cuda:0", ["cuda:0", "cuda:1"]])
def test_x_is_read_in_place(engines, device):
    given = on_card(X)
    model = classifier(device=device).fit(given, on_card(Y))
    assert shares_memory(engines.runs[0][0].x, given)
    assert model.n_features_in_ == 4
    assert type(model.classes_) is np.ndarray
    if isinstance(device, str):
        host = classifier(device="cpu").fit(X, Y)
        for there, here in zip(model.coefs_, host.coefs_, strict=True):
            np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
    for each in (*model.coefs_, *model.intercepts_, model._params, *model._inputs):
        assert type(each) is np.ndarray


def test_y_and_weights_may_lie_on_either_side(engines):
    weights = RANDOM.uniform(0.5, 2, N)
    fits = [
        classifier(class_weight="balanced").fit(on_card(X), y, w)
        for y in (Y, on_card(Y), Y.tolist())
        for w in (weights, on_card(weights))
    ]
    fits.append(classifier(class_weight="balanced").fit(X, on_card(Y), weights))
    host = classifier(class_weight="balanced", device="cpu").fit(X, Y, weights)
    for model in (*fits[1:], host):
        assert model.loss_curve_ == pytest.approx(fits[0].loss_curve_, rel=1e-5)
    regressor = MLPRegressor((5,), **PLAN, device="auto")
    regressor.fit(on_card(X), on_card(VALUES))
    assert type(regressor.predict(X)) is np.ndarray
    assert regressor.predict(X).shape == VALUES.shape


@pytest.mark.parametrize(
    ("kept", "given"),
    [
        (True, IMAGES.reshape(12, -1)),
        (False, X.astype(np.float64)),
        (False, np.asfortranarray(X)),
        (False, X[:, ::2]),
    ],
)
def test_types_and_orders(engines, kept, given):
    given = on_card(given)
    y = np.arange(len(given)) % 2
    classifier().fit(given, y)
    x = engines.runs[0][0].x
    assert shares_memory(x, given) == kept
    assert x.dtype == (np.uint8 if given.dtype == np.uint8 else np.float32)
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(x, given.values.astype(x.dtype))


def test_validation_set_is_scored_where_it_lies(engines):
    early = dict(early_stopping=True)
    host = classifier(**early).fit(X, Y, X_val=X[:20], y_val=Y[:20])
    assert host.device_ == "cuda:0" and not engines.predicted
    card = classifier(**early, device=Cuda(threads=8)).fit(
        on_card(X), Y, X_val=on_card(X[:20]), y_val=on_card(Y[:20])
    )
    assert [device for _, device in engines.predicted] == [Cuda(threads=8)] * 2
    assert card.validation_scores_ == host.validation_scores_


def test_validation_set_is_split_off_on_the_device(engines):
    model = classifier(early_stopping=True).fit(on_card(X), on_card(Y))
    assert all(is_device_array(x) for x, _ in engines.predicted)
    assert {len(x) for x, _ in engines.predicted} == {3}
    assert is_device_array(engines.runs[0][0].x)
    host = classifier(early_stopping=True, device="cpu").fit(X, Y)
    assert model.validation_scores_ == host.validation_scores_


def test_full_batch(engines):
    twice = np.vstack([X, X])
    classifier(batch_size=200, max_iter=1).fit(on_card(twice), np.tile(Y, 2))
    assert len(engines.runs[0][0].x) == 2 * N


def test_partial_fit(engines):
    model = classifier()
    for _ in range(2):
        model.partial_fit(on_card(X), on_card(Y), classes=on_card(np.arange(3)))
    assert (model.n_iter_, model.classes_.tolist()) == (2, [0, 1, 2])


def tiny_convnet(input_shape, n_outputs):
    layers = [Conv2D(2, 3), MaxPool2D(2), Flatten(), Dense(n_outputs)]
    return Network(layers, input_shape)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(CNNClassifier, (12, 6, 5)), (NetworkClassifier, (12, 6, 5, 1))],
)
def test_images(engines, kind, shape):
    first = dict(conv_layers=((2, 3),), hidden_layer_sizes=(4,))
    network = (tiny_convnet,) if kind is NetworkClassifier else ()
    options = PLAN | (first if kind is CNNClassifier else {}) | {"batch_size": 6}
    given = on_card(IMAGES.reshape(shape))
    model = kind(*network, **options, device="cuda").fit(given, BRIGHT)
    assert model.image_shape_ == (6, 5, 1)
    assert shares_memory(engines.runs[0][0].x, given)
    host = kind(*network, **options).fit(IMAGES.reshape(shape), BRIGHT)
    np.testing.assert_allclose(
        model.predict_proba(given), host.predict_proba(IMAGES), atol=1e-4
    )
    with pytest.raises(ValueError, match=r"X was bytes .* fractions of at most 1:"):
        model.predict(on_card((IMAGES / np.float32(255)).reshape(shape)))
    with pytest.raises(ValueError, match=r"X has images of shape \(5, 6, 1\)"):
        model.predict(on_card(IMAGES.reshape(12, 5, 6)))


# Predictions ----------------------------------------------------------------------


def test_outputs_follow_the_input(engines, monkeypatch):
    copied = []
    to_device = Arrays.to_device
    monkeypatch.setattr(
        Arrays, "to_device", lambda self, x: copied.append(x) or to_device(self, x)
    )
    model = classifier(device="cpu").fit(X, Y)
    for name in ("predict", "predict_proba", "predict_log_proba"):
        here, there = (getattr(model, name)(x) for x in (X, on_card(X, 1)))
        results = [x for x in copied if x.shape == here.shape]
        assert len(results) == 1
        assert results[0] is not there
        copied.clear()
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)
    assert [device for _, device in engines.predicted] == [Cuda(1)] * 3


def test_text_labels_stay_on_the_host(engines, monkeypatch):
    model = classifier().fit(on_card(X), np.array(["no", "yes"])[Y])
    found = model.predict(on_card(X))
    assert type(found) is np.ndarray and set(found) <= {"no", "yes"}


def test_outputs_are_float32(engines):
    """Unless y was scaled: it may have more digits."""
    model = classifier().fit(X, Y)
    assert model.predict_proba(on_card(X.astype(np.float64))).dtype == np.float32
    assert model.predict_proba(X.astype(np.float64)).dtype == np.float64
    for standardize, dtype in ((True, np.float64), (False, np.float32)):
        regressor = MLPRegressor((5,), **PLAN, standardize=standardize)
        regressor.fit(X, VALUES[:, 0])
        assert regressor.predict(on_card(X.astype(np.float64))).dtype == dtype
        assert regressor.predict(X.astype(np.float64)).dtype == np.float64


def test_score(engines):
    weights = np.linspace(0, 1, N)
    for kind, y in ((MLPClassifier, Y), (MLPRegressor, VALUES)):
        model = kind((5,), **PLAN).fit(X, y)
        scores = [
            model.score(on_card(X), on_card(y), on_card(weights)),
            model.score(on_card(X), y, weights),
            model.score(X, y, weights),
        ]
        assert scores == pytest.approx([scores[0]] * 3, rel=1e-6)
        assert type(scores[0]) is float


# Errors ---------------------------------------------------------------------------

NAN, INFINITE = X.copy(), X.copy()
NAN[3, 1] = np.nan
INFINITE[5, 2] = np.inf


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (NAN, Y, "Input X contains NaN"),
        (INFINITE, Y, r"contains infinity or a value too large for dtype\('float32'\)"),
        (X * np.float64(1e300), Y, "contains infinity or a value too large"),
        (X[:0], Y[:0], "0 sample"),
        (X[:, :0], Y, "0 feature"),
        (X[0], Y, "Expected 2D array"),
        (X[0, 0], Y, "Expected 2D array, got scalar"),
        (X[:, :, None], Y, "dim 3"),
        (X, Y[:-1], "inconsistent numbers of samples"),
        (X, np.where(Y == 1, np.nan, 0.0), "NaN"),
        (X, X[:, 0], "Unknown label type: continuous"),
        (X, np.zeros(N), "y has 1 class"),
        (X.astype(np.int64), Y, "type int64; allowed are float32, uint8, and float64"),
        (X.astype(np.float16), Y, "type float16"),
    ],
)
def test_bad_data(engines, x, y, message):
    for targets in (y, on_card(y)):
        with pytest.raises(ValueError, match=message):
            classifier().fit(on_card(x), targets)
    assert not engines.runs


def test_missing_y(engines):
    with pytest.raises(ValueError, match="requires y to be passed"):
        classifier().fit(on_card(X), None)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(N, -1.0), "[Nn]egative"),
        (np.zeros(N), "sample_weight is zero everywhere"),
        (np.ones(N - 1), "sample_weight.shape"),
        (np.full(N, np.nan), "NaN"),
    ],
)
def test_bad_weights(engines, weight, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(on_card(X), Y, on_card(weight))


def test_features_are_compared(engines):
    model = classifier().fit(X, Y)
    message = "X has 3 features, but MLPClassifier is expecting 4"
    with pytest.raises(ValueError, match=message):
        model.predict(on_card(X[:, :3]))
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, X_val=on_card(X[:, :3]), y_val=Y)


@pytest.mark.parametrize(
    ("device", "places", "messages"),
    [
        ("cpu", dict(X=0), ("X is on cuda:0", "device='cpu'", "copy of X on the host")),
        ("cuda:0", dict(X=1), ("X is on cuda:1", "device='cuda:0'")),
        ("auto", dict(X=1, y=0), ("y is on cuda:0", "X is on cuda:1")),
        (
            ["cuda:0", "cuda:1"],
            dict(X=0, sample_weight=1),
            ("sample_weight is on cuda:1", "X is on cuda:0"),
        ),
        (
            "cuda",
            dict(X=0, X_val=1, y_val=0),
            ("X_val is on cuda:1", "X is on cuda:0"),
        ),
        ("cuda:1", dict(y=0), ("y is on cuda:0", "training is on cuda:1")),
        ("cpu", dict(y=0), ("y is on cuda:0", "X is on the host")),
        ("cpu", dict(X_val=0), ("X_val is on cuda:0", "X is on the host")),
    ],
)
def test_places(engines, device, places, messages):
    given = dict(X=X, y=Y, sample_weight=np.ones(N), X_val=X, y_val=Y)
    given |= {name: on_card(given[name], index) for name, index in places.items()}
    with pytest.raises(ValueError) as error:
        classifier(device=device).fit(**given)
    for message in messages:
        assert message in str(error.value)
    assert not engines.runs


# Scaling --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("channels", [None, 3])
def test_scaling_equals_that_of_the_host(monkeypatch, kind, weighted, channels):
    monkeypatch.setattr(moments, "VALUES_AT_ONCE", 50)  # several parts
    x = RANDOM.uniform(0, 255, (33, 12)).astype(kind)
    x[:, 3] = 7
    x[2, 4] = 250
    weights = np.zeros(0, np.float32)
    if weighted:
        weights = RANDOM.uniform(0, 2, 33).astype(np.float32)
        weights[:5] = 0
    card = Standardiser.of(Arrays(Cuda()).wrap(on_card(x)), weights, channels)
    host = Standardiser.of(x, weights, channels)
    for there, here in zip(card.scaling, host.scaling, strict=True):
        assert type(there) is np.ndarray
        np.testing.assert_allclose(there, here, rtol=1e-6)
