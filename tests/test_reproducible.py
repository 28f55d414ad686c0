"""Fits whose bits the seed determines give the bits that were stored for them.

Bits depend on the compiler and on the processor: the hashes are of those in `STORED`.
Elsewhere the fits are only compared with themselves. They are made in processes of
their own, which load no kernel but through an estimator, as those of a user do.
"""

import hashlib
import subprocess
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_name
from sklearn.datasets import load_digits

from hogblock import CNNClassifier, MLPClassifier, MLPRegressor, NetworkClassifier
from hogblock.kernels.cpu.host import ARCHITECTURE, TILE
from hogblock.kernels.cpu.run import run_steps
from hogblock.kernels.cpu.warmup import cache_state
from hogblock.models import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GroupNorm,
    LeakyReLU,
    MaxPool2D,
    Network,
    Residual,
    Tanh,
)
from support.behind import MOST_SECONDS

pytestmark = pytest.mark.timeout(MOST_SECONDS)

HERE = (ARCHITECTURE, TILE.lanes, version("llvmlite").split(".")[1])


def digits():
    X, y = load_digits(return_X_y=True)
    return X, y


def mlp():
    model = MLPClassifier(
        (50, 33), activation="tanh", dropout=0.2, max_iter=4, tol=0, alpha=0.01,
        random_state=7, method="sgd", learning_rate="cosine", early_stopping=True,
    )  # fmt: skip
    return model.fit(*digits())


def cnn():
    X, y = digits()
    model = CNNClassifier(max_iter=2, tol=0, random_state=3, method="sgd", n_jobs=1)
    return model.fit(X.reshape(-1, 8, 8)[:600], y[:600])


def every_layer():
    X, y = digits()
    layers = [
        Conv2D(16, 3, activation="relu"),
        GroupNorm(4),
        LeakyReLU(0.1),
        Residual([Conv2D(16, 3), GroupNorm(2), Tanh()], [DepthwiseConv2D(3)]),
        MaxPool2D(3, 1, "same"),
        AvgPool2D(2),
        Flatten(),
        Dropout(0.1),
        Dense(21, "logistic"),
        Dense(10),
    ]
    network = Network(layers, (8, 8, 1))
    model = NetworkClassifier(
        network, method="sgd", max_iter=2, tol=0, random_state=5, n_jobs=1
    )
    return model.fit(X[:500], y[:500])


def together():
    X, y = digits()
    model = MLPRegressor(
        (40,), activation="logistic", method="sync", n_jobs=2, max_iter=3, tol=0,
        random_state=1, nesterovs_momentum=False, batch_size=48,
    )  # fmt: skip
    return model.fit(X, np.stack([y, X[:, 20]], axis=1).astype(float))


def thinned():
    X, y = digits()
    model = CNNClassifier(max_iter=2, tol=0, random_state=3, learning_rate_init=0.03)
    return model.fit(X.reshape(-1, 8, 8)[:600], y[:600])


FITS = (mlp, cnn, every_layer, together, thinned)

STORED = {
    ("x86_64", 16, "50"): {
        "mlp": "8eca04d58472def91ef27a6ae9457386",
        "cnn": "09c33066196efa9f7c34c053b8c2c462",
        "together": "cc1dc7fa10ca6cbac83c27bde1a840d0",
        "thinned": "3bfa21d8fc25de30504a9d80f33cd641",
    },
}
"""By architecture, float32 in a vector, and minor version of llvmlite."""

STORED_BY_PROCESSOR = {
    "znver4": {"every_layer": "29db0a8da13b679100d2b5ba9e3e6b8d"},
    "rocketlake": {"every_layer": "3420aa5153fee86a4e503d0931cf7dec"},
    "znver5": {"every_layer": "29db0a8da13b679100d2b5ba9e3e6b8d"},
}
"""By processor, as LLVM names it (NUMBA_CPU_NAME compiles for another one): it adds up
in vectors of 256 bits for some that have 512.
"""


def bits_of(model) -> str:
    """Hash of everything that training determines.

    Not of `coefs_`: what folds a scaling into them is a product of NumPy's BLAS, which
    rounds by the processor.
    """
    found = hashlib.sha256()
    for part in (model._params, np.array(model.loss_curve_)):
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:32]


def fits(folder) -> list[dict[str, str]]:
    """Hashes by fit, of two processes, the first of which may have to compile."""
    command = [sys.executable, "-W", "ignore", __file__]
    runs = [
        subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=True
        )
        for seconds in (300, 100)
    ]
    return [dict(map(str.split, run.stdout.splitlines())) for run in runs]


@pytest.mark.behind.with_args(fits)
@pytest.mark.parametrize("fit", FITS, ids=lambda f: f.__name__)
def test_bits(running, fit):
    name, (first, second) = fit.__name__, running[fits].result()
    assert first[name] == second[name]
    stored = first | STORED.get(HERE, {})
    if HERE in STORED:
        stored |= STORED_BY_PROCESSOR.get(get_host_cpu_name(), {})
    assert first[name] == stored[name]


def test_kernels_are_loaded_and_not_compiled_where_they_run(compiled):
    """Code compiled in the process that runs it may round differently."""
    if cache_state(images=False).path is not None:
        assert not run_steps.stats.cache_misses


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for made in FITS:
        print(made.__name__, bits_of(made()))
