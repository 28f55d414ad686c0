"""From the scopes of a method's turns to ranges of the parameters, worker by worker."""

from typing import NamedTuple

import numpy as np

from hogblock.methods.scopes import FULL, OWN, From, Scope
from hogblock.models.blocks import Block, partition, refined, whole
from hogblock.models.network import Network
from hogblock.training.settings import Settings


class Bag(NamedTuple):
    """From shared step `start` on: plans that a worker takes in turn, or draws.

    Attributes
    ----------
    start : int
    drawn : bool
        They are drawn at random.
    plans : list of int
        As `Scopes.numbers` of the worker has them: 0 is the full plan.
    """

    start: int
    drawn: bool
    plans: list[int]


class Scopes(NamedTuple):
    """The scopes of a run.

    Attributes
    ----------
    blocks : list of Block
        In which updates and ages are counted: no scope ends inside one.
    owned : list of range
        Numbers of the blocks of each owner.
    spans : list of Block
        What the plans of the run update; the first is everything.
    numbers : list of list of int
        Of each owner: the numbers of its spans, the full one first.
    writes : uint8 array of shape (spans, blocks)
        1 for the blocks that a span contains.
    bags : list of Bag
    """

    blocks: list[Block]
    owned: list[range]
    spans: list[Block]
    numbers: list[list[int]]
    writes: np.ndarray
    bags: list[Bag]


def scopes_of(
    network: Network,
    settings: Settings,
    batches: int,
    owners: int,
    sparse: bool = False,
) -> Scopes:
    """Scopes of a run.

    Parameters
    ----------
    network : Network
    settings : Settings
    batches : int
        Shared steps of an epoch.
    owners : int
        How many share the blocks.
    sparse : bool, default=False
        Samples are sparse rows, see ``blocks.partition``.

    Raises
    ------
    ValueError
        If there are more blocks than rows of parameters, a scope cuts at no layer, or
        no turn of the whole training updates some tensor, which is named.
    """
    each = settings.method.blocks_per_worker
    shares = partition(network, owners * each, sparse)
    own = [shares[owner * each : (owner + 1) * each] for owner in range(owners)]
    every = _scopes_of_training(settings, batches)
    _check_updates(network, settings, every, own)
    stretches = settings.stretches(batches)
    used = [scope for _, turns in stretches for scope in turns if scope != FULL]
    local = dict.fromkeys(used)  # each once, in their order
    spans = {whole(network): 0}
    numbers = [
        [0]
        + [
            spans.setdefault(span, len(spans))
            for scope in local
            for span in _spans(network, scope, blocks)
        ]
        for blocks in own
    ]
    cuts = {_layer_start(network, scope) for scope in every if isinstance(scope, From)}
    blocks = refined(shares, cuts)
    starts = [block.start for block in blocks]
    return Scopes(
        blocks=blocks,
        owned=[
            range(
                starts.index(mine[0].start),
                sum(start < mine[-1].stop for start in starts),
            )
            for mine in own
        ],
        spans=list(spans),
        numbers=numbers,
        writes=np.array(
            [[_contains(span, b) for b in blocks] for span in spans], np.uint8
        ),
        bags=_bags(stretches, list(local), each),
    )


def _scopes_of_training(settings: Settings, batches: int) -> list[Scope]:
    """Scopes from the model's beginning to the end of this run, or of the plan."""
    epochs = settings.trained + settings.epochs
    end = max(settings.planned or 0, epochs) * batches
    stretches = settings.method.stretches(batches, settings.planned or epochs)
    scopes = (scope for start, turns in stretches if start < end for scope in turns)
    return list(dict.fromkeys(scopes))


def _check_updates(network: Network, settings: Settings, every, own) -> None:
    """Refuse a method that leaves a tensor without any update in all its training."""
    spans = {
        span
        for scope in every
        for blocks in own
        for span in _spans(network, scope, blocks)
    }
    for tensor in network.tensors:
        taken = np.zeros(tensor.rows, bool)
        for span in spans:
            taken[slice(*tensor.rows_in(*span))] = True
        if not taken.all():
            raise ValueError(
                f"method {settings.method} never updates {tensor.name}: no scope of "
                "its turns reaches it"
            )


def _spans(network: Network, scope: Scope, own: list[Block]) -> list[Block]:
    """What a step of a scope may update: one of these, by an owner of blocks `own`."""
    if scope == FULL:
        return [whole(network)] * len(own)
    if isinstance(scope, From):
        return [Block(_layer_start(network, scope), network.size)] * len(own)
    if scope == OWN:
        return list(own)
    return [Block(block.start, network.size) for block in own]


def _layer_start(network: Network, scope: From) -> int:
    starts = sorted({network.tensors_of(t.layer)[0].offset for t in network.tensors})
    if not -len(starts) <= scope.layer < len(starts):
        names = list(
            dict.fromkeys(network.stages[t.layer].name for t in network.tensors)
        )
        raise ValueError(
            f"{scope} is no layer: the network has {len(starts)} with parameters, "
            f"{', '.join(names)}"
        )
    return starts[scope.layer]


def _contains(span: Block, block: Block) -> bool:
    return span.start <= block.start and block.stop <= span.stop


def _bags(stretches, local: list[Scope], each: int) -> list[Bag]:
    """Turns as plans of a worker, of which each scope has one for each own block.

    With several own blocks a turn draws one at random: each stands as often in the bag
    as the full plan.
    """
    plans: dict[Scope, list[int]] = {FULL: [0] * each}
    for k, scope in enumerate(local):
        plans[scope] = list(range(1 + k * each, 1 + (k + 1) * each))
    return [
        Bag(start, each > 1, [plan for turn in turns for plan in plans[turn]])
        for start, turns in stretches
    ]
