"""Parts that lie on nodes: read there, checked there, never on this machine."""

import numpy as np
import pandas as pd
import pytest
import ray
from sklearn.datasets import load_digits

from hogblock import MLPClassifier, MLPRegressor
from hogblock.distributed import Parts, Ray
from hogblock.engines.locations import HOST, location_of

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:max_iter"),
]

X, Y = load_digits(return_X_y=True)
X = X.astype(np.float32)
CUT, ROWS = 700, 1400
PLAN = dict(learning_rate="cosine", learning_rate_init=0.05, max_iter=60)


def model(sampling="auto", **changes):
    """A classifier on two nodes."""
    device = Ray(nodes=2, sampling=sampling)
    return MLPClassifier((32,), device=device, random_state=0, **PLAN | changes)


def tables(folder, names=("a", "b")):
    """Two parquet files of the samples, with their targets first."""
    paths = []
    for name, rows in zip(names, (slice(0, CUT), slice(CUT, ROWS)), strict=True):
        frame = pd.DataFrame(X[rows], columns=[f"pixel {k}" for k in range(64)])
        frame.insert(0, "digit", Y[rows])
        frame.to_parquet(folder / f"{name}.parquet")
        paths.append(folder / f"{name}.parquet")
    return paths


def check(fitted, epochs=60):
    assert fitted.n_iter_ == epochs and fitted.t_ == ROWS * epochs
    assert fitted.n_features_in_ == 64
    assert fitted.classes_.tolist() == list(range(10))
    assert [n.samples for n in fitted.nodes_] == [CUT * epochs, (ROWS - CUT) * epochs]
    assert np.mean(fitted.predict(X[ROWS:]) == Y[ROWS:]) > 0.9


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("kind", ["parquet", "npy", "npz", "arrays", "function"])
def test_every_kind_of_part(kind, tmp_path):
    parts = [(X[:CUT], Y[:CUT]), (X[CUT:ROWS], Y[CUT:ROWS])]
    sources, target = parts, None
    if kind == "parquet":
        sources, target = tables(tmp_path), "digit"
    elif kind == "function":
        sources = [lambda part=part: part for part in parts]
    elif kind != "arrays":
        sources = []
        for number, (x, y) in enumerate(parts):
            if kind == "npz":
                sources.append(tmp_path / f"{number}.npz")
                np.savez(sources[-1], X=x, y=y)
                continue
            pair = tmp_path / f"x{number}.npy", tmp_path / f"y{number}.npy"
            np.save(pair[0], x), np.save(pair[1], y)
            sources.append(pair)
    fitted = model().fit(Parts(sources, target=target))
    if kind == "parquet":
        assert fitted.feature_names_in_[0] == "pixel 0"
        del fitted.feature_names_in_  # what follows has none
    check(fitted)


@pytest.mark.usefixtures("nodes")
def test_the_scaling_is_that_of_all_parts():
    parts = Parts([(X[:CUT], Y[:CUT]), (X[CUT:ROWS], Y[CUT:ROWS])])
    found = model(max_iter=1).fit(parts)
    whole = MLPClassifier((32,), random_state=0, **PLAN | dict(max_iter=1))
    whole.fit(X[:ROWS], Y[:ROWS])
    for a, b in zip(found._inputs, whole._inputs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.usefixtures("nodes")
def test_all_nodes_may_read_all_parts():
    parts = Parts([(X[:CUT], Y[:CUT]), (X[CUT:ROWS], Y[CUT:ROWS])])
    fitted = model(sampling="all").fit(parts)
    assert fitted.t_ == ROWS * 60
    assert np.mean(fitted.predict(X[ROWS:]) == Y[ROWS:]) > 0.9


@pytest.mark.usefixtures("nodes")
def test_targets_of_a_regression_are_scaled_by_all_parts():
    y = 1000 + 50 * (X @ np.random.default_rng(0).normal(size=64))
    parts = Parts([(X[:CUT], y[:CUT]), (X[CUT:ROWS], y[CUT:ROWS])])
    fitted = MLPRegressor((16,), device=Ray(), random_state=0, **PLAN).fit(parts)
    assert fitted.score(X[ROWS:], y[ROWS:]) > 0.9
    scaling = fitted._targets.scaling
    np.testing.assert_allclose(scaling.shift, y[:ROWS].mean(), rtol=1e-6)


@pytest.mark.usefixtures("nodes")
@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_a_dataset_of_ray_is_split():
    frame = pd.DataFrame(X[:ROWS], columns=[f"pixel {k}" for k in range(64)])
    frame["digit"] = Y[:ROWS]
    dataset = ray.data.from_pandas(frame)
    fitted = model(max_iter=30).fit(Parts(dataset, target="digit"))
    assert fitted.t_ == ROWS * 30 and fitted.n_features_in_ == 64


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize(
    ("second", "message"),
    [
        ((X[:50, :60], Y[:50]), r"node 1 \(.*\) has features 60, and node 0 .* 64"),
        ((X[:50].astype(np.float64), Y[:50]), "has X of float64, and node 0"),
        ((X[:50], Y[:40]), r"node 1 \(.*\): .*inconsistent numbers of samples"),
        ((X[:50] * np.nan, Y[:50]), r"node 1 \(.*\): Input X contains NaN"),
        (("no such file.npy", "nor this.npy"), r"node 1 \(.*\): .*No such file"),
        ("table.exe", r"node 1 \(.*\): 'table.exe' is no part"),
    ],
    ids=["features", "type", "lengths", "nan", "missing", "kind"],
)
def test_parts_that_do_not_go_together_are_named(second, message):
    fresh = model()
    with pytest.raises((ValueError, OSError), match=message):
        fresh.fit(Parts([(X[:CUT], Y[:CUT]), second]))
    assert not hasattr(fresh, "n_features_in_")


@pytest.mark.usefixtures("nodes")
def test_classes_that_the_model_does_not_know_are_named():
    first = Parts([(X[Y < 9][:50], Y[Y < 9][:50])] * 2)
    fitted = model(max_iter=1, warm_start=True).fit(first)
    with pytest.raises(ValueError, match=r"node 1 \(.*\) has classes \[9\] that are"):
        fitted.fit(Parts([first.sources[0], (X[:50], Y[:50])]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(y=Y), "y comes with the parts"),
        (dict(sample_weight=np.ones(3)), "sample_weight comes with the parts"),
    ],
)
def test_what_comes_with_the_parts_is_not_passed(arguments, message):
    with pytest.raises(ValueError, match=message):
        model().fit(Parts([(X[:90], Y[:90])] * 2), **arguments)


def test_columns_of_a_frame_are_no_parts():
    """Whatever they are called: a column is an attribute of its frame."""
    names = ["problem", "dealt", "where", "digest"]
    frame = pd.DataFrame(X[:90, 20:24], columns=names)
    fitted = MLPClassifier((4,), max_iter=2, learning_rate="cosine")
    assert fitted.fit(frame, Y[:90]).feature_names_in_.tolist() == names
    assert location_of(frame) == HOST


def test_parts_need_nodes():
    parts = Parts([(X, Y)])
    for device in ("cpu", "auto"):
        with pytest.raises(
            ValueError, match=r"X is on nodes, and device=.*Ray\(\.\.\."
        ):
            MLPClassifier(device=device).fit(parts)


@pytest.mark.parametrize("sources", [[], "a.npz", [3], [(1, 2, 3)]])
def test_what_is_no_part_is_refused(sources):
    with pytest.raises(ValueError, match=r"of Parts"):
        Parts(sources)
    with pytest.raises(ValueError, match="1 sources of Parts are for 2 nodes"):
        Parts(["a.npz"]).dealt(2, False)
