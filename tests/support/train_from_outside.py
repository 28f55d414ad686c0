"""Train a network of what ``outside`` adds; prints parameters and losses as JSON.

A script: the rows have to be in their tables before the kernels are compiled, and what
is compiled then belongs into a cache of its own, in the current folder.
"""

import json
import os

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
os.environ["NUMBA_CACHE_DIR"] = os.path.abspath("kernels_from_outside")

import numpy as np

from support import outside

outside.register()

from hogblock.kernels.cpu import warmup  # noqa: E402
from hogblock.models import Dense, Network  # noqa: E402
from hogblock.training.settings import TrainingData  # noqa: E402
from support import cuda_runs as runs  # noqa: E402
from support import numerical  # noqa: E402
from support.simulated import simulation  # noqa: E402

# Kernels are compiled in another process, which would not know of what is added.
warmup._compile_elsewhere = lambda images: None

NETWORK = Network([Dense(6, "softsign"), outside.Gate(), Dense(2)], (runs.FEATURES,))
TARGETS = runs.RANDOM.normal(size=(runs.N, 2)).astype(np.float32)
DATA = TrainingData(runs.X, TARGETS.ravel(), runs.NONE, runs.NONE, runs.NONE)
SETTINGS = runs.settings(loss="log_cosh", shuffle=False)


def outputs(params, x):
    """The network in float64."""
    w, b, gate, w_out, b_out = (t.view(params) for t in NETWORK.tensors)
    hidden = x @ w + b[0]
    return hidden / (1 + abs(hidden)) * gate[0] @ w_out + b_out[0]


def losses(found, targets):
    return np.log(np.cosh(found - targets)).mean(1)


def shown(result):
    return {"params": np.asarray(result.params).tolist(), "losses": result.losses}


if __name__ == "__main__":
    done = {"cpu": shown(runs.on_host(SETTINGS, network=NETWORK, data=DATA))}
    with simulation():
        done["cuda"] = shown(runs.fit(SETTINGS, network=NETWORK, data=DATA))
    done["twin"] = numerical.train(
        NETWORK, SETTINGS, outputs, losses, runs.start(NETWORK), runs.X, TARGETS
    )._asdict()
    done["start"] = runs.start(NETWORK).tolist()
    done["tensors"] = [(t.offset, t.offset + t.size) for t in NETWORK.tensors]
    print(json.dumps(done))
