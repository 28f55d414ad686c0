"""Replays of logs that do not belong to the fit are refused, by what differs first."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hogblock import MLPClassifier
from hogblock.asynchrony import EventLog, Law, Replay, Uniform

pytestmark = pytest.mark.usefixtures("compiled")

X, Y = load_digits(return_X_y=True)
X, Y = X[:300], Y[:300]
OPTIONS = dict(
    hidden_layer_sizes=(24, 16), max_iter=2, batch_size=32, method="hogwild",
    learning_rate="cosine", random_state=0,
)  # fmt: skip


def fitted(schedule, samples=300, **changes):
    model = MLPClassifier(**OPTIONS | changes, schedule=schedule)
    return model.fit(X[:samples], Y[:samples])


@pytest.fixture(scope="module")
def log(compiled):
    return fitted(Law(2, Uniform(0, 3))).events_


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(hidden_layer_sizes=(8,)), "another model: parameters was"),
        (dict(method="assm"), r"another model: method was Hogwild\(.*, and is ASSM"),
        (dict(batch_size=16), "another model: batch_size was 32, and is 16"),
        (dict(activation="tanh"), "another model: network was"),
        (dict(samples=200), "minibatches of an epoch was 10, and is 7"),
    ],
)
def test_of_another_fit(log, changes, words, tmp_path):
    log.save(tmp_path / "log.npz")
    with pytest.raises(ValueError, match=words):
        fitted(Replay(EventLog.load(tmp_path / "log.npz")), **changes)


def test_of_other_blocks(log):
    (start, cut), (_, stop) = log.blocks
    other = replace(log, blocks=((start, cut + 16), (cut + 16, stop)))
    with pytest.raises(ValueError, match=rf"block 0 was \(0, {cut + 16}\), and is"):
        fitted(Replay(other))
    assert fitted(Replay(log)).events_.blocks == log.blocks


def test_with_a_step_twice(log):
    """A copy of its last step, as the minibatch of another one."""
    names = ("worker", "read", "written", "writes")
    more = {n: np.append(getattr(log, n), getattr(log, n)[-1:], axis=0) for n in names}
    twice = replace(log, ticket=np.append(log.ticket, 5), n_total=len(log) + 1, **more)
    with pytest.raises(ValueError, match="has ticket 5 2 times, and each of the 20"):
        fitted(Replay(twice))
