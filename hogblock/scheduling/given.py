"""Events that come from a scheduler: checks of them, and choices among them."""

import numpy as np

from hogblock.scheduling.base import Events


def check_events(events: Events, n_events: int, n_cells: int, workers: int) -> Events:
    """What a scheduler has given, if a run can go by it.

    Parameters
    ----------
    events : Events
    n_events, n_cells, workers : int
        What was asked for, and what the scheduler says of itself.

    Raises
    ------
    ValueError
        That names the first entry that is impossible.
    """
    shapes = {
        "worker": (n_events,), "ticket": (n_events,), "ages": (n_events, n_cells),
        "overlap": (n_events,),
    }  # fmt: skip
    if len(events) != len(shapes):
        raise ValueError(f"events must be {', '.join(shapes)}; {len(events)} came")
    arrays = dict(zip(shapes, map(np.asarray, events), strict=True))
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind not in "iu":
            raise ValueError(
                f"{name} of the events must be whole numbers of shape {shape}, and is "
                f"{arrays[name].dtype} of shape {arrays[name].shape}"
            )
    k, most = np.arange(n_events), np.iinfo(np.int64).max
    _within("worker", arrays["worker"], np.full(n_events, workers - 1), "workers")
    _within("ticket", arrays["ticket"], np.full(n_events, most), "all")
    _within("ages", arrays["ages"], k[:, None], "what was before")
    _within("overlap", arrays["overlap"], k, "what was before")
    return Events(**arrays)


def _within(name: str, values: np.ndarray, largest: np.ndarray, what: str) -> None:
    """Raise for the first entry that is negative or too large."""
    wrong = (values < 0) | (values > largest)
    if wrong.any():
        event, *cell = np.unravel_index(int(np.argmax(wrong)), values.shape)
        place = f"event {event}" + (f", cell {cell[0]}" if cell else "")
        value = values[(event, *cell)]
        fault = "is negative" if value < 0 else f"is beyond {what}"
        limit = largest[event].item()
        raise ValueError(
            f"{name} of the events: {place}: {value} {fault} (0 to {limit} is allowed)"
        )


def kept(events: Events, wanted: np.ndarray) -> Events:
    """Some of the events, as if there had been no others.

    Parameters
    ----------
    events : Events
    wanted : ndarray of shape (n_events,), bool
    """
    before: np.ndarray = np.cumsum(wanted) - wanted  # of these, before each event
    k = np.arange(len(wanted))

    def among_these(ages: np.ndarray) -> np.ndarray:
        return (before - before[k - ages.T]).T[wanted]

    return Events(
        events.worker[wanted],
        events.ticket[wanted],
        among_these(events.ages),
        among_these(events.overlap),
    )
