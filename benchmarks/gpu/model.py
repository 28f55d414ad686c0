"""What a training step costs on a card, counted from a network's plan.

`phases` counts each row of a plan (``hogblock.models.plan``): operations of its
products (2 a multiply-add; a convolution counts as a plain one, taps on the border
included), and the floats that it reads and writes. `predict` turns that into seconds
for G workers of S blocks. Every figure that comes out is a prediction: no card is
asked.

Assumptions
-----------
- Blocks have 256 threads; two fit on a multiprocessor, and G * S are resident. A team
  has the share S / max(G * S, multiprocessors) of the card's arithmetic and of its L2
  cache's rate: it never gets more than its own multiprocessors can take.
- A phase takes the longest of three times, and a barrier:

  operations : over the team's share of the fp32 peak and `Rates.efficiency`. A block
      with fewer than `THREAD_OUTPUTS` results a thread reuses less of what it loads;
      its rate falls in proportion. Blocks never share a dense product's depth; they
      share that of a convolution's weight gradient, by samples.
  bytes : floats of the operands, each read again by every block that needs it (the
      results are cut into the rectangles that read least), and of the results, over the
      team's share of the L2 rate. Parameters come from L2 at every use. Added results
      (``red``) pass at their own rate. A worker's momentum is read and written, in L2
      or, if the workers' together do not fit there, in the card's memory.
  latency : depth tiles of `DEPTH_TILE`, each waiting once for L2.
- Barriers (of a team of several blocks) come after each forward phase, the loss, each
  input gradient, and at the end of the step. Derivatives of activations and biases'
  gradients need none.
- Images lie in L2 without padding. A convolution that pools writes the image before
  pooling and reads it again; its gradients likewise. Random draws, the order of the
  samples and the exchange with the host cost nothing, but for one launch an epoch.
"""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from statistics import median
from typing import NamedTuple

from hogblock.kernels import ops as op
from hogblock.models.plan import make_plan

THREADS = 256
THREAD_OUTPUTS = 4
TILE_OUTPUTS = 32 * THREADS  # results that a block holds in registers
DEPTH_TILE = 16
FLOAT = 4
EPOCH_SAMPLES = 60_000


@dataclass(frozen=True)
class Rates:
    """What a card can do; the defaults are an H200's.

    Attributes
    ----------
    multiprocessors : int
    peak : float
        fp32 operations a second: 132 x 128 multiply-adds at 1.98 GHz.
    l2, added, memory : float
        Bytes a second: reads from the L2 cache (published measurements of this family
        are between 5 and 9.7 TB/s), additions to it (assumed, a quarter of that),
        copies in memory (measured).
    l2_size : float
        Bytes.
    barrier, wait, launch : float
        Seconds: of a team's barrier (published, for a whole grid), of a depth tile's
        trip to L2 (latency 265 cycles), of a launch.
    efficiency : float
        Share of the peak that a product with enough results a thread reaches (assumed).
    """

    multiprocessors: int = 132
    peak: float = 66.9e12
    l2: float = 7e12
    added: float = 1.75e12
    memory: float = 4.3e12
    l2_size: float = 60e6
    barrier: float = 1e-6
    wait: float = 0.15e-6
    launch: float = 4e-6
    efficiency: float = 0.4


H200 = Rates()


class Phase(NamedTuple):
    """One operation of a step on a minibatch: `rows` x `columns` sums of `depth`.

    Attributes
    ----------
    name : str
    rows, columns, depth : int
        Depth 0: no product.
    operations : int
    left, right, results : int
        Floats of the operands, and of what is written.
    splits : int
        Parts into which the depth may be cut.
    updates : int
        Parameters that it changes.
    barrier : bool
        Whether the team waits for all of it.
    """

    name: str
    rows: int
    columns: int
    depth: int
    operations: int
    left: int
    right: int
    results: int
    splits: int = 1
    updates: int = 0
    barrier: bool = False


class Predicted(NamedTuple):
    """Seconds of a phase, what bounds it, its bytes, and the blocks that share it."""

    seconds: float
    bound: str
    bytes: int
    blocks: int


def _dense(row, origin, batch):
    n_in, n_out = int(row[op.X_WIDTH]), int(row[op.Y_WIDTH])
    n_in = int(row[op.COUNT]) if row[op.CODE] == op.DENSE_UPDATE else n_in
    x, y, w = batch * n_in, batch * n_out, n_in * n_out
    work, size = 2 * batch * w, f"{n_in}x{n_out}"
    match row[op.CODE]:
        case op.DENSE_FORWARD:
            name = f"dense forward {size}"
            return Phase(name, batch, n_out, n_in, work, x, w, y, barrier=True)
        case op.DENSE_INPUT_GRADIENT:
            name = f"dense input gradient {size}"
            return Phase(name, batch, n_in, n_out, work, y, w, x, barrier=True)
    return Phase(f"dense update {size}", n_in, n_out, batch, work, x, y, w, updates=w)


def _conv(row, origin, batch):
    def of(*columns):
        values = [int(row[c]) for c in columns]
        return values[0] if len(values) == 1 else values

    height, width, channels = of(op.IN_HEIGHT, op.IN_WIDTH, op.IN_CHANNELS)
    down, across, n_out = of(op.OUT_HEIGHT, op.OUT_WIDTH, op.OUT_CHANNELS)
    k, l = of(op.KERNEL_HEIGHT, op.KERNEL_WIDTH)
    pool = max(1, of(op.POOL_HEIGHT)) * max(1, of(op.POOL_WIDTH))
    seen = 1 if of(op.DEPTHWISE) else channels
    update = row[op.CODE] == op.CONV_UPDATE
    taps = of(op.COUNT) if update else k * l * seen
    x, pixels = batch * height * width * channels, batch * down * across
    w, y = taps * n_out, pixels * n_out
    if pool > 1:  # before pooling, there and back; maxima, and where they are
        y = 2 * y + 2 * y // pool
    work = 2 * pixels * taps * n_out
    size = f"{height}x{width}x{channels}->{n_out} {k}x{l}"
    match row[op.CODE]:
        case op.CONV_FORWARD:
            name = f"conv forward {size}"
            return Phase(name, pixels, n_out, taps, work, x, w, y, barrier=True)
        case op.CONV_INPUT_GRADIENT:
            name, rows = f"conv input gradient {size}", batch * height * width
            depth = k * l * n_out
            return Phase(name, rows, channels, depth, work, y, w, x, barrier=True)
    name = f"conv update {size}"
    own = taps, n_out, pixels, work, x, y, w
    return Phase(name, *own, splits=batch, updates=w)


RESHAPING = {
    op.COPY_CHANNELS,
    op.MAX_POOL_FORWARD,
    op.MAX_POOL_BACKWARD,
    op.AVG_POOL_FORWARD,
    op.AVG_POOL_BACKWARD,
}
PLAIN = {  # name, and whether a barrier follows
    op.ACTIVATION_FORWARD: ("activation forward", True),
    op.DROPOUT_FORWARD: ("dropout forward", True),
    op.SPATIAL_DROPOUT_FORWARD: ("channel dropout forward", True),
    op.MAX_POOL_FORWARD: ("max-pool forward", True),
    op.AVG_POOL_FORWARD: ("average-pool forward", True),
    op.NORM_FORWARD: ("norm forward", True),
    op.ADD_FORWARD: ("add forward", True),
    op.COPY_CHANNELS: ("copy channels", True),
    op.LOSS: ("loss", True),
    op.ACTIVATION_BACKWARD: ("activation backward", False),
    op.DROPOUT_BACKWARD: ("dropout backward", False),
    op.SPATIAL_DROPOUT_BACKWARD: ("channel dropout backward", False),
    op.MAX_POOL_BACKWARD: ("max-pool backward", True),
    op.AVG_POOL_BACKWARD: ("average-pool backward", True),
    op.NORM_SUMS: ("norm sums", True),
    op.NORM_INPUT_GRADIENT: ("norm input gradient", True),
    op.ADD_BACKWARD: ("add backward", False),
    op.BIAS_UPDATE: ("bias update", False),
}


def _width(shape):
    """Floats of a sample: features, or all of an image with its padding."""
    *pixels, channels = shape
    return prod(pixels) * op.padded(channels) if pixels else channels


def _plain(row, origin, batch):
    code = int(row[op.CODE])
    name, barrier = PLAIN[code]
    x, y = _width(origin.shape), _width(origin.out_shape)
    if code == op.BIAS_UPDATE:
        line = int(row[op.W_ROW])  # of an image, a pixel's channels
        wide = min(y, line)
        lines = int(row[op.Y_ROW]) // line
        own = dict(left=batch * lines * wide, updates=wide)
        return Phase(f"{name} {wide}", 1, wide, 0, 0, right=0, results=wide, **own)
    both = batch * (y + (x if code in RESHAPING else y))
    name = f"{name} {y}"
    return Phase(name, batch, y, 0, 0, both, 0, batch * y, barrier=barrier)


PRODUCTS = {
    op.DENSE_FORWARD: _dense,
    op.DENSE_INPUT_GRADIENT: _dense,
    op.DENSE_UPDATE: _dense,
    op.CONV_FORWARD: _conv,
    op.CONV_INPUT_GRADIENT: _conv,
    op.CONV_UPDATE: _conv,
}


def phases(network, batch, loss="softmax"):
    """List the `Phase` of every row of the network's plan of a full step."""
    found, seen = [], Counter()
    plan = make_plan(network, batch, loss)
    for row, origin in zip(plan.ops, plan.origins, strict=True):
        phase = PRODUCTS.get(int(row[op.CODE]), _plain)(row, origin, batch)
        seen[phase.name] += 1
        if seen[phase.name] > 1:
            phase = phase._replace(name=f"{phase.name} ({seen[phase.name]})")
        found.append(phase)
    return found


class Cut(NamedTuple):
    """How a team shares a phase: pieces along rows, columns and depth."""

    rows: int
    columns: int
    splits: int

    @property
    def pieces(self):
        """Blocks that have work."""
        return self.rows * self.columns * self.splits

    def floats(self, phase):
        """Floats that the blocks read and write together."""
        read = phase.left * self.columns + phase.right * self.rows
        return read + phase.results * self.splits


def cuts(phase, blocks):
    """Every way to give most blocks of a team a piece."""
    for splits in sorted({min(2**k, blocks, phase.splits) for k in range(8)}):
        left = blocks // splits
        for columns in range(1, min(phase.columns, left) + 1):
            yield Cut(min(phase.rows, left // columns), columns, splits)


def predict_phase(phase, workers, blocks, rates=H200, held=0):
    """Predict a phase of a step, cut as is fastest.

    Parameters
    ----------
    phase : Phase
    workers, blocks : int
        G teams of S blocks.
    rates : Rates
    held : float
        Bytes of all workers' momentum.

    Returns
    -------
    Predicted
    """
    crowd = max(workers * blocks, rates.multiprocessors)
    guesses = (
        _timed(phase, c, crowd, blocks, rates, held) for c in cuts(phase, blocks)
    )
    return min(guesses, key=lambda guess: guess.seconds)


def _timed(phase, piece, crowd, blocks, rates, held):
    """Predict a phase of a team in a `crowd` of blocks for one way to cut it."""
    share = blocks / crowd
    results = phase.rows * phase.columns * piece.splits
    busy = min(piece.pieces, results / (THREAD_OUTPUTS * THREADS))
    momentum = 2 * FLOAT * phase.updates
    kept = rates.l2 if held <= rates.l2_size else rates.memory
    in_l2 = FLOAT * piece.floats(phase)
    moved = in_l2 / rates.l2 + momentum / kept + FLOAT * phase.updates / rates.added
    waves = -(-results // (piece.pieces * TILE_OUTPUTS))
    tiles = max(1, waves) * max(1, -(-phase.depth // (piece.splits * DEPTH_TILE)))
    speed = rates.peak * rates.efficiency / crowd
    times = {
        "operations": phase.operations / (busy * speed) if phase.depth else 0.0,
        "bytes": moved / share,
        "latency": tiles * rates.wait,
    }
    bound = max(times, key=times.get)
    return Predicted(times[bound], bound, in_l2 + momentum, piece.pieces)


def predict(network, batch, workers, blocks, rates=H200):
    """Predict a run of G teams of S blocks.

    Returns
    -------
    dict
        network-independent figures: ``phases`` (name, seconds, bound, bytes, operations
        each), ``barriers``, ``step_s``, ``updates_per_s``, ``samples_per_s``,
        ``epoch_s`` (of `EPOCH_SAMPLES`), ``staleness``, ``of_peak``, and ``shares`` of
        the step by what bounds it.
    """
    counted = phases(network, batch)
    held = workers * sum(p.updates for p in counted) * FLOAT
    rows, shares = [], Counter()
    for phase in counted:
        guess = predict_phase(phase, workers, blocks, rates, held)
        shares[guess.bound] += guess.seconds
        rows.append(
            {
                "name": phase.name,
                "operations": phase.operations,
                "bytes": guess.bytes,
                "blocks": guess.blocks,
                "bound": guess.bound,
                "seconds": guess.seconds,
            }
        )
    barriers = sum(p.barrier for p in counted) + 1
    if blocks > 1:
        shares["barriers"] = barriers * rates.barrier
    step = sum(shares.values())
    speed = batch * workers / step
    work = sum(p.operations for p in counted)
    steps = EPOCH_SAMPLES / batch
    return {
        "batch": batch,
        "workers": workers,
        "blocks": blocks,
        "phases": rows,
        "barriers": barriers,
        "step_s": step,
        "updates_per_s": workers / step,
        "samples_per_s": speed,
        "epoch_s": steps / workers * step + rates.launch,
        "staleness": workers - 1,
        "of_peak": work / batch * speed / rates.peak,
        "shares": {bound: seconds / step for bound, seconds in shares.items()},
    }


def settings(rates=H200, teams=(132, 66, 33, 16, 8, 4, 2, 1)):
    """Pair each number of workers with the team size that fills the card."""
    return [(g, max(1, rates.multiprocessors // g)) for g in teams]


def with_measured(rates, measured):
    """Put measured figures in the place of given ones."""
    return replace(rates, **measured)


def rates_of(lines):
    """Find the fields of `Rates` in the lines of a probe (probe.py)."""
    middle = {line["case"]["what"]: median(line["values"]) for line in lines}
    names = {
        "peak": "multiply-add",
        "l2": "read ld.relaxed.gpu",
        "added": "add red.f32",
        "barrier": "barrier",  # the last is the largest team's
        "launch": "launch, 4 arrays",
    }
    return {field: middle[name] for field, name in names.items() if name in middle}


def predictions(networks, batches, rates=H200):
    """Predict every network at every batch and setting: {network: [predict(...)]}."""
    return {
        name: [
            predict(network, batch, workers, blocks, rates)
            for batch, (workers, blocks) in product(batches, settings(rates))
        ]
        for name, network in networks.items()
    }
