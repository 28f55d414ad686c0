"""Full-size networks through the CUDA kernels as ``typed_cuda`` compiles them.

Run as a script, since it replaces modules: prints errors against the float64 twins and
against the CPU engine, as JSON.
"""
# ruff: noqa: E402

import os

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"  # device arrays are NumPy's

import json
import sys
from contextlib import contextmanager
from functools import partial

import numpy as np

from support import naive, typed_cuda

typed_cuda.install()
sys.modules["hogblock.kernels.cuda.jit"].SIMULATED = True

from hogblock import Augmentation, CNNClassifier, Cuda, MLPClassifier
from hogblock.datasets import load_digits_images
from hogblock.kernels.cuda import job, launch, products
from hogblock.kernels.cuda.program import RunInputs, Shape, make_program
from hogblock.methods import SGD
from hogblock.models import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GroupNorm,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
)
from hogblock.models.plan import make_plan
from hogblock.models.ready import lenet5
from support.passes import random_biases, round_kernels

BLOCKS, THREADS = 8, 256
"""Of the teams whose tiles are taken, though one thread runs them."""

NETWORKS = {
    "mlp": Network([Dense(256, "relu"), Dense(128, "relu"), Dense(10)], (784,)),
    "lenet5": lenet5((28, 28, 1), 10),
    "everything": Network(
        [
            Conv2D(20, 5, stride=2, activation="relu"),
            GroupNorm(4),
            DepthwiseConv2D(3, activation="gelu"),
            AvgPool2D(3, 2, "same"),
            Conv2D(33, 3, stride=(2, 1), padding="valid"),
            ReLU(),
            MaxPool2D(3, 2, "same"),
            Residual([Conv2D(33, 1)]),
            Flatten(),
            Dense(300, "tanh"),
            Dense(70, "silu"),
            Dense(11),
        ],
        (37, 29, 3),
    ),
}


@contextmanager
def tiles_of_a_team():
    """Take the tiles that a card's blocks would have."""
    chosen = products.choose_tile, products.choose_split
    for name, choose in zip(("choose_tile", "choose_split"), chosen, strict=True):
        team = partial(lambda f, m, n, k, *_: f(m, n, k, BLOCKS, THREADS), choose)
        setattr(products, name, team)
    yield
    products.choose_tile, products.choose_split = chosen


def _launch(self, name, blocks, threads, shared, arguments, stream=0):
    typed_cuda.SHARED[:] = np.nan
    launch.KERNELS[name](*arguments)


def _inputs(network, samples):
    header = {
        job.BATCHES: 1, job.SAMPLES: samples, job.STEPS: 1, job.STATIC: 1,
        job.FEATURES: int(np.prod(network.input_shape)), job.STORAGE: 2,
        job.RATE_POINTS: 1, job.PARAMETERS: network.size,
    }  # fmt: skip
    features = header[job.FEATURES]
    return RunInputs(
        header=header,
        stretches=[(0, False, [0])],
        team_plans=np.zeros((1, 1), int),
        writes=np.ones((1, 1), int),
        keys=np.zeros((1, 2), np.uint32),
        team_keys=np.zeros(1, np.uint32),
        augment=np.zeros(6, int),
        rates=np.ones(1, np.float32),
        shift=np.full(features, 100, np.float32),
        scale=np.full(features, 1 / 64, np.float32),
        momentum=0.5,
        decay=0.0,
    )


def gradient_error(network, batch=32, samples=29):
    """Largest errors of the loss and of a layer's gradient, a short minibatch of bytes.

    The velocity after a first step is the gradient.
    """
    random = np.random.default_rng(0)
    params = network.initialise(np.random.RandomState(0))
    random_biases(network, params, random)
    round_kernels(network, params, random)
    x = random.integers(0, 256, (samples, *network.input_shape)).astype(np.uint8)
    y = random.integers(0, network.output_shape[0], samples).astype(np.int32)
    plan = make_plan(network, batch, "softmax")
    program = make_program([plan], Shape(1, 1, 1), batch, _inputs(network, samples))
    velocity, record = np.zeros(network.size, np.float32), np.zeros(4, np.float32)
    work = np.zeros(program.work_size, np.float32)
    arguments = (
        program.table, program.reals, params.copy(), velocity, work, x.ravel(), y,
        np.zeros(1, np.float32), program.initial_words(), record, np.int32(1),
    )  # fmt: skip
    _launch(None, "train", 1, 1, 0, arguments)
    scaled = (x - 100.0) / 64
    loss, expected = naive.network_gradient(network, params, scaled, y, "softmax")
    errors = []
    for tensor in network.tensors:
        layer = network.tensors_of(tensor.layer)
        size = max(np.abs(t.view(expected)).max() for t in layer)
        difference = np.abs(tensor.view(velocity) - tensor.view(expected)).max()
        errors.append(difference / size)
    return abs(record[0] / samples / loss - 1), max(errors)


def fit_error(make, flat=False, **options):
    """Largest relative difference of weights from those that the CPU engine learns."""
    options = {"method": "sgd"} | options
    digits = load_digits_images()
    X, y = digits.data[:300], digits.target[:300]
    X = X.reshape(len(X), -1) if flat else X
    on_cpu = make(random_state=0, **options).fit(X, y)
    device = Cuda(threads=1)
    there = make(random_state=0, device=device, **options).fit(X, y)
    pairs = zip(on_cpu.coefs_, there.coefs_, strict=True)
    return max(np.abs(a - b).max() / np.abs(a).max() for a, b in pairs)


def main():
    """Print what was found."""
    found = {}
    with tiles_of_a_team():
        for name, network in NETWORKS.items():
            found[name] = gradient_error(network)
    launch.Launcher.launch = _launch
    planned = dict(learning_rate="cosine", learning_rate_init=0.02, max_iter=3)
    found["fit mlp"] = fit_error(
        MLPClassifier, hidden_layer_sizes=(64, 33), dropout=0.3, flat=True, **planned
    )
    found["fit thinned"] = fit_error(
        MLPClassifier, hidden_layer_sizes=(64, 33), method=SGD(thinning=1.2),
        flat=True, **planned,
    )  # fmt: skip
    found["fit cnn"] = fit_error(
        CNNClassifier,
        conv_layers=((6, 3),),
        hidden_layer_sizes=16,
        batch_size=32,
        augmentation=Augmentation(pad=1, flip=True, cutout=2),
        **planned,
    )
    print(json.dumps(found, default=float))


if __name__ == "__main__":
    main()
