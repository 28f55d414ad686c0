"""Convolution kernels on one core: hogblock beside PyTorch and the tile's own peak.

For every shape: forward pass, weight gradient and input gradient of a minibatch, each
alone, as GF/s: median of the repeats and their spread. All sides take turns, in one
process, and so does the register tile itself on operands that stay in the first-level
cache. PyTorch is measured with one thread, images as NCHW and as NHWC
(``channels_last``); the better of the two counts.

Operations are those of a direct convolution, 2 a tap, taps on the border of zeros
included, whatever a side makes of it: one that needs fewer, as Winograd's does, may be
faster than the tile.

hogblock's kernels read images as they lie in training: raw where the layer is a
network's first (1 or 3 channels), else with pixels padded to whole cache lines. No
network needs the input gradient of its first layer; it is measured all the same.

    python -m benchmarks.kernels.convolutions
    python -m benchmarks.kernels.convolutions --kernels forward --repeats 5

Prints a table (Markdown), writes a record (see record.py) and a picture beside it.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from numba import njit

from benchmarks import record
from hogblock.engines.cpu.memory import private_floats
from hogblock.kernels import ops as op
from hogblock.kernels.cpu.image_ops import image_op_address
from hogblock.kernels.cpu.lowering import lower_plans
from hogblock.kernels.cpu.memory import call_operation
from hogblock.kernels.cpu.tile import ROWS, WIDE, activate_wide
from hogblock.models import Conv2D, Flatten, Network
from hogblock.models.plan import make_plan

BATCH = 64
REPEATS = 9
SECONDS = 0.02  # of one measurement
PEAK_DEPTH = 64  # K of the tile's peak: its operands take 10 kB at most
PEAK_TILES = 1000
FIRST_LAYER_CHANNELS = (1, 3)
CODES = {
    "forward": op.CONV_FORWARD,
    "weight gradient": op.CONV_UPDATE,
    "input gradient": op.CONV_INPUT_GRADIENT,
}
GRADIENT_MASKS = {  # of input, weight and bias
    "weight gradient": [False, True, False],
    "input gradient": [True, False, False],
}


class Shape(NamedTuple):
    """A convolution of square images."""

    size: int
    channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    padding: str = "same"

    @property
    def out_size(self):
        """Height and width of the output."""
        lost = 0 if self.padding == "same" else self.kernel - 1
        return -(-(self.size - lost) // self.stride)

    @property
    def operations(self):
        """Floating-point operations of one kernel on a minibatch."""
        taps = self.kernel**2 * self.channels * self.out_channels
        return 2 * BATCH * self.out_size**2 * taps

    def __str__(self):
        text = f"{self.size}x{self.size}x{self.channels}->{self.out_channels} "
        text += f"{self.kernel}x{self.kernel}"
        text += " valid" if self.padding == "valid" else ""
        return text + (f" stride {self.stride}" if self.stride > 1 else "")


SHAPES = (
    Shape(28, 1, 16, 3),
    Shape(28, 1, 6, 5),
    Shape(14, 16, 32, 3),
    Shape(14, 6, 16, 5, padding="valid"),
    Shape(32, 3, 16, 3),
    Shape(32, 16, 16, 3),
    Shape(32, 16, 32, 3, stride=2),
    Shape(16, 32, 32, 3),
    Shape(8, 64, 64, 3),
    Shape(32, 16, 32, 1, stride=2),
)


@njit(nogil=True)
def repeat_op(count, image_op, row, reals, params, work, zeros, gradient):
    """Run one operation of a plan `count` times; all others are addresses."""
    for _ in range(count):
        call_operation(
            image_op, row, reals, params, work, zeros, BATCH, 1, 0, 0, gradient
        )


def plan_of(shape, kernel):
    """Lowered plan of a network around this convolution, and the network."""
    conv = Conv2D(shape.out_channels, shape.kernel, shape.stride, shape.padding)
    # A layer below pads the pixels, and makes the input gradient wanted.
    first = shape.channels in FIRST_LAYER_CHANNELS and kernel != "input gradient"
    below = [] if first else [Conv2D(shape.channels, 1)]
    layers = [*below, conv, Flatten()]
    network = Network(layers, (shape.size, shape.size, shape.channels))
    return lower_plans([make_plan(network, BATCH, "squared_error")]), network


def hogblock(shape, kernel):
    """Prepare hogblock's kernel.

    Parameters
    ----------
    shape : Shape
    kernel : str
        Key of `CODES`.

    Returns
    -------
    callable
        ``run(count)`` runs it `count` times.
    """
    lowered, network = plan_of(shape, kernel)
    plan = lowered.plans[0]
    rows = np.flatnonzero(plan.ops[:, op.CODE] == CODES[kernel])
    # The layer below comes first in the forward pass, last in the backward pass.
    at = rows[-1 if kernel == "forward" else 0]
    row = plan.ops[at]
    rng = np.random.default_rng(0)
    size = network.size
    space = private_floats(  # on cache lines, as in training
        params=size, gradient=size, work=lowered.work_size, zeros=lowered.zeros_size
    )
    params, gradient, work, zeros = space.values()
    params[:] = rng.uniform(-0.1, 0.1, size)
    for start, width in ((op.X, op.X_ROW), (op.DY, op.Y_ROW)):
        size = BATCH * row[width]
        work[row[start] : row[start] + size] = rng.uniform(-1, 1, size)
    image_op, reals = image_op_address(), plan.reals[at]

    def run(count):
        arrays = row, reals, params, work, zeros, gradient[row[op.W] :]
        repeat_op(count, image_op, *(array.ctypes.data for array in arrays))

    return run


def pytorch(layout, shape, kernel):
    """Prepare PyTorch's kernel, see `hogblock`; `layout` is "nchw" or "nhwc"."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format

    def tensor(*size):
        return torch.randn(*size).contiguous(memory_format=memory)

    x = tensor(BATCH, shape.channels, shape.size, shape.size)
    dy = tensor(BATCH, shape.out_channels, shape.out_size, shape.out_size)
    w = tensor(shape.out_channels, shape.channels, shape.kernel, shape.kernel)
    b = torch.randn(shape.out_channels)
    around = shape.kernel // 2 if shape.padding == "same" else 0
    stride, padding, one = ([n, n] for n in (shape.stride, around, 1))

    def forward():
        torch.nn.functional.conv2d(x, w, b, stride, padding)

    def backward():
        mask = GRADIENT_MASKS[kernel]
        torch.ops.aten.convolution_backward(
            dy, x, w, None, stride, padding, one, False, [0, 0], 1, mask
        )

    def run(count):
        call = forward if kernel == "forward" else backward
        with torch.no_grad():
            for _ in range(count):
                call()

    return run


@njit(nogil=True)
def repeat_tile(count, a, b, zeros, out):
    """Run the tile `count` times `PEAK_TILES` times, on one set of operands."""
    for _ in range(count * PEAK_TILES):
        activate_wide(
            a, PEAK_DEPTH, 0, 1, b, 0, WIDE, zeros, 0, 1, PEAK_DEPTH, ROWS,
            out, WIDE, op.LINEAR, np.float32(1),
        )  # fmt: skip


def tile():
    """Prepare `PEAK_TILES` runs of the register tile alone, see `hogblock`."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, ROWS * PEAK_DEPTH).astype(np.float32)
    b = rng.uniform(-1, 1, PEAK_DEPTH * WIDE).astype(np.float32)
    zeros, out = np.zeros(WIDE, np.float32), np.zeros(ROWS * WIDE, np.float32)

    def run(count):
        arrays = a, b, zeros, out
        repeat_tile(count, *(array.ctypes.data for array in arrays))

    return run


TILE_OPERATIONS = 2 * PEAK_TILES * ROWS * WIDE * PEAK_DEPTH
SIDES = {
    "hogblock": hogblock,
    "torch nchw": partial(pytorch, "nchw"),
    "torch nhwc": partial(pytorch, "nhwc"),
}


def seconds(run, count):
    """Seconds that ``run(count)`` takes."""
    start = time.perf_counter()
    run(count)
    return time.perf_counter() - start


def available(sides):
    """Sides whose packages are installed; the others are named."""
    found = {}
    for name, make in sides.items():
        try:
            make(SHAPES[0], "forward")
        except ImportError as error:
            print(f"{name}: not available ({error})")
        else:
            found[name] = make
    return found


def measure(sides, shape, kernel, repeats):
    """{side: GF/s of every repeat}, with that of the tile."""
    runs = {name: make(shape, kernel) for name, make in sides.items()}
    runs["tile"] = tile()
    counts = {}
    for name, run in runs.items():
        run(1)
        counts[name] = max(1, round(SECONDS / seconds(run, 1)))
    rates = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            one = TILE_OPERATIONS if name == "tile" else shape.operations
            work = counts[name] * one
            rates[name].append(work / seconds(run, counts[name]) / 1e9)
    return rates


def best_of_torch(rates):
    """PyTorch's better layout, or None."""
    names = [name for name in rates if name.startswith("torch")]
    return max(names, key=lambda name: median(rates[name]), default=None)


def table_rows(table):
    """Markdown rows: median and spread of GF/s, and hogblock's over the others'."""
    yield "| shape | kernel | hogblock | PyTorch | tile | of PyTorch | of the tile |"
    yield "|---" * 7 + "|"
    for (shape, kernel), rates in table.items():
        peer = best_of_torch(rates)
        theirs = f"{spread(rates[peer])} {peer.split()[1]}" if peer else "-"
        of_theirs = f"{ratio(rates, peer):.2f}" if peer else "-"
        yield (
            f"| {shape} | {kernel} | {spread(rates['hogblock'])} | {theirs} | "
            f"{spread(rates['tile'])} | {of_theirs} | {ratio(rates, 'tile'):.2f} |"
        )


def spread(rates):
    """Median, lowest and highest."""
    return f"{median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})"


def ratio(rates, side):
    """hogblock's rate over a side's: median over the repeats.

    The two of a repeat are a moment apart, and see the same load of the machine.
    """
    pairs = zip(rates["hogblock"], rates[side], strict=True)
    return median(own / other for own, other in pairs)


def draw(table, path):
    """A panel for each kernel: GF/s by shape."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    kernels = list(dict.fromkeys(kernel for _, kernel in table))
    figure = Figure(figsize=(4.5 * len(kernels), 5), layout="constrained")
    panels = figure.subplots(1, len(kernels), squeeze=False, sharey=True)[0]
    for axes, kernel in zip(panels, kernels, strict=True):
        draw_kernel(axes, {s: rates for (s, k), rates in table.items() if k == kernel})
        axes.set(xlabel="GF/s", title=kernel)
    panels[0].invert_yaxis()
    panels[0].legend()
    figure.savefig(path, dpi=120)


def draw_kernel(axes, by_shape):
    """Bars of GF/s by shape, and the tile's peak as a line."""
    place = np.arange(len(by_shape))
    chosen = {"hogblock": lambda rates: "hogblock", "PyTorch": best_of_torch}
    for k, (label, choose) in enumerate(chosen.items()):
        names = [choose(rates) for rates in by_shape.values()]
        pairs = zip(by_shape.values(), names, strict=True)
        values = [median(rates[name]) if name else 0 for rates, name in pairs]
        axes.barh(place + 0.4 * (k - 0.5), values, 0.38, label=label)
    peak = median(rate for rates in by_shape.values() for rate in rates["tile"])
    axes.axvline(peak, color="grey", linewidth=0.8, label="tile")
    axes.set_yticks(place, list(map(str, by_shape)))


def write(table, options):
    """Write the record; returns its path."""
    cases = [
        ({"shape": str(shape), "kernel": kernel}, rates)
        for (shape, kernel), rates in table.items()
    ]
    figures = [
        case | {side: record.spread(values) for side, values in rates.items()}
        for case, rates in cases
    ]
    return record.write(
        options.out,
        "convolutions",
        {"batch": BATCH, "repeats": options.repeats, "seconds_a_repeat": SECONDS},
        {"gflops": figures},
        (*record.PACKAGES, "torch"),
        measured=[case | rates for case, rates in cases],
    )


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", default=",".join(CODES))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    sides, table = available(SIDES), {}
    for shape in SHAPES:
        for kernel in options.kernels.split(","):
            table[shape, kernel] = measure(sides, shape, kernel, options.repeats)
    print("\n".join(table_rows(table)))
    path = write(table, options)
    draw(table, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
