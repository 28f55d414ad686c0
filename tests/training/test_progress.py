"""What a fit shows while it runs."""

import io
import sys

import numpy as np
import pytest

from hogblock import MLPClassifier
from hogblock.kernels.cpu import warmup
from hogblock.kernels.say import say
from hogblock.training import progress
from hogblock.training.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    """A pipe that nobody reads any more, or a full disk."""

    def write(self, text=""):
        raise BrokenPipeError(32, "Broken pipe")

    flush = write


class BrokenTerminal(Broken, Terminal):
    flush = Broken.write


class Bare:
    """The least that people put in the place of stderr."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.fixture(scope="module")
def rows():
    x = np.random.default_rng(0).normal(size=(200, 3))
    return x, (x[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    "make", [lambda: None, closed, Broken, BrokenTerminal, Bare, object]
)
def test_no_stderr_is_needed(rows, monkeypatch, capsys, make):
    monkeypatch.setattr(sys, "stderr", make())
    model = MLPClassifier(max_iter=3, learning_rate="cosine", verbose=True).fit(*rows)
    assert model.n_iter_ == 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("make", [lambda: None, closed, Broken, object])
def test_compiling_needs_no_stderr(monkeypatch, capsys, make):
    monkeypatch.setattr(warmup, "_warm", set())
    monkeypatch.setattr(
        warmup, "cache_state", lambda images: warmup.CacheState(None, False)
    )
    monkeypatch.setattr(sys, "stderr", make())
    warmup.warm_up()
    say("hello")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("make", [io.StringIO, Bare])
def test_a_short_run_is_one_line_of_a_file(rows, monkeypatch, make):
    stream = make()
    monkeypatch.setattr(sys, "stderr", stream)
    MLPClassifier(max_iter=30, learning_rate="cosine", verbose=True).fit(*rows)
    text = stream.text if make is Bare else stream.getvalue()
    assert text.count("\n") == 1 and "\r" not in text
    assert text.startswith("6,000 of 6,000 samples, ") and "epoch 30: loss 0." in text


def test_lines_are_seconds_apart_and_grow_fewer(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    times = []
    with progress_bar(True, 10_000) as shown:
        for step in range(10_000):
            before = stream.tell()
            shown.update(step)
            if stream.tell() > before:
                times.append(now[0])
            now[0] += 0.1
    assert np.diff(times).min() >= 1 - 1e-9
    assert 15 < len([t for t in times if t < 20]) <= 20
    assert len(times) < 100
    last = stream.getvalue().splitlines()[-1]
    assert last == "9,999 of 10,000 samples, 999.9 s, 10 samples/s"


@pytest.mark.parametrize("make", [io.StringIO, Terminal])
def test_nothing_is_shown_before_the_first_minibatch(monkeypatch, make):
    """Kernels are compiled until then."""
    stream = make()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(True, 100) as shown:
        shown.update(0)
        assert stream.getvalue() == ""
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar(rows, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    MLPClassifier(max_iter=30, learning_rate="cosine", verbose=True).fit(*rows)
    last = stream.getvalue().split("\r")[-1]
    assert last.startswith("100%|") and "6.00k/6.00k" in last
    assert "samples/s, epoch 30: loss 0." in last


@pytest.mark.parametrize(
    ("method", "n_jobs"), [("sgd", 1), ("sync", 2), ("hogwild", 2), ("passm", 2)]
)
def test_samples_are_counted_whole_with_a_short_last_minibatch(
    rows, monkeypatch, method, n_jobs
):
    """Workers that share a minibatch have done it once, those with epochs of their own
    have each done all."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    options = dict(batch_size=9, max_iter=3, learning_rate="cosine", verbose=True)
    model = MLPClassifier((4,), method=method, n_jobs=n_jobs, **options)
    model.fit(*rows, X_val=rows[0], y_val=rows[1])
    assert model.n_workers_ == n_jobs
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith(f"{model.t_:,} of {model.t_:,} samples, ")
    score = model.validation_scores_[-1]
    assert last.endswith(f"loss {model.loss_:.5f}, validation {score:.4f}")


def test_rows_that_were_merged_count_as_often_as_they_came(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    model = MLPClassifier((4,), max_iter=2, learning_rate="cosine", verbose=True)
    model.fit(np.repeat([[0.0], [1.0]], 9, 0), np.repeat([0, 1], 9))
    assert stream.getvalue().startswith("36 of 36 samples, ") and model.t_ == 36


def test_the_rate_leaves_out_what_was_done_before(monkeypatch):
    """A run that goes on from a checkpoint."""
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress_bar(True, 2000) as shown:
        shown.update(1000)
        now[0] = 2.0
        shown.update(1500)
        shown.describe("loss 1")
    first, *more = stream.getvalue().splitlines()
    assert first == "1,500 of 2,000 samples, 2.0 s, 250 samples/s, 2.0 s left"
    assert more == []


def test_quiet_is_the_default(rows, capsys):
    MLPClassifier(max_iter=3, learning_rate="cosine").fit(*rows)
    assert capsys.readouterr() == ("", "")
