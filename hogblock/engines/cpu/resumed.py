"""Puts the state of an earlier run into the arrays of one that goes on from it."""

import numpy as np

from hogblock.kernels import counters as c
from hogblock.kernels.cpu import job
from hogblock.training.run_plan import RunPlan
from hogblock.training.run_state import RunState, StateError, spread_velocity

MOST = 2**60
"""Of a count; no run gets there."""


def resume(run_plan: RunPlan, arrays: dict[str, np.ndarray], state: RunState) -> None:
    """Fill the shared arrays of a run from a state.

    Parameters
    ----------
    run_plan : RunPlan
    arrays : dict of str to ndarray
        By ``pack.shared_specification``, zero.
    state : RunState
        If its run had another number of workers, what each did is told of the first,
        and all start from the mean of the momentum.

    Raises
    ------
    StateError
        If it cannot be the state of such a run: names what does not fit.
    """
    found = {**state.arrays, "params": state.params}
    workers = _check(run_plan, arrays, found, state)
    counters = arrays["counters"][:: c.STRIDE]
    for name in ("params", "rate_factor"):
        arrays[name][:] = found[name]
    arrays["velocity"][:] = spread_velocity(found["velocity"], run_plan.workers)
    if workers == run_plan.workers:
        for name in ("staleness", "state"):
            arrays[name][:] = found[name]
        arrays["record"][:, : state.epochs] = found["record"]
        counters[c.BLOCKS :] = found["updates"]
    else:
        _merge(run_plan, arrays, found, state.epochs)
    _place(run_plan, arrays, state.epochs)


def _merge(run_plan: RunPlan, arrays, found, epochs: int) -> None:
    """Tell of the first worker what all have done; blocks and ages begin anew."""
    record = arrays["record"][:, :epochs]
    steps = record.view(np.int64)[:, :, c.STEPS]
    record[0] = found["record"].sum(axis=0)
    record[0, :, c.STEPS] = 0
    if run_plan.each_takes_all:
        steps[:] = run_plan.batches
    else:
        steps[0] = run_plan.batches
    arrays["state"][:, job.DRAWN] = steps.sum(axis=1)
    for word in (job.DROPOUT_COUNTER, job.AUGMENT_COUNTER):
        arrays["state"][:, word] = found["state"][:, word].max()


def _place(run_plan: RunPlan, arrays, epochs: int) -> None:
    """Before the first minibatch after the epochs that are over."""
    ticket = epochs * run_plan.batches
    words = arrays["state"]
    if run_plan.each_takes_all:
        words[:, job.DRAWN] = ticket
    words[:, job.PENDING], words[:, job.BEGUN], words[:, job.OVER] = -1, -1, 0
    arrays["counters"][c.STRIDE * c.TICKET] = ticket


def _check(run_plan: RunPlan, arrays, found, state: RunState) -> int:
    """Workers of the run that the state is of, if all of it fits."""
    if not 0 <= state.epochs <= run_plan.settings.epochs:
        raise StateError(
            f"epochs={state.epochs} of the state, and the run has "
            f"{run_plan.settings.epochs}"
        )
    if len(state.losses) != state.epochs:
        raise StateError(
            f"{len(state.losses)} losses of the state are of {state.epochs} epochs"
        )
    velocity = found.get("velocity")
    workers = len(velocity) if np.ndim(velocity) else 0
    wanted = {
        name: (arrays[name].dtype, (workers, *arrays[name].shape[1:]))
        for name in ("velocity", "staleness", "state")
    }
    for name in ("params", "rate_factor"):
        wanted[name] = arrays[name].dtype, arrays[name].shape
    wanted["record"] = np.dtype(float), (workers, state.epochs, c.RECORD_WIDTH)
    blocks = len(run_plan.blocks)
    wanted["updates"] = np.dtype(np.int64), (blocks,)
    if workers != run_plan.workers:  # these have other blocks, and are not read
        del wanted["staleness"], wanted["updates"]
    for name, (dtype, shape) in wanted.items():
        array = found.get(name)
        if array is None or (array.dtype, array.shape) != (dtype, shape):
            what = "missing" if array is None else f"{array.dtype} of {array.shape}"
            raise StateError(f"{name} of the state is {what}, not {dtype} of {shape}")
    _check_values(found, wanted)
    return workers


def _check_values(found, wanted) -> None:
    for name in ("params", "velocity", "rate_factor"):
        if not np.isfinite(found[name]).all():
            raise StateError(f"{name} of the state are not finite")
    counts = {name: found[name] for name in ("staleness", "updates") if name in wanted}
    counts["record"] = found["record"].view(np.int64)[:, :, c.STEPS]
    own = [job.DRAWN, job.DROPOUT_COUNTER, job.AUGMENT_COUNTER]
    counts["state"] = found["state"][:, own]
    for name, values in counts.items():
        if ((values < 0) | (values > MOST)).any():
            raise StateError(f"{name} of the state holds impossible counts")
