"""Runs on a CUDA device beside the same steps, taken on the host."""

import numpy as np

from support import cuda_runs as runs
from support.cuda_runs import BATCHES, Replay, assert_close


def replay(chosen, steps, layered=False):
    """A run's replay, and its parameters after each epoch."""
    again, after = Replay(chosen), []
    for low, high in runs.launches(again.total, BATCHES, steps):
        if chosen.method.epochs == "worker":
            for worker in range(chosen.workers):
                for ticket in range(low, high):
                    again.step(worker, ticket)
        else:
            (again.in_turn if layered else again.team_by_team)(low, high)
        if high % BATCHES == 0:
            after.append(again.params().copy())
    return again, after


def assert_replayed(found, watch, again, after):
    for params, wanted in zip(watch.params, after, strict=True):
        assert_close(params, wanted)
    np.testing.assert_array_equal(found.params, watch.params[-1])
    assert_close(found.velocity, again.rows("velocity"))
    record = again.rows("record")
    np.testing.assert_array_equal(found.steps_per_worker, again.steps())
    sums = record.sum(0)
    np.testing.assert_allclose(found.losses, sums[:, 0] / sums[:, 1], rtol=1e-3)
    np.testing.assert_array_equal(found.updates_per_block, again.updates())
    read, written = sum(a["staleness"].sum(0) for a in again.arrays)
    np.testing.assert_array_equal(found.staleness, read)
    np.testing.assert_array_equal(found.overlap, written)
    assert (found.staleness.sum(1) == found.steps).all()
    np.testing.assert_array_equal(found.overlap.sum(1), found.updates_per_block)
