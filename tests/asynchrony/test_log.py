"""Event logs by themselves: delays, files, impossible events."""

import numpy as np
import pytest

from hogblock.asynchrony import EventLog, Recording, Replay

BLOCKS = ((0, 16), (16, 48))


def log_of(**values):
    """A log of two blocks, of steps that end one after another."""
    arrays = {"worker": [0, 1, 0], "read": [[0, 0], [0, 0], [2, 1]]}
    values = arrays | {"writes": np.ones((3, 2))} | values
    writes = np.array(values["writes"], bool)
    others = dict(
        ticket=np.arange(len(writes)),
        written=np.cumsum(writes, 0) - writes,
        workers=2,
        blocks=BLOCKS,
        n_total=len(writes),
        model={"method": "PASSM()"},
    )
    worker = np.array(values.pop("worker"), np.int32)
    read = np.array(values.pop("read"), np.int64)
    return EventLog(**others | values | dict(worker=worker, read=read, writes=writes))


@pytest.fixture
def log():
    """Worker 0 writes both blocks, worker 1 the second only."""
    writes = [[1, 1], [0, 1], [1, 1], [0, 1], [1, 1]]
    read = [[0, 0], [0, 0], [1, 1], [1, 1], [2, 4]]
    return log_of(worker=[0, 1, 0, 1, 0], read=read, writes=writes)


def test_delays_lead_to_what_was_read(log):
    """x before event k - delay has had as many writes as the step has seen."""
    before = log.counts()
    k = np.arange(len(log))[:, None]
    there = np.take_along_axis(before, k - log.delays(), axis=0)
    np.testing.assert_array_equal(there, log.read)
    np.testing.assert_array_equal(
        log.delays(), [[0, 0], [1, 1], [0, 1], [1, 2], [0, 0]]
    )
    np.testing.assert_array_equal(log.ages(), [[0, 0], [1, 1], [0, 1], [1, 2], [0, 0]])


def test_a_file_brings_it_back(log, tmp_path):
    path = tmp_path / "events.npz"
    log.save(path)
    copy = EventLog.load(path)
    for name in ("worker", "ticket", "read", "written", "writes"):
        np.testing.assert_array_equal(getattr(copy, name), getattr(log, name))
        assert getattr(copy, name).dtype == getattr(log, name).dtype
    same = ("workers", "blocks", "n_total", "model")
    assert [getattr(copy, n) for n in same] == [getattr(log, n) for n in same]


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_file_that_was_cut_off_is_refused(log, tmp_path, kept):
    path = tmp_path / "events.npz"
    log.save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"events\.npz is no whole event log"):
        EventLog.load(path)


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", worker=np.zeros(3))
    with pytest.raises(
        ValueError, match=r"other\.npz is no whole event log.*model_nam"
    ):
        EventLog.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError):
        EventLog.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(worker=np.array([0, 2, 3])), "event 1 of the log .*worker 2 of 2"),
        (dict(ticket=np.array([0, 1, -4])), "event 2 of the log .*ticket -4"),
        (
            dict(read=np.array([[0, 0], [0, 2], [9, 9]])),
            r"event 1 of the log .*read \[0, 2\] .* events before made \[1, 1\]",
        ),
        (dict(read=np.array([[0, 0], [-1, 0], [0, 0]])), "event 1 of the log"),
        (dict(written=np.zeros((3, 2), int)), "event 2 of the log"),
        (dict(n_total=2), "n_total=2 is less than 3 events"),
        (dict(ticket=np.arange(4)), r"ticket of a log has shape \(4,\)"),
        (dict(blocks=BLOCKS[:1]), r"read of a log has shape \(3, 2\)"),
    ],
)
def test_what_cannot_have_happened_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        log_of(**changes)


def test_a_replay_gives_the_events_of_its_log(log):
    replay = Replay(log)
    assert (replay.workers, replay.largest_age) == (2, 2)
    events = replay.events(3, 2, np.random.default_rng(0))
    np.testing.assert_array_equal(events.worker, [0, 1, 0])
    np.testing.assert_array_equal(events.ages, log.delays()[:3])
    with pytest.raises(ValueError, match="event 5 is missing: 6 are wanted"):
        replay.events(6, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"the log has 2 blocks.* has 3"):
        replay.events(3, 3, np.random.default_rng(0))


@pytest.mark.parametrize("max_bytes", [0, -1, 1.5, "2"])
def test_a_bound_on_memory_is_a_positive_integer(max_bytes):
    with pytest.raises(ValueError, match="max_bytes="):
        Recording(max_bytes)
