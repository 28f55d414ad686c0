"""Tables as they come: words, gaps, no names, an index, other dialects."""

import json

import joblib
import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from hogblock import MLPClassifier, MLPRegressor, cli, datasets

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("always::UserWarning")


@pytest.fixture
def flowers():
    """A table of all kinds of columns; "kind" follows from size and colour."""
    rng = np.random.default_rng(0)
    n = 240
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n).round(3),
            "colour": rng.choice(["red", "blue", "green"], n),
            "wild": rng.choice([True, False], n),
            "name": [f"flower {k}" for k in range(n)],
            "nothing": np.full(n, np.nan),
        }
    )
    kind = (frame["size"] > 0) ^ (frame["colour"] == "red")
    frame.loc[::7, "size"] = np.nan
    frame.loc[::11, "colour"] = None
    frame["kind"] = np.where(kind, "rose", "tulip")
    return frame


def train(*arguments):
    words = ("--quiet", "--seed", "0", "--no-plot", "--learning-rate-init", "0.05")
    return cli.main(["train", *map(str, arguments), *words])


def model_of(folder):
    return joblib.load(folder / "hogblock-run" / "model.joblib")


def report_of(folder):
    return json.loads((folder / "hogblock-run" / "report.json").read_text())


def held_out(model, raw):
    """X and y of the test part, as the last step takes them."""
    _, X, _, y = train_test_split(
        raw, raw["kind"], test_size=0.2, random_state=0, stratify=raw["kind"]
    )
    return model[:-1].transform(X), y


@pytest.mark.parametrize("more", [(), ("--early-stopping",)])
def test_a_raw_table_trains_and_predicts(here, flowers, capsys, more):
    flowers.to_csv("t.csv", index=False)
    assert train("t.csv", "--epochs", 40, *more) == 0
    said = capsys.readouterr().err
    assert "t.csv: columns left out (empty): nothing" in said
    assert "t.csv: columns left out (a word a row): name" in said
    assert "missing numbers become the median: size" in said
    assert "words become a feature each: colour" in said
    model = model_of(here)
    assert isinstance(model, Pipeline) and isinstance(model[-1], MLPClassifier)
    raw = pd.read_csv("t.csv")
    whole = raw["size"].notna() & raw["colour"].notna()
    if not more:
        assert (model.predict(raw) == flowers["kind"])[whole].mean() > 0.9
    features = raw.drop(columns=["kind", "name", "nothing"])[["wild", "colour", "size"]]
    np.testing.assert_array_equal(model.predict(features), model.predict(raw))
    assert set(model[-1].feature_names_in_) >= {"size", "wild", "colour_red"}
    report = report_of(here)
    assert report["test_score"] == pytest.approx(model[-1].score(*held_out(model, raw)))
    assert (report["validation_score"] is not None) == bool(more)
    assert report["table"]["numbers"] == ["size", "wild"]
    assert report["table"]["words"] == ["colour"]


def test_rows_that_fit_has_not_seen(here, flowers):
    flowers.to_csv("t.csv", index=False)
    assert train("t.csv", "--epochs", 2) == 0
    model = model_of(here)
    rows = pd.DataFrame(
        {
            "size": ["1.5", " ? ", None],
            "colour": ["purple", " red", np.nan],
            "wild": [True, None, "NA"],
        }
    )
    assert len(model.predict(rows)) == 3
    probabilities = model.predict_proba(rows.assign(colour=["red", "red", " red "]))
    same = model.predict_proba(rows.assign(colour="red"))
    np.testing.assert_array_equal(probabilities, same)
    with pytest.raises(ValueError, match="X lacks the columns colour"):
        model.predict(rows.drop(columns="colour"))
    with pytest.raises(ValueError, match="'size' holds something that is no number"):
        model.predict(rows.assign(size="large"))
    with pytest.raises(ValueError, match="must be a pandas DataFrame"):
        model.predict(rows.to_numpy())


def test_regression_on_a_raw_table(here, flowers, capsys):
    flowers["price"] = flowers["size"].fillna(0) + 3 * (flowers["colour"] == "red")
    flowers.loc[:9, "price"] = np.nan
    flowers.to_csv("t.csv", index=False)
    assert train("t.csv", "--epochs", 60, "--early-stopping") == 0
    assert "10 rows without a target (price): left out" in capsys.readouterr().err
    model = model_of(here)
    assert isinstance(model[-1], MLPRegressor)
    assert report_of(here)["test_score"] > 0.8
    assert np.isfinite(model.predict(pd.read_csv("t.csv"))).all()


def test_parquet_of_all_kinds(here, flowers, capsys):
    pytest.importorskip("pyarrow")
    flowers["colour"] = flowers["colour"].astype("category")
    flowers["when"] = pd.date_range("2020-01-01", periods=len(flowers))
    flowers["count"] = pd.array([1, 2, None] * (len(flowers) // 3), "Int64")
    flowers["kind"] = pd.array([0, 1, None, 1] * (len(flowers) // 4), "Int64")
    flowers.to_parquet("t.parquet")
    assert train("t.parquet", "--target", "kind", "--epochs", 2) == 0
    said = capsys.readouterr().err
    assert "(times): when" in said and "60 rows without a target" in said
    model = model_of(here)
    assert isinstance(model[-1], MLPClassifier) and model.classes_.tolist() == [0, 1]
    assert len(model.predict(pd.read_parquet("t.parquet"))) == len(flowers)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (dict(sep=";", decimal=","), "separator ';', decimal ','"),
        (dict(sep="\t"), "separator tab"),
        (dict(encoding="utf-16"), "encoding utf-16"),
        (dict(encoding="latin-1"), "encoding cp1252"),
        (dict(compression="gzip"), "compressed by gzip"),
        (dict(header=False), "no line of names"),
    ],
)
def test_dialects(here, random, capsys, write, said):
    frame = pd.DataFrame(random.normal(size=(60, 2)), columns=["größe", "b"])
    frame["y"] = np.where(frame["größe"] > 0, "ja", "nä")
    name = "t.csv.gz" if "compression" in write else "t.csv"
    frame.to_csv(name, index=False, **write)
    assert train(name, "--epochs", 30) == 0
    assert f"hogblock: {name}: read with {said}" in capsys.readouterr().err
    model = model_of(here)
    assert isinstance(model, MLPClassifier)
    names = ["0", "1"] if "header" in write else ["größe", "b"]
    assert list(model.feature_names_in_) == names
    X = frame[["größe", "b"]].set_axis(names, axis=1)
    assert (model.predict(X) == frame["y"]).mean() > 0.9
    report = report_of(here)
    assert report["samples"] == 30 * 48  # no row was lost to names
    assert report["table"]["sep"] == write.get("sep", ",")


def test_dialect_options(here, capsys):
    rows = "\n".join(f"{k % 7},5;{k % 3}" for k in range(30))
    (here / "t.txt").write_text(f"7,5;0\n{rows}\n")
    options = ("--sep", ";", "--decimal", ",", "--encoding", "latin-1")
    assert train("t.txt", *options, "--header", "--epochs", 1) == 0
    assert list(model_of(here).feature_names_in_) == ["7,5"]
    assert train("t.txt", *options, "--no-header", "--epochs", 1) == 0
    assert report_of(here)["table"]["header"] is False
    capsys.readouterr()
    assert train("t.txt", "--sep", ",", "--decimal", ".", "--no-header") == 0
    assert "words become a feature each: 1" not in capsys.readouterr().err
    assert train("t.txt", "--encoding", "magic") == 2
    assert "unknown encoding: magic" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "index"])
def test_an_index_is_no_feature(here, random, capsys, name):
    frame = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "y"])
    frame.to_csv("t.csv", index_label=name or None)
    assert train("t.csv", "--epochs", 1) == 0
    assert "the first column has" in capsys.readouterr().err
    model = model_of(here)
    assert list(model[-1].feature_names_in_) == ["a", "b"]
    assert len(model.predict(pd.read_csv("t.csv"))) == 60


def test_an_unnamed_column_that_does_not_count_is_a_feature(here):
    (here / "t.csv").write_text(",b,y\n1,2,0\n5,3,1\n2,3,0\n")
    X, _ = datasets.read_table("t.csv")
    assert list(X.columns) == ["Unnamed: 0", "b"]


def test_marks_of_missing_values_beside_numbers(here):
    rows = "".join(f"{k},{k % 5 if k % 3 else '?'},{k % 2}\n" for k in range(1, 41))
    (here / "t.csv").write_text(f"a,b,y\n{rows}")
    assert train("t.csv", "--epochs", 1) == 0
    assert report_of(here)["table"]["numbers"] == ["a", "b"]
    assert list(model_of(here)[-1].feature_names_in_) == ["a", "b"]


def test_strict_refuses(here, flowers, capsys):
    flowers.to_csv("t.csv", index=False)
    assert train("t.csv", "--strict") == 2
    assert "not numeric: colour, name" in capsys.readouterr().err
    flowers[["size", "wild", "kind"]].to_csv("t.csv", index=False)
    assert train("t.csv", "--strict") == 2
    assert "missing values: size" in capsys.readouterr().err
    assert not (here / "hogblock-run").exists()


def test_tables_that_cannot_be_trained_on(here, capsys):
    (here / "t.csv").write_text("a,y\n1,\n2,\n")
    assert train("t.csv", "--target", "y") == 2
    assert "no row with a target in column 'y'" in capsys.readouterr().err
    (here / "t.csv").write_text("a,y\n,1\n,2\n")
    assert train("t.csv") == 2
    assert "no column that can be a feature" in capsys.readouterr().err


def test_read_table_of_raw_columns(here, flowers):
    flowers.to_csv("t.csv", index=False)
    with pytest.warns(UserWarning, match="left out") as caught:
        X, y = datasets.read_table("t.csv", strict=False)
    assert {w.filename for w in caught} == {__file__}
    assert list(X.columns) == ["size", "colour", "wild"]
    assert X["colour"].isna().sum() == flowers["colour"].isna().sum()
    assert y.tolist() == flowers["kind"].tolist()
