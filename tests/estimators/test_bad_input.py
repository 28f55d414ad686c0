"""Bad input is refused before anything is started, by name and value."""

import numpy as np
import pytest

from hogblock import MLPClassifier, MLPRegressor, schedules

X = np.random.default_rng(0).normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)
WRONG = [
    dict(hidden_layer_sizes=(10, 0)),
    dict(hidden_layer_sizes=-3),
    dict(hidden_layer_sizes=(2.5,)),
    dict(activation="swish"),
    dict(method="adam"),
    dict(n_jobs="two"),
    dict(n_jobs=0),
    dict(device="cuda:x"),
    dict(device=["cuda", "cpu"]),
    dict(device="tpu"),
    dict(alpha=-1.0),
    dict(batch_size=0),
    dict(batch_size="big"),
    dict(learning_rate="linear"),
    dict(learning_rate_init=0.0),
    dict(power_t=-0.5),
    dict(max_iter=0),
    dict(shuffle="yes"),
    dict(random_state="seed"),
    dict(tol=-1e-3),
    dict(verbose="loud"),
    dict(warm_start=2),
    dict(momentum=1.0),
    dict(nesterovs_momentum="no"),
    dict(early_stopping=3),
    dict(validation_fraction=1.0),
    dict(n_iter_no_change=0),
    dict(dropout=1.0),
    dict(standardize="yes"),
]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch):
    """No worker is asked for and no memory reserved."""
    for name in (
        "hogblock.engines.cpu.pool.acquire",
        "hogblock.engines.cpu.training.Segment",
    ):
        monkeypatch.setattr(name, lambda *_: pytest.fail("something was started"))


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_hyper_parameters(kind, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError) as error:
        kind(**(dict(n_jobs=2, batch_size=2) | wrong)).fit(X, Y)
    text = str(error.value)
    assert name in text
    assert str(value).strip("()").rstrip(",") in text


def test_class_weight():
    with pytest.raises(ValueError, match="class_weight"):
        MLPClassifier(class_weight="fair").fit(X, Y)
    with pytest.raises(ValueError, match="class_weight"):
        MLPClassifier(class_weight={7: 2.0}).fit(X, Y)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.where(X == X[3, 1], np.nan, X), Y, "X contains NaN"),
        (np.where(X == X[3, 1], np.inf, X), Y, "X contains infinity"),
        (X[:0], Y[:0], "0 sample"),
        (X[:, :0], Y, "0 feature"),
        (X[0], Y, "Expected 2D array"),
        (X[:, :, None], Y, "dim 3"),
        (X, Y[:-1], "inconsistent numbers of samples"),
        (X, np.zeros(40), "y has 1 class"),
        (X, X[:, 0], "Unknown label type: continuous"),
        (X, np.where(Y == 1, np.nan, 0.0), "NaN"),
        (X, np.c_[Y, Y + 1, Y + 2], "several"),
        (np.full(X.shape, "a"), Y, "could not convert string"),
        (X, None, "y"),
    ],
)
def test_data_of_a_classifier(x, y, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(n_jobs=2, batch_size=2).fit(x, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(40, np.inf), "infinity"),
        (np.full(40, "high"), "could not convert"),
    ],
)
def test_targets_of_a_regressor(y, message):
    with pytest.raises(ValueError, match=message):
        MLPRegressor(n_jobs=2, batch_size=2).fit(X, y)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(40, -1.0), "[Nn]egative"),
        (np.zeros(40), "sample_weight is zero everywhere"),
        (np.ones(39), "sample_weight.shape"),
        (np.full(40, np.nan), "NaN"),
    ],
)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_sample_weight(kind, weight, message):
    with pytest.raises(ValueError, match=message):
        kind(n_jobs=2, batch_size=2).fit(X, Y, weight)


def test_validation_set():
    model = MLPClassifier(n_jobs=2, batch_size=2)
    with pytest.raises(ValueError, match="y_val is missing"):
        model.fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="X_val is missing"):
        model.fit(X, Y, y_val=Y)
    with pytest.raises(ValueError, match="features"):
        model.fit(X, Y, X_val=X[:, :2], y_val=Y)
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, Y, X_val=X, y_val=Y[:3])
    with pytest.raises(ValueError, match=r"classes \[5\]"):
        model.fit(X, Y, X_val=X, y_val=np.full(40, 5))


def test_schedule_options():
    with pytest.raises(ValueError, match=r"warmup=1\.5"):
        schedules.Cosine(warmup=1.5)
    with pytest.raises(ValueError, match="learning_rate='x' is unknown"):
        schedules.resolve("x")


def test_prediction_wants_the_same_features():
    model = MLPClassifier(max_iter=2, learning_rate="cosine").fit(X, Y)
    with pytest.raises(ValueError, match="features"):
        model.predict(X[:, :2])


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_divergence_is_an_error_that_keeps_the_model(kind):
    model = kind(max_iter=3, learning_rate="cosine", random_state=0).fit(X, Y)
    before = model.predict(X)
    model.set_params(learning_rate_init=1e25, activation="identity")
    with pytest.raises(ValueError, match=r"diverged.*learning_rate_init=1e\+25"):
        model.fit(X, 1e3 * Y)
    np.testing.assert_array_equal(model.predict(X), before)
