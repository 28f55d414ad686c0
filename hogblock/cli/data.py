"""What ``hogblock train`` trains on: built-in sets, files, and the test part."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hogblock.cli.output import note

if TYPE_CHECKING:
    from hogblock.datasets.tables import Table


class BuiltIn(NamedTuple):
    """A data set that has a name.

    Attributes
    ----------
    task : {"classification", "regression"}
    loader : str
        "module:function"; it returns a Bunch of data and target, and where there is a
        test set of its own, of data_test and target_test. Imported when it is wanted.
    image_shape : (height, width, channels), default=None
        Of sets of images; the loader's own counts where it gives one.
    """

    task: str
    loader: str
    image_shape: tuple[int, int, int] | None = None


BUILT_IN = {
    "fashion-mnist": BuiltIn(
        "classification", "hogblock.datasets:load_fashion_mnist", (28, 28, 1)
    ),
    "digits": BuiltIn("classification", "sklearn.datasets:load_digits", (8, 8, 1)),
    "cifar-10": BuiltIn(
        "classification", "hogblock.datasets:load_cifar10", (32, 32, 3)
    ),
    "iris": BuiltIn("classification", "sklearn.datasets:load_iris"),
    "wine": BuiltIn("classification", "sklearn.datasets:load_wine"),
    "breast-cancer": BuiltIn("classification", "sklearn.datasets:load_breast_cancer"),
    "diabetes": BuiltIn("regression", "sklearn.datasets:load_diabetes"),
}
"""To add a data set, write its loader, and a row here."""
TEXTS = (".csv", ".tsv", ".txt")
TABLES = (*TEXTS, ".parquet")
PACKED = (".gz", ".bz2", ".xz", ".zip")
"""May follow the suffix of a text."""
MOST_CLASSES = 50
"""A target of more distinct numbers than this is taken for a regression's."""
DIALECT = ("sep", "decimal", "encoding", "header")
"""Options that say how a text is written."""


class Loaded(NamedTuple):
    """What to train on; without a test set of its own, a part is split off.

    X and X_test are rows; `image_shape` is (height, width, channels) of rows of pixels.
    `preparation` is a pipeline that makes numbers of X, None where they are; if X is
    `complete`, it only leaves columns out. `about` is what a file turned out to be, for
    the report.
    """

    X: Any
    y: np.ndarray
    task: str
    X_test: Any = None
    y_test: np.ndarray | None = None
    image_shape: tuple[int, int, int] | None = None
    preparation: Any = None
    about: dict | None = None
    complete: bool = True


def load(name: str, options: dict[str, Any]) -> Loaded:
    """Data from the name of a data set or of a file.

    Parameters
    ----------
    name : str
    options : dict
        "task", "target", "strict" and those of `DIALECT`; None where they are not
        given.
    """
    suffix = suffix_of(name)
    is_text, is_table = suffix in TEXTS, suffix in TABLES and name not in BUILT_IN
    for option in ("target", "strict"):
        refuse(options, option, is_table, "tables", TABLES, name)
    for option in DIALECT:
        refuse(options, option, is_text, "tables of text", TEXTS, name)
    if name in BUILT_IN:
        data = _load_built_in(name)
    elif not is_table and suffix != ".npz":
        raise ValueError(
            f"{name!r} is neither a data set ({', '.join(BUILT_IN)}) nor a file "
            f"{', '.join(TABLES)} or .npz"
        )
    elif not Path(name).is_file():
        raise FileNotFoundError(f"there is no file {name}")
    elif is_table:
        data = _load_table(name, options)
    else:
        from hogblock.datasets import read_npz

        X, y = read_npz(name)
        _check_arrays(name, X, y)
        shape = _image_shape_of(X)
        data = Loaded(rows_of(X) if shape else X, y, task_of(y), image_shape=shape)
    task = options["task"]
    return data if task == "auto" else data._replace(task=task)


def suffix_of(name: str) -> str:
    """Last suffix in lower case, but for that of a packed file."""
    suffixes = [s.lower() for s in Path(name).suffixes]
    if len(suffixes) > 1 and suffixes[-1] in PACKED and suffixes[-2] in TEXTS:
        return suffixes[-2]
    return suffixes[-1] if suffixes else ""


def refuse(
    options, option: str, fits: bool, wanted: str, suffixes: Sequence[str], name: str
) -> None:
    """Refuse an option that was given, unless it fits the data of this name."""
    if not fits and options[option] is not None:
        raise ValueError(
            f"--{option} is for {wanted} ({', '.join(suffixes)}), not for {name}"
        )


def _load_table(name: str, options: dict[str, Any]) -> Loaded:
    from hogblock.datasets.dialects import Dialect
    from hogblock.datasets.tables import load_table

    given = Dialect(**{option: options[option] for option in DIALECT})
    table = load_table(name, options["target"], given, strict=bool(options["strict"]))
    dialect = table.dialect
    if dialect is not None and str(dialect):
        note(name, f"read with {dialect}")
    about = {"numbers": table.numbers, "words": table.words}
    if dialect is not None:
        about |= vars(dialect)
    return Loaded(
        table.X,
        table.y,
        task_of(table.y),
        preparation=_preparation(name, table),
        about=about,
        complete=table.complete,
    )


def _preparation(name: str, table: "Table"):
    """A pipeline that makes complete numbers of the table's X, None if they are."""
    if table.complete and not table.left_out:
        return None
    from hogblock.datasets.columns import make_preparation
    from hogblock.datasets.names import listed

    gaps = [c for c in table.numbers if not _is_complete(table.X[c])]
    done = []
    if gaps:
        done.append(f"missing numbers become the median: {listed(gaps)}")
    if table.words:
        done.append(f"words become a feature each: {listed(table.words)}")
    if done:
        note(name, "; ".join(done))
    return make_preparation(table.numbers, table.words)


def _is_complete(column) -> bool:
    from hogblock.datasets.columns import as_numbers

    return not np.isnan(as_numbers(column)).any()


def _load_built_in(name: str) -> Loaded:
    known = BUILT_IN[name]
    module, _, function = known.loader.partition(":")
    loaded = getattr(import_module(module), function)()
    X_test = loaded.get("data_test")
    return Loaded(
        rows_of(loaded.data),
        loaded.target,
        known.task,
        None if X_test is None else rows_of(X_test),
        loaded.get("target_test"),
        loaded.get("image_shape", known.image_shape),
    )


def _check_arrays(name: str, X: np.ndarray, y: np.ndarray) -> None:
    """Refuse what is no data to train on, whatever the model."""
    if X.dtype.kind not in "biuf" or not 2 <= X.ndim <= 4 or not X.size:
        raise ValueError(
            f"X in {name} is {X.dtype} of shape {X.shape}, and must be numbers of "
            "shape (n, features), (n, height, width) or (n, height, width, channels)"
        )
    if y.dtype.kind not in "biufUS" or y.ndim not in (1, 2) or len(y) != len(X):
        raise ValueError(
            f"y in {name} is {y.dtype} of shape {y.shape}, and must be numbers or "
            f"texts of shape ({len(X)},) or ({len(X)}, outputs): X has {len(X)} rows"
        )


def _image_shape_of(X) -> tuple[int, int, int] | None:
    """Height, width and channels of an array of images, None for rows."""
    return (*X.shape[1:], 1)[:3] if X.ndim in (3, 4) else None


def rows_of(images: np.ndarray) -> np.ndarray:
    """A row a sample, whatever its shape."""
    return images.reshape(len(images), -1)


def task_of(y: np.ndarray) -> str:
    """Regression for numbers that are not whole, or of many values."""
    if y.dtype.kind not in "fiu":
        return "classification"
    values = np.unique(y)
    few = values.size <= (2 if y.ndim > 1 else MOST_CLASSES)
    whole = bool(np.all(values == np.round(values)))
    return "classification" if few and whole else "regression"


def split(data: Loaded, fraction: float, seed: int | None) -> Loaded:
    """The data with a test part set aside, by class where there are classes."""
    from sklearn.model_selection import train_test_split

    by_class = data.task == "classification" and data.y.ndim == 1
    counts = np.unique(data.y, return_counts=True)[1] if by_class else ()
    rarest = min(counts, default=0)
    X, X_test, y, y_test = train_test_split(
        data.X,
        data.y,
        test_size=fraction,
        random_state=seed,
        stratify=data.y if rarest * min(fraction, 1 - fraction) >= 1 else None,
    )
    return data._replace(X=X, y=y, X_test=X_test, y_test=y_test)


def prepare(data: Loaded) -> Loaded:
    """Numbers instead of the columns of a table; `preparation` is fitted then."""
    if data.preparation is None:
        return data
    X = data.preparation.fit_transform(data.X, data.y)
    return data._replace(X=X, X_test=data.preparation.transform(data.X_test))
