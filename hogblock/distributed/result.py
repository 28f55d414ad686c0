"""What a fit on several nodes came to, in the words of a run on one."""

from collections.abc import Callable, Sequence

import numpy as np

from hogblock.distributed.member import NodeState
from hogblock.training.nodes import Rounds
from hogblock.training.settings import Result


def result_of(
    nodes: Sequence[NodeState],
    workers: int,
    params: np.ndarray,
    losses: list[float],
    epochs: int,
    rounds: Rounds,
    **ending,
) -> Result:
    """The result.

    Parameters
    ----------
    nodes : sequence of NodeState
    workers : int
        Of a node.
    params : ndarray of shape (size,), float32
    losses : list of float
        Of the epochs that are over.
    epochs : int
        Of the whole fit.
    rounds : Rounds
    **ending
        Further fields of `Result`.

    Notes
    -----
    Updates, ages and steps of each worker are those of the last life of the nodes that
    have trained to the end; steps and samples those of all. Momentum stays behind.
    """
    results = [n.outcome.result for n in nodes if n.outcome is not None]
    record = np.sum([node.record for node in nodes], axis=0)
    return Result(
        params=params,
        velocity=np.zeros((1, params.size), np.float32),
        losses=losses,
        loss_so_far=_loss_so_far(record, len(losses), epochs),
        workers=workers * len(nodes),
        steps=sum(node.steps for node in nodes),
        samples=int(record[:, 0].sum()),
        steps_per_worker=_joined([r.steps_per_worker for r in results], np.concatenate),
        updates_per_block=_joined([r.updates_per_block for r in results], sum),
        staleness=_joined([r.staleness for r in results], sum),
        overlap=_joined([r.overlap for r in results], sum),
        restarts=sum(r.restarts for r in results),
        kept=_sum_of_known([r.kept for r in results]),
        nodes=tuple(node.summary(workers) for node in nodes),
        rounds=rounds,
        **ending,
    )


def _loss_so_far(record: np.ndarray, epochs: int, most: int) -> float | None:
    """Of the epoch that was under way."""
    if epochs == most:
        return None
    _, loss, weight = record[epochs]
    return float(loss / weight) if weight else None


def _joined(arrays: list[np.ndarray], join: Callable) -> np.ndarray:
    """Arrays of all nodes as one; empty if there are none."""
    if not arrays:
        return np.zeros((0, 0), np.int64)
    return np.asarray(join(arrays))


def _sum_of_known(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) and counts else None
