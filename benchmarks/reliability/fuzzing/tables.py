"""Files of features and targets to damage: NPZ, separated values, parquet."""

import io
import zipfile
import zlib
from itertools import product
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.reliability.fuzzing import containers, texts
from benchmarks.reliability.fuzzing.arrays import Trap, npz_bytes
from benchmarks.reliability.fuzzing.mutators import ANY
from hogblock import datasets
from hogblock.cli import data
from hogblock.datasets.columns import as_numbers, as_words

MUTATORS = (
    *texts.TEXTS * 3,
    containers.packed,
    *map(containers.within_gzip, (*texts.TEXTS, *ANY)),
    *map(containers.within_zip, texts.TEXTS),
    containers.inflating,
    containers.zip_field,
    containers.zip64,
    containers.zip_members,
)

FOUND = dict.fromkeys(("target", "strict", *data.DIALECT))
"""Options of a table that are not given."""
GIVEN = (
    *({"sep": sep} for sep in (*texts.SEPARATORS[:5], "\u00a7", '"', "\0", "a")),
    *({"encoding": name} for name in ("utf-16", "ascii", "utf-7", "idna", "zlib", "x")),
    *({"decimal": mark, "header": header} for mark, header in product(".,", (0, 1))),
    *({"target": name} for name in ("y", "size", "0", "")),
    {"strict": True},
)


def npz_seeds() -> list[bytes]:
    """X and y of all kinds, rows and images."""
    X, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 3
    pairs = [
        (X, y),
        (X.astype("f4"), y.astype("U2")),
        (np.asfortranarray(X), y + 0.5),
        (np.zeros((12, 4, 4), "u1"), y > 0),
        (np.zeros((12, 4, 4, 3), ">i2"), np.stack([y, y], 1)),
        (X, np.full(12, Trap(), object)),
    ]
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return [npz_bytes({"X": X, "y": y}, m) for (X, y), m in product(pairs, methods)]


def csv_seeds() -> list[bytes]:
    """Texts of all dialects, and a packed one of each kind."""
    plain = texts.tables()
    return [*plain, *plain, *(pack(plain[0]) for pack in containers.PACKERS)]


def parquet_seeds() -> list[bytes]:
    """Of columns of all kinds, packed in several ways."""
    import pandas as pd

    n = 30
    plain = {"a": np.arange(n) / 4, "b": ["red", None, "blue"] * 10, "y": [0, 1] * 15}
    days = pd.date_range("2024-01-01", periods=n)
    odd = {
        "day": days,
        "zone": days.tz_localize("Europe/Berlin"),
        "wide": pd.array([1, None, 3] * 10, "Int64"),
        "kind": pd.Categorical(["x", "y", "z"] * 10),
        "list": [[1, 2], [], None] * 10,
        "dict": [{"k": 1}, {"k": 2}, None] * 10,
        "raw": [b"\0", b"\xff", None] * 10,
        "bool": [True, False, None] * 10,
        "long": ["9" * 30] * n,
        "span": days - days[0],
    }
    found = []
    for columns, packing in (
        (plain, "snappy"),
        (plain, None),
        (plain, "gzip"),
        (odd | plain, "zstd"),
        (odd | plain, None),
        ({"list": odd["list"], "y": odd["dict"]}, None),
    ):
        file = io.BytesIO()
        pd.DataFrame(columns).to_parquet(file, compression=packing)
        found.append(file.getvalue())
    return found


def read(path: Path) -> None:
    """As ``hogblock train`` does, with options that follow from the bytes."""
    random = Random(zlib.crc32(path.read_bytes()))
    options = dict(FOUND)
    if path.suffix == ".csv" and random.random() < 0.3:
        options |= random.choice(GIVEN)
    if random.random() < 0.2:
        _read_strictly(path, options)
    loaded = data.load(str(path), {**options, "task": "auto"})
    assert len(loaded.X) == len(loaded.y) and loaded.X.ndim == 2
    assert loaded.y.dtype.kind in "biufUSOM" and loaded.y.ndim in (1, 2)
    if loaded.about is None:
        return
    for name in loaded.about["numbers"]:
        assert as_numbers(loaded.X[name]).dtype == np.float64
    for name in loaded.about["words"]:
        assert len(as_words(loaded.X[name])) == len(loaded.X)


def _read_strictly(path: Path, options: dict) -> None:
    """What is strictly a table is one in the other way, too."""
    if path.suffix == ".npz":
        X, y = datasets.read_npz(path)
        assert not X.dtype.hasobject and not y.dtype.hasobject
        return
    given = {name: options[name] for name in ("target", *data.DIALECT)}
    try:
        X, y = datasets.read_table(path, **given)
    except ValueError as error:
        assert str(path) in str(error)
        return
    assert X.dtypes.eq(np.float64).all() and len(X) == len(y)
    assert not X.isna().any(axis=None)
