"""Peers of the convolutional benchmark: PyTorch and JAX on a CPU.

Every peer trains the same networks (`problems.CONVNETS`: "conv16-32", "lenet5" and
"resnet8"; softmax cross-entropy, float32, SGD with Nesterov's momentum 0.9) from the
same weights. "resnet8" sees random images: only its speed is measured. See sides.py
for what is measured::

    python -m benchmarks.peers.cnn_peers torch-2t-nhwc throughput --network lenet5
    python -m benchmarks.peers.cnn_peers jax-scan train --lr 0.02,0.05 --seed 0,1

PyTorch runs in all its modes: eager or compiled, with 1 or 2 threads, images as NCHW or
as NHWC (``channels_last``), and as Hogwild. Each run prints a line of JSON (``train``:
per combination of learning rate and seed), with the reason if the peer is not
available. Peers drop an epoch's incomplete batch.
"""

from functools import partial
from itertools import product

from benchmarks.peers.sides import command_line
from benchmarks.problems import CONVNETS, Conv, Convnet, Dense, pool

THREADS = (1, 2)
LAYOUTS = ("nchw", "nhwc")
KINDS = {"torch": "TorchEager", "torch-compile": "TorchCompiled"}
HOGWILD_LAYOUT = "nhwc"


def torch_peer(problem, *data, kind, layout, **options):
    """Build a side of torch_sides.py; only its process imports PyTorch."""
    from benchmarks import torch_networks
    from benchmarks.peers import torch_sides

    is_chain = isinstance(problem, Convnet)
    model = torch_networks.Convnet if is_chain else torch_networks.Resnet8
    return getattr(torch_sides, kind)(model(problem, layout), *data, **options)


def jax_scan(problem, *data):
    """Build JAX's side; only its process imports JAX."""
    import jax
    import jax.numpy as jnp

    from benchmarks.peers.jax_side import JaxScan

    if not isinstance(problem, Convnet):
        raise ValueError("this network is not written in JAX")

    def convolve(x, w, padding):
        # XLA's own convolutions have slow gradients on a CPU: windows and a product
        # are several times faster.
        k = len(w)
        if padding == "same":
            x = jnp.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
        height, width = x.shape[1] - k + 1, x.shape[2] - k + 1
        shifts = product(range(k), repeat=2)
        windows = [x[:, i : i + height, j : j + width] for i, j in shifts]
        return jnp.concatenate(windows, -1) @ w.reshape(-1, w.shape[3])

    def outputs(params, x):
        left = iter(params)
        x = x.reshape(-1, *problem.shape)
        for layer in problem.layers:
            match layer:
                case Conv(_, _, padding):
                    x = pool(convolve(x, next(left), padding) + next(left))
                case Dense():
                    x = x.reshape(len(x), -1) @ next(left) + next(left)
            if layer.relu:
                x = jax.nn.relu(x)
        return x

    return JaxScan(outputs, problem, *data)


MODES = {
    f"{name}-{threads}t-{layout}": partial(
        torch_peer, kind=kind, layout=layout, threads=threads
    )
    for (name, kind), threads, layout in product(KINDS.items(), THREADS, LAYOUTS)
}
PEERS = MODES | {
    "torch-hogwild-2p": partial(torch_peer, kind="TorchHogwild", layout=HOGWILD_LAYOUT),
    "jax-scan": jax_scan,
}


if __name__ == "__main__":
    command_line(PEERS, CONVNETS)
