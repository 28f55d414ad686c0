"""Saved models and checkpoints to damage."""

import json
import warnings
import zlib
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.reliability.fuzzing.mutators import EXTREMES
from hogblock import CNNClassifier, MLPClassifier, MLPRegressor, load_model, save_model
from hogblock.saving.checkpoint import Checkpoint

EPOCHS = 4
WORDS = ("", "float64", "F32", "$", "../x", "os:system", "\ud800", "0" * 300, "-1")
LENGTH = 8
"""Bytes of the length of the header, in front of it."""


@cache
def _data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(24, 4))
    return x, np.array(["b", "a"])[(x[:, 0] > 0).astype(int)]


def _classifier(**changes) -> MLPClassifier:
    values = dict(hidden_layer_sizes=(3,), random_state=0, learning_rate="cosine")
    return MLPClassifier(**(values | dict(batch_size=8, max_iter=EPOCHS) | changes))


def seeds() -> list[bytes]:
    """Of a classifier, a regressor and a network of images."""
    x, y = _data()
    images = np.random.default_rng(1).integers(0, 256, (12, 4, 4), np.uint8)
    models = [
        _classifier().fit(x, y),
        MLPRegressor((2,), max_iter=2, learning_rate="cosine").fit(x, x[:, :2]),
        CNNClassifier(((2, 3),), max_iter=1, learning_rate="cosine").fit(
            images, np.arange(12) % 3
        ),
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        return [save_model(model, path) or path.read_bytes() for model in models]


def checkpoint_seeds() -> list[bytes]:
    """In the middle of a fit, and at its end; with and without a validation set."""
    found = []
    for changes in (dict(), dict(early_stopping=True, n_iter_no_change=10)):
        with TemporaryDirectory() as folder:
            _classifier(checkpoint=folder, **changes).fit(*_data())
            paths = sorted(Path(folder).glob("epoch-*"))
            found += [path.read_bytes() for path in paths]
    return found


def read(path: Path) -> None:
    """Load it; what can be loaded predicts."""
    model = load_model(path)
    n = getattr(model, "n_features_in_", None)
    if n is None:
        return
    assert n <= 1000
    with np.errstate(all="ignore"):
        predicted = model.predict(np.zeros((2, n)))
    assert len(predicted) == 2


def read_checkpoint(path: Path) -> None:
    """Read it; what can be read is gone on from, or refused."""
    found = Checkpoint.read(path)
    assert found.state.epochs >= 0
    early = found.followed["scores"] != []
    changes = dict(early_stopping=True, n_iter_no_change=10) if early else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _classifier(checkpoint=path.parent, resume=True, **changes)
        model.fit(*_data())
    assert model.n_iter_ == len(model.loss_curve_)


def header(raw: bytes, random: Random) -> bytes:
    """A value of the header, or of the JSON text within it, is another one."""
    size = int.from_bytes(raw[:LENGTH], "little")
    try:
        outer = json.loads(raw[LENGTH : LENGTH + size])
        inner = json.loads(outer["__metadata__"]["hogblock"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return raw
    if random.random() < 0.7:
        inner = json.dumps(_changed(inner, random))
        right = {"hogblock": inner, "crc32": str(zlib.crc32(inner.encode()))}
        outer["__metadata__"] |= right  # or nothing behind the checksum is reached
    else:
        outer = _changed(outer, random)
    text = json.dumps(outer).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(LENGTH, "little") + text + raw[LENGTH + size :]


def _changed(value, random: Random):
    """The same tree with one node that is another, is gone, or is there twice."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        way = random.random()
        if way < 0.1:
            return {k: v for k, v in value.items() if k != name}
        if way < 0.2:
            return value | {random.choice(WORDS): value[name]}
        return value | {name: _changed(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        way = random.random()
        if way < 0.1:
            return value[:at] + value[at + 1 :]
        if way < 0.2:
            return value[:at] + value
        return [*value[:at], _changed(value[at], random), *value[at + 1 :]]
    return random.choice(
        (None, True, -1, 0.5, 1e308, [], {}, [value], {"$": value}, value)
        + (random.choice(EXTREMES), random.choice(WORDS), [[[[value]]]])
    )


MUTATORS = (header, header, header)
