"""``hogblock predict``: what a saved model says of data, as separated values."""

import argparse
import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from hogblock.cli.data import (
    BUILT_IN,
    DIALECT,
    TABLES,
    TEXTS,
    load,
    refuse,
    rows_of,
    suffix_of,
)
from hogblock.cli.models import load_fitted
from hogblock.cli.options import add_dialect
from hogblock.cli.output import note, put


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell the parser of the command what there is to say."""
    add = parser.add_argument
    add(
        "model",
        type=Path,
        help="a .safetensors file, a .joblib file, or the folder of a run (its "
        "model.joblib). Loading a .joblib file runs whatever code was put into it: "
        "take it from nobody else, and prefer .safetensors",
    )
    add("data", help="as for train; a table needs no target, an .npz file no y")
    add("--output", type=Path, metavar="FILE", help="default: stdout")
    add("--proba", action="store_true", help="the probability of each class, too")
    add_dialect(parser.add_argument_group("table (default: found out)"))


def predict(options: argparse.Namespace) -> None:
    """Predict, and print or write the predictions: a line a row, after one of names."""
    model = load_fitted(options.model)
    if options.proba and not hasattr(model, "predict_proba"):
        kind = type(_last_of(model)).__name__
        raise ValueError(f"--proba is for classifiers, and {options.model} is a {kind}")
    X = _features(model, options)
    columns = _named("prediction", model.predict(X))
    if options.proba:
        columns |= _named("probability", model.predict_proba(X), model.classes_)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(columns)
    lines.writerows(zip(*(each.tolist() for each in columns.values()), strict=True))
    if options.output is None:
        put(text.getvalue().rstrip("\n"))
        return
    from hogblock.saving.atomic import replacing

    with (
        replacing(options.output) as descriptor,
        os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file,
    ):
        file.write(text.getvalue())


def _last_of(model):
    """The estimator, also of a pipeline."""
    return model[-1] if hasattr(model, "steps") else model


def _named(what: str, values: np.ndarray, names=None) -> dict[str, Any]:
    """Columns by their names: that of one is `what`, others are numbered or named."""
    if values.ndim == 1:
        return {what: values}
    names = range(values.shape[1]) if names is None else names
    return {f"{what}_{n}": v for n, v in zip(names, values.T, strict=True)}


def _features(model, options: argparse.Namespace):
    """X of the data, as the model takes it."""
    name, suffix = options.data, suffix_of(options.data)
    given = {option: getattr(options, option) for option in DIALECT}
    for option in DIALECT:
        refuse(given, option, suffix in TEXTS, "tables of text", TEXTS, name)
    if name in BUILT_IN:
        return load(name, given | {"target": None, "strict": None, "task": "auto"}).X
    if suffix not in (*TABLES, ".npz"):
        raise ValueError(
            f"{name!r} is neither a data set ({', '.join(BUILT_IN)}) nor a file "
            f"{', '.join(TABLES)} or .npz"
        )
    if not Path(name).is_file():
        raise FileNotFoundError(f"there is no file {name}")
    if suffix == ".npz":
        from hogblock.datasets.npz import read_arrays

        (X,) = read_arrays(name, ("X",))
        return rows_of(X)
    return _columns(model, name, given)


def _columns(model, path: str, given: dict[str, Any]):
    """The columns of a table that a model was trained on."""
    from hogblock.datasets.columns import as_numbers
    from hogblock.datasets.dialects import Dialect
    from hogblock.datasets.names import listed
    from hogblock.datasets.tables import read_features

    wanted, prepares = _wanted(model)
    frame, dialect = read_features(path, Dialect(**given), wanted or ())
    if dialect is not None and str(dialect):
        note(path, f"read with {dialect}")
    if wanted is None:
        if len(frame.columns) != model.n_features_in_:
            raise ValueError(
                f"{path} has {len(frame.columns)} columns, and the model takes "
                f"{model.n_features_in_} features, whose names it does not know"
            )
        return np.column_stack([as_numbers(frame[name]) for name in frame])
    missing = [each for each in wanted if each not in frame.columns]
    if missing:
        raise ValueError(f"{path} lacks the columns {listed(missing)} of the model")
    others = [each for each in frame.columns if each not in wanted]
    if others:
        note(path, f"columns that the model does not know: left out: {listed(others)}")
    X = frame[wanted]
    if prepares:
        return X
    return X.assign(**{each: as_numbers(X[each]) for each in wanted})


def _wanted(model) -> tuple[list[str] | None, bool]:
    """Names of the columns that a model takes, if it knows them; whether it prepares
    them itself."""
    first = model[0] if hasattr(model, "steps") else model
    if hasattr(first, "numbers"):
        return [*first.numbers, *first.words], True
    names = getattr(model, "feature_names_in_", None)
    return (None if names is None else list(names)), False
