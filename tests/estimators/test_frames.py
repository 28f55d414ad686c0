"""What is wrong with a frame or with y is said with the column, and what to do."""

import numpy as np
import pytest

from hogblock import MLPClassifier, MLPRegressor

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

X = np.random.default_rng(0).integers(-9, 9, (40, 3)).astype(float)
Y = (X[:, 0] > 0).astype(int)
NAMES = ["a", "b", "c"]
OPTIONS = dict(max_iter=1, learning_rate="cosine", random_state=0)
FRAME = pd.DataFrame(X, columns=NAMES)


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch):
    """No worker is asked for."""
    acquire = "hogblock.engines.cpu.pool.acquire"
    monkeypatch.setattr(acquire, lambda *_: pytest.fail("something was started"))


def gap(frame):
    frame = frame.copy()
    frame.loc[3, "b"] = None
    return frame


POLARS = pl.DataFrame(X, schema=NAMES)
IMPUTE, ENCODE = "SimpleImputer", "OneHotEncoder"
WRONG = {
    "NaN": (gap(FRAME), ["row 3", IMPUTE]),
    "NA": (gap(FRAME.astype("Int64")), ["row 3", IMPUTE, "Int64"]),
    "NA, bytes": (gap(FRAME.abs().astype("UInt8")), ["row 3", IMPUTE]),
    "NA of pyarrow": (gap(FRAME.astype("int64[pyarrow]")), ["row 3", IMPUTE]),
    "None": (FRAME.assign(b=np.array([None] * 40, object)), ["40", IMPUTE]),
    "null": (
        POLARS.with_columns(b=pl.Series([1, 2, 3, None] + [0] * 36)),
        ["row 3", IMPUTE],
    ),
    "null of pyarrow": (
        pa.table({"a": [1] * 4, "b": [1, 2, 3, None]}),
        ["row 3", IMPUTE],
    ),
    "infinity": (FRAME.replace({"b": 0}, np.inf), ["inf"]),
    "text": (FRAME.assign(b="red"), ["'red'", "row 0", ENCODE]),
    "categories": (FRAME.assign(b=pd.Categorical(["u", "v"] * 20)), ["'u'", ENCODE]),
    "objects": (FRAME.assign(b=np.array([1, "x"] * 20, object)), ["row 1", ENCODE]),
    "text of polars": (POLARS.with_columns(b=pl.lit("red")), ["'red'", ENCODE]),
    "text of pyarrow": (pa.table({"a": [1, 2], "b": ["u", "v"]}), ["'u'", ENCODE]),
    "dates": (FRAME.assign(b=pd.Timestamp("2020-02-02")), ["Datetime", "days since"]),
    "dates of polars": (
        POLARS.with_columns(b=pl.lit("2020-02-02").str.to_date()),
        ["Date", "days since"],
    ),
    "lists": (POLARS.with_columns(b=pl.Series([[1]] * 40)), ["List", "drop"]),
}


@pytest.mark.parametrize(("x", "words"), WRONG.values(), ids=WRONG)
def test_a_column_is_named(x, words):
    y = Y[: len(x)]
    model = MLPClassifier((3,), n_jobs=2, **OPTIONS)
    with pytest.raises(ValueError, match=r"^X has .*column 'b'") as error:
        model.fit(x, y)
    assert [word for word in words if word not in str(error.value)] == []
    assert not hasattr(model, "feature_names_in_")
    fitted = MLPClassifier((3,), **OPTIONS).fit(FRAME, Y)
    if len(x) == len(Y):
        with pytest.raises(ValueError, match=r"^X has .*column 'b'"):
            fitted.predict(x)
        with pytest.raises(ValueError, match=r"^X_val has .*column 'b'"):
            model.fit(FRAME, Y, X_val=x, y_val=Y)


def test_columns_of_arrays_are_numbered():
    for x in (np.where(np.arange(3) == 1, "x", X.astype(object)), [[1, 2], [3, "x"]]):
        with pytest.raises(ValueError, match=r"X has 'x' in column 1, row .*no number"):
            MLPClassifier().fit(x, Y[: len(x)])


def test_what_is_not_computed_yet():
    with pytest.raises(TypeError, match=r"X is a LazyFrame.*X\.collect\(\)"):
        MLPClassifier().fit(POLARS.lazy(), Y)


def test_columns_of_one_name():
    with pytest.raises(ValueError, match=r"X has columns of one name.*'a' 2 times"):
        MLPClassifier().fit(FRAME.set_axis(["a", "a", "b"], axis=1), Y)


FORMS = [
    FRAME,
    POLARS,
    pa.Table.from_pandas(FRAME),
    FRAME.astype("double[pyarrow]"),
]


@pytest.fixture(scope="module")
def fitted():
    return [MLPClassifier((3,), **OPTIONS).fit(form, Y) for form in FORMS]


def test_frames_go_by_the_names_of_their_columns(fitted):
    """Of whichever library they are at ``fit``, and later."""
    wrong = {
        "same order": ["b", "a", "c"],
        "now missing:\n- c": ["a", "b"],
        "unseen at fit time:\n- d": ["a", "b", "d"],
    }
    data = FRAME.assign(d=1.0, e="text")
    for text, names in wrong.items():
        others = [
            data[names],
            pl.from_pandas(data[names]),
            pa.Table.from_pandas(data[names]),
        ]
        for model in fitted:
            for x in others:
                with pytest.raises(ValueError, match=text):
                    model.predict(x)
            with pytest.raises(ValueError, match=f"(?s)^X_val: .*{text}"):
                model.fit(FRAME, Y, X_val=others[0], y_val=Y)
    with pytest.raises(ValueError, match="unseen at fit time:\n- e"):
        fitted[0].predict(data[["a", "b", "e"]])
    wanted = fitted[0].predict_proba(FRAME)
    for model in fitted:
        for form in FORMS:
            np.testing.assert_array_equal(model.predict_proba(form), wanted)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            model.predict(X)


TEXT = np.array(["no", "yes"])[Y]
MISSING = {
    "NA": pd.Series(Y, dtype="Int64").where(np.arange(40) != 3),
    "NA of truths": pd.Series(Y, dtype="boolean").where(np.arange(40) != 3),
    "NA of text": pd.Series(TEXT, dtype="string").where(np.arange(40) != 3),
    "NA of categories": pd.Series(TEXT, dtype="category").where(np.arange(40) != 3),
    "NA of pyarrow": pd.Series(Y, dtype="int64[pyarrow]").where(np.arange(40) != 3),
    "None": np.where(np.arange(40) == 3, None, TEXT.astype(object)),
    "NaN in a list": [np.nan if k == 3 else w for k, w in enumerate(TEXT.tolist())],
    "null": pl.Series([None if k == 3 else w for k, w in enumerate(TEXT.tolist())]),
    "null of pyarrow": pa.array([None if k == 3 else k % 2 for k in range(40)]),
}
NUMBERS = ("NA", "NA of pyarrow", "null of pyarrow")


@pytest.mark.parametrize("name", MISSING)
def test_targets_that_are_missing(name):
    y = MISSING[name]
    message = r"y has missing values \(1, the first in row 3\): drop"
    for kind in (MLPClassifier, MLPRegressor) if name in NUMBERS else (MLPClassifier,):
        with pytest.raises(ValueError, match="^" + message):
            kind(n_jobs=2).fit(X, y)
        with pytest.raises(ValueError, match=r"^y_val has missing values"):
            kind(n_jobs=2).fit(X, Y, X_val=X, y_val=y)
    model = MLPClassifier((3,), **OPTIONS).fit(X, TEXT)
    with pytest.raises(ValueError, match="^" + message):
        model.score(X, y)


def test_a_target_that_is_missing_in_a_frame():
    y = pd.DataFrame({"u": Y, "v": MISSING["NA"]})
    with pytest.raises(ValueError, match=r"y \(column 'v'\) has missing .*row 3"):
        MLPRegressor().fit(X, y)


def test_targets_of_types_that_do_not_go_together():
    mixed = np.array([1, "no"] * 20, object)
    with pytest.raises(ValueError, match=r"y has values of type int, str; .*astype"):
        MLPClassifier().fit(X, mixed)
    with pytest.raises(ValueError, match="y must be real numbers: could not convert"):
        MLPRegressor().fit(X, TEXT)
    dates = np.arange(40).astype("datetime64[D]")
    with pytest.raises(ValueError, match=r"y has values of type datetime64\[D\]"):
        MLPRegressor().fit(X, dates)
