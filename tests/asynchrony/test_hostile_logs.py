"""Hostile event logs: what is read can be replayed, all else is a ValueError."""

import numpy as np
import pytest

from hogblock.asynchrony import EventLog
from support.fuzzing import check_hostile_files, memory_below

pytestmark = pytest.mark.timeout(60)


def test_files_of_event_logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_hostile_files("log", tmp_path, 200)


@pytest.fixture
def saved(tmp_path):
    """``saved(name=array, ...)``: path of a log with these arrays."""
    n = np.zeros((2, 2), np.int64)
    arrays = dict(
        worker=np.zeros(2, np.int32), ticket=np.arange(2), read=n, written=n,
        writes=np.ones((2, 2), bool), workers=np.array(1), blocks=[[0, 4], [4, 9]],
        n_total=np.array(2), model_names=np.array(["a"]), model_values=np.array(["b"]),
    )  # fmt: skip

    def of(**others):
        np.savez(tmp_path / "log.npz", **arrays | others)
        return tmp_path / "log.npz"

    return of


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (dict(workers=2**62), "workers=4611686018427387904 of a log must be 1 to 2"),
        (dict(workers=0), "workers=0 of a log"),
        (dict(workers=np.ones(1, int)), r"workers is int64 of shape \(1,\), not a n"),
        (dict(n_total=np.nan), "n_total is float64"),
        (dict(n_total=1), "n_total=1 is less than 2 events"),
        (dict(worker=np.array(["0", "0"])), "worker of a log is <U1 and must be sig"),
        (dict(worker=np.zeros((), int)), r"worker of a log has shape \(\), and 1 ev"),
        (dict(ticket=np.zeros(2)), "ticket of a log is float64 and must be signed"),
        (dict(read=np.zeros((2, 2), "u8")), "read of a log is uint64 and must be s"),
        (dict(writes=np.ones((2, 2), "i1")), "writes of a log is int8 and must be t"),
        (dict(blocks=[0, 4, 9]), r"blocks are int64 of shape \(3,\), not integers"),
        (dict(blocks=[[0.0, 4.0]]), "blocks are float64"),
        (dict(blocks=[[0, 5], [4, 9]]), "block 1 is 4 to 9, which is empty or not af"),
        (dict(blocks=[[0, 4], [4, 4]]), "block 1 is 4 to 4"),
        (dict(blocks=[[-1, 4], [4, 9]]), "block 0 is -1 to 4"),
        (dict(blocks=np.zeros((10**6, 2), int)), "block 0 is 0 to 0"),
        (dict(model_names=np.zeros(10**6, "U1")), "model_names is <U1 of shape .100"),
        (dict(model_values=np.ones(1)), "model_values is float64"),
        (dict(model_values=np.array(["b", "c"])), "1 model_names have 2 model_val"),
    ],
)
def test_what_a_log_cannot_say(saved, others, words):
    path = saved(**others)
    refused = pytest.raises(ValueError, match=rf"log\.npz is no whole .*: {words}")
    with memory_below(64 << 20), refused:
        EventLog.load(path)


def test_paths_that_cannot_be_read(saved, tmp_path):
    assert len(EventLog.load(saved())) == 2
    with pytest.raises(IsADirectoryError):
        EventLog.load(tmp_path)
