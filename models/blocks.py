"""Blocks: the parameter vector cut into contiguous pieces, one for each worker.

A step that updates only block [a, b) runs the whole forward pass, the input gradients
above the lowest layer that the block touches, and the parameter gradients inside the
block (docs/method.md, section 5). Its cost is counted in multiply-adds per sample.
"""

from functools import cache, partial
from typing import NamedTuple

from hogblock.models.network import Network


class Block(NamedTuple):
    """Range [start, stop) of the flat parameter vector."""

    start: int
    stop: int


def whole(network: Network) -> Block:
    """The block of a worker that updates everything."""
    return Block(0, network.size)


def gradients_needed(network: Network, block: Block) -> list[bool]:
    """For each buffer of the graph whether a step on `block` needs its gradient.

    It does where a tensor of the block lies at or before the stage that writes it.
    """
    owners = {
        t.layer for t in network.tensors if t.rows_in(*block)[0] < t.rows_in(*block)[1]
    }
    needed = [False]
    for k, stage in enumerate(network.stages):
        needed.append(k in owners or any(needed[s] for s in stage.sources))
    return needed


def step_cost(network: Network, block: Block) -> int:
    """Multiply-adds per sample of a step that updates only `block`."""
    needed = gradients_needed(network, block)
    total = 0
    for stage in network.stages:
        cost = stage.layer.cost(network.shapes[stage.sources[0]])
        total += cost.forward
        if any(needed[s] for s in stage.sources):
            total += cost.input_gradient
    for tensor in network.tensors:
        first, end = tensor.rows_in(*block)
        total += (end - first) * tensor.stride * tensor.uses
    return total


def partition(network: Network, parts: int, sparse: bool = False) -> list[Block]:
    """Cut the parameters into `parts` blocks whose costliest step is cheapest.

    Blocks are contiguous, non-empty, disjoint and cover the vector. A layer stays whole
    while there are enough layers; with more parts than that, the longest blocks are
    halved, where a row starts.

    Parameters
    ----------
    network : Network
    parts : int
    sparse : bool, default=False
        Samples are sparse rows, and the weights that they meet stay whole.

    Raises
    ------
    ValueError
        If there are more parts than rows of parameters.
    """
    row_starts = [
        t.offset + r * t.stride
        for t in network.tensors
        for r in range(1 if sparse and t.offset == 0 else t.rows)
    ]
    if not 1 <= parts <= len(row_starts):
        raise ValueError(
            f"parts={parts} must be between 1 and the {len(row_starts)} rows of "
            "parameters at which blocks can be cut"
        )
    starts = sorted({network.tensors_of(t.layer)[0].offset for t in network.tensors})
    blocks = _by_layers(network, starts, min(parts, len(starts)))
    while len(blocks) < parts:
        by_length = sorted(blocks, key=lambda b: b.start - b.stop)
        block, cut = next(
            (b, cut) for b in by_length if (cut := _middle(row_starts, b)) is not None
        )
        at = blocks.index(block)
        blocks[at : at + 1] = [Block(block.start, cut), Block(cut, block.stop)]
    return blocks


def refined(blocks: list[Block], cuts) -> list[Block]:
    """Blocks cut once more at the offsets `cuts`."""
    starts = sorted({block.start for block in blocks} | set(cuts))
    ends = [*starts[1:], blocks[-1].stop]
    return [Block(start, end) for start, end in zip(starts, ends, strict=True)]


def _by_layers(network: Network, starts: list[int], parts: int) -> list[Block]:
    """Best blocks that start at `starts`, by dynamic programming over their ends."""
    ends = [*starts[1:], network.size]
    cost = cache(partial(step_cost, network))

    def worth(blocks):
        """Costliest step first; among equals, even lengths."""
        return max(map(cost, blocks)), max(b.stop - b.start for b in blocks)

    best = {(1, i): [Block(starts[0], ends[i])] for i in range(len(starts))}
    for p in range(2, parts + 1):
        for i in range(p - 1, len(starts)):
            options = [
                [*best[p - 1, j], Block(starts[j + 1], ends[i])]
                for j in range(p - 2, i)
            ]
            best[p, i] = min(options, key=worth)
    return best[parts, len(starts) - 1]


def _middle(row_starts: list[int], block: Block) -> int | None:
    """Row start nearest to the middle of a block, inside it."""
    inside = [r for r in row_starts if block.start < r < block.stop]
    middle = (block.start + block.stop) / 2
    return min(inside, key=lambda r: abs(r - middle), default=None)
