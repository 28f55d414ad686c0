"""Event logs to damage."""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hogblock.asynchrony import EventLog, Replay
from hogblock.scheduling.given import check_events

BLOCKS = ((0, 16), (16, 48))


def seeds() -> list[bytes]:
    """Of two workers and of one, whole and cut off."""
    writes = np.array([[1, 1], [0, 1], [1, 1], [0, 1], [1, 1]], bool)
    read = np.array([[0, 0], [0, 0], [1, 1], [1, 1], [2, 4]])
    two = EventLog(
        worker=np.array([0, 1, 0, 1, 0], np.int32),
        ticket=np.arange(5),
        read=read,
        written=np.cumsum(writes, 0) - writes,
        writes=writes,
        workers=2,
        blocks=BLOCKS,
        n_total=5,
        model={"method": "PASSM()", "batch_size": "32"},
    )
    ones = np.ones((6, 1), bool)
    steps = np.arange(6)
    one = EventLog(
        np.zeros(6, np.int32), steps, steps[:, None], steps[:, None], ones,
        workers=1, blocks=((0, 9),), n_total=40,
    )  # fmt: skip
    found = []
    with TemporaryDirectory() as folder:
        for log in (two, one):
            log.save(path := Path(folder, "events.npz"))
            found.append(path.read_bytes())
    return found


def read(path: Path) -> None:
    """Load it; what can be loaded can be replayed."""
    log = EventLog.load(path)
    n, blocks = len(log), len(log.blocks)
    replay = Replay(log)
    assert replay.largest_age <= n and repr(replay)
    events = replay.events(n, blocks, np.random.default_rng(0))
    check_events(events, n, blocks, replay.workers)
    assert (log.ages() >= 0).all()
    assert all(isinstance(word, str) for pair in log.model.items() for word in pair)
    for own in (False, True):
        with contextlib.suppress(ValueError):
            assert 0 < replay.epochs(2, 2, own) <= 2
