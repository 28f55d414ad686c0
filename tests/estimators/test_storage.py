"""Values give one model, however X holds them, and of whatever library y is."""

import numpy as np
import pytest

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

RANDOM = np.random.default_rng(0)
SINGLES = RANDOM.normal([0, 2020, -1e4], [1, 5, 1e-1], (90, 3)).astype(np.float32)
BYTES = RANDOM.integers(0, 100, (90, 3), np.uint8)
TRUTHS = BYTES > 40
Y = (BYTES[:, 0] > 50).astype(int)
NAMES = ["a", "b", "c"]
OPTIONS = dict(max_iter=3, learning_rate="cosine", random_state=0, batch_size=16)


def read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def frame(x):
    return pd.DataFrame(x, columns=NAMES)


def table(x):
    return pa.table({name: x[:, k] for k, name in enumerate(NAMES)})


FORMS = {
    "float64": lambda x: x.astype(float),
    "float64, F order": lambda x: np.asfortranarray(x, dtype=float),
    "F order": np.asfortranarray,
    "read-only": read_only,
    "read-only float64": lambda x: read_only(x.astype(float)),
    "every other column": lambda x: np.repeat(x.astype(float), 2, axis=1)[:, ::2],
    "backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "big-endian": lambda x: x.astype(">f8"),
    "longdouble": lambda x: x.astype(np.longdouble),
    "objects": lambda x: x.astype(object),
    "list": lambda x: x.tolist(),
    "pandas": lambda x: frame(x.astype(float)),
    "pandas, several types": lambda x: frame(x).astype({"a": float, "b": "Float64"}),
    "pandas Float32": lambda x: frame(x).astype("Float32"),
    "pandas on pyarrow": lambda x: frame(x).astype("float[pyarrow]"),
    "polars": lambda x: pl.DataFrame(x, schema=NAMES),
    "pyarrow": table,
    "batch of pyarrow": lambda x: table(x).to_batches()[0],
}
WHOLE = {
    **{name: lambda x, name=name: x.astype(name) for name in ("i1", "u2", "i8", "f2")},
    "float64": FORMS["float64"],
    "Int64": lambda x: frame(x).astype("Int64"),
    "UInt8": lambda x: frame(x).astype("UInt8"),
    "int64 of pyarrow": lambda x: frame(x).astype("int64[pyarrow]"),
    "polars": lambda x: pl.DataFrame(x, schema=NAMES).cast(pl.Int32),
    "pyarrow": lambda x: table(x.astype(np.int64)),
    "decimals": lambda x: pl.DataFrame(x, schema=NAMES).cast(pl.Decimal(9, 2)),
}
LOGICAL = {
    "pandas": frame,
    "boolean": lambda x: frame(x).astype("boolean"),
    "bool of pyarrow": lambda x: frame(x).astype("bool[pyarrow]"),
    "numbers too": lambda x: frame(x).astype({"a": "Int8", "b": float}),
    "polars": lambda x: pl.DataFrame(x, schema=NAMES),
    "pyarrow": table,
    "array": lambda x: x,
}
CASES = [
    (values, make, f"{values.dtype}-{name}")
    for values, forms in ((SINGLES, FORMS), (BYTES, WHOLE), (TRUTHS, LOGICAL))
    for name, make in forms.items()
]


def bits(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same(one, other):
    assert one.loss_curve_ == other.loss_curve_
    for a, b in zip(bits(one), bits(other), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.fixture(scope="module")
def of_singles():
    """The models of float32 in C order, by what values they are of."""
    return {
        values.dtype: MLPClassifier((5,), **OPTIONS).fit(values.astype("f4"), Y)
        for values in (SINGLES, BYTES, TRUTHS)
    }


@pytest.mark.parametrize(("values", "make", "name"), CASES, ids=[c[-1] for c in CASES])
def test_values_give_one_model(of_singles, values, make, name):
    x = make(values)
    wanted, model = of_singles[values.dtype], MLPClassifier((5,), **OPTIONS).fit(x, Y)
    assert_same(model, wanted)
    found = model._outputs(x)  # of the network: what follows has the type of X
    np.testing.assert_array_equal(found, wanted._outputs(values.astype("f4")))
    if "pandas" in name or "polars" in name or "pyarrow" in name:
        assert model.feature_names_in_.tolist() == NAMES


@pytest.mark.parametrize("way", [dict(), dict(n_jobs=2, method="sync")], ids=str)
@pytest.mark.parametrize("standardize", [True, False])
def test_so_do_those_of_other_ways_to_train(standardize, way):
    """Beyond one MLP: validation, several workers, streams, images."""
    x = SINGLES if standardize else SINGLES / np.float32(1e4)
    x = x * np.float32(1e-30) if way else x  # whose scale is no float32
    options = OPTIONS | way | dict(standardize=standardize)
    models = [
        MLPRegressor((5,), early_stopping=True, **options).fit(each, x[:, 0])
        for each in (x, x.astype(float))
    ]
    assert_same(*models)
    assert models[0].validation_scores_ == models[1].validation_scores_
    if way:
        return
    streams = [MLPClassifier((5,), **options) for _ in range(2)]
    for part in np.array_split(np.arange(90), 3):  # the plan is of three
        for model, each in zip(streams, (x, x.astype(float)), strict=True):
            model.partial_fit(each[part], Y[part], classes=[0, 1])
    assert_same(*streams)
    images = np.tile(x, 3).reshape(-1, 3, 3)
    assert_same(
        *(
            CNNClassifier(((4, 3),), hidden_layer_sizes=4, **options).fit(each, Y)
            for each in (images, images.astype(float))
        )
    )


def test_values_that_no_float32_holds_are_not_rounded():
    x = SINGLES.astype(float)
    x[-1, 0] += 1e-12
    one, other = (MLPClassifier((5,), **OPTIONS).fit(each, Y) for each in (x, SINGLES))
    assert one.predict_proba(x).dtype == np.float64
    assert any((a != b).any() for a, b in zip(bits(one), bits(other), strict=True))


WORDS = np.array(["no", "yes"])[Y]
LABELS = [
    (pd.Series(Y, dtype="Int64"), [0, 1]),
    (pd.array(Y, dtype="Int8"), [0, 1]),
    (pd.Series(Y, dtype="int64[pyarrow]"), [0, 1]),
    (pd.Series(Y).astype("category"), [0, 1]),
    (pl.Series(Y), [0, 1]),
    (pa.array(Y), [0, 1]),
    (Y.astype(object), [0, 1]),
    (Y.astype(bool), [False, True]),
    (pd.Series(Y, dtype="boolean"), [False, True]),
    (pd.Series(Y.astype(bool), dtype="bool[pyarrow]"), [False, True]),
    (WORDS, ["no", "yes"]),
    (WORDS.astype(object), ["no", "yes"]),
    (WORDS.tolist(), ["no", "yes"]),
    (pd.Series(WORDS, dtype="string"), ["no", "yes"]),
    (pd.Series(WORDS, dtype=pd.ArrowDtype(pa.string())), ["no", "yes"]),
    (pd.Categorical(WORDS), ["no", "yes"]),
    (pl.Series(WORDS).cast(pl.Enum(["yes", "no"])), ["no", "yes"]),
    (pa.array(WORDS).dictionary_encode(), ["no", "yes"]),
]
KINDS = [f"{type(y).__name__}-{getattr(y, 'dtype', '')}" for y, _ in LABELS]


@pytest.mark.parametrize(("y", "classes"), LABELS, ids=KINDS)
def test_labels_of_every_kind(of_singles, y, classes):
    model = MLPClassifier((5,), **OPTIONS).fit(SINGLES, y)
    assert_same(model, of_singles[SINGLES.dtype])
    assert model.classes_.tolist() == classes
    assert type(model.predict(SINGLES[:1]).tolist()[0]) is type(classes[0])
    wanted = of_singles[SINGLES.dtype].score(SINGLES, Y)
    assert model.score(SINGLES, y) == wanted


@pytest.mark.parametrize(
    "make",
    [
        lambda y: pd.Series(y, dtype="Float32"),
        lambda y: pd.Series(y, dtype="double[pyarrow]"),
        pl.Series,
        pa.array,
        lambda y: y.astype(object),
        lambda y: pd.Series(y, dtype="Int64"),
    ],
)
def test_real_targets_of_every_kind(make):
    y = BYTES[:, 1].astype(float)
    wanted = MLPRegressor((5,), **OPTIONS).fit(SINGLES, y)
    model = MLPRegressor((5,), **OPTIONS).fit(SINGLES, make(y))
    assert_same(model, wanted)
    assert model.score(SINGLES, make(y)) == wanted.score(SINGLES, y)


def test_real_targets_in_the_columns_of_a_frame():
    y = BYTES[:, :2].astype(float)
    wanted = MLPRegressor((5,), **OPTIONS).fit(SINGLES, y)
    for columns in (["u", "v"], [0, 1]):
        given = pd.DataFrame(y, columns=columns).astype("Int64")
        assert_same(MLPRegressor((5,), **OPTIONS).fit(SINGLES, given), wanted)
