"""The headline: frontiers, its journal, and a run of it on a task of seconds."""

import json
from functools import partial

import numpy as np
import pytest


@pytest.fixture
def headline(scripts):
    return lambda name: scripts(f"headline.{name}")


SECONDS, RISING = [1.0, 2.0, 4.0], [0.7, 0.8, 0.9]


@pytest.mark.parametrize(
    ("quality", "seconds"),
    [
        (0.7, 1.0),
        (0.8, 2.0),
        (0.9, 4.0),
        (0.85, 2.0 * 2**0.5),  # linear in the logarithm
        (0.65, 0.5**0.5),  # as it rises in all, but no further than a factor of two
        (0.3, 0.5),
        (0.95, 4.0 * 2**0.5),
        (1.2, 8.0),
    ],
)
def test_seconds_to_a_quality(headline, quality, seconds):
    found = headline("frontier").seconds_to(quality, SECONDS, RISING)
    assert found == pytest.approx(seconds)


def test_what_was_reached_stays_reached(headline):
    frontier = headline("frontier")
    assert frontier.seconds_to(0.9, SECONDS, [0.7, 0.9, 0.8]) == pytest.approx(2.0)
    assert frontier.seconds_to(0.95, SECONDS, [0.9, 0.9, 0.9]) == pytest.approx(8.0)
    # Budgets need not have come in the order of their times.
    assert frontier.seconds_to(0.8, SECONDS[::-1], RISING[::-1]) == pytest.approx(2.0)


def test_a_side_of_equal_quality_is_as_much_sooner_as_it_is_faster(headline):
    frontier = headline("frontier")
    qualities = np.array(RISING)[:, None] + [[-0.01, 0.01, 0.0]]
    slow, fast = (SECONDS, qualities), ([0.5, 1.0, 2.0], qualities)
    assert frontier.speed_ups(slow, fast) == pytest.approx([2.0] * 3)
    assert frontier.speed_ups(fast, slow) == pytest.approx([0.5] * 3)
    assert frontier.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    low, high = frontier.interval([(slow, fast)], np.random.default_rng(0), 200)
    assert 1.5 < low < 2.0 < high < 2.6
    same = (SECONDS, np.array(RISING)[:, None].repeat(3, axis=1))
    twice = ([0.5, 1.0, 2.0], same[1])
    assert frontier.interval([(same, twice)], np.random.default_rng(0), 9) == (
        pytest.approx(2.0), pytest.approx(2.0),
    )  # fmt: skip


def test_a_journal_measures_once(headline, tmp_path):
    Journal = headline("journal").Journal
    path, asked = tmp_path / "new" / "results.jsonl", []

    def measure(value):
        asked.append(value)
        return {"value": value}

    first = Journal(path)
    assert first.get(("a", 1), partial(measure, 1)) == {"value": 1}
    assert first.get(("a", 1), partial(measure, 2)) == {"value": 1}
    again = Journal(path)
    assert again.get(("a", 1), partial(measure, 3)) == {"value": 1}
    assert again.get(("a", 2), partial(measure, 4)) == {"value": 4}
    assert asked == [1, 4] and len(path.read_text().splitlines()) == 2


def test_a_line_that_was_cut_off_is_measured_again(headline, tmp_path):
    Journal = headline("journal").Journal
    path = tmp_path / "results.jsonl"
    path.write_text('[["a"], 1]\n[["b"], ')
    journal = Journal(path)
    assert journal.get(("a",), lambda: 2) == 1
    assert journal.get(("b",), lambda: 3) == 3
    assert Journal(path).get(("b",), lambda: 4) == 3


def test_a_whole_run_and_its_record(headline, scripts, monkeypatch, tmp_path, capsys):
    run, tasks = headline("run"), headline("tasks")
    small = tasks.Task(
        "digits", tasks.digits, partial(tasks.MLPClassifier, (8,)), (1, 2, 3),
        batches=(32, 64), rates=(0.05, 0.1), seeds=2,
    )  # fmt: skip
    monkeypatch.setattr(run, "TASKS", (small,))
    monkeypatch.setattr(headline("tuning"), "ALONE_SECONDS", 0.001)
    arguments = ["run", "--sides", "sync,thinned", "--out", str(tmp_path / "records")]
    arguments += ["--journal", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    run.main()
    shown = capsys.readouterr().out
    assert "thinned sooner than sync, modelled" in shown
    journal = (tmp_path / "headline.jsonl").read_text().splitlines()
    run.main()  # everything is there
    assert (tmp_path / "headline.jsonl").read_text().splitlines() == journal
    (path,) = (tmp_path / "records").rglob("*-headline.json")
    found = json.loads(path.read_text())
    measured = found["measured"]["digits"]
    assert [len(q) for q in measured["sync"]["quality"]] == [2, 2, 2]
    assert measured["sgd"]["budgets"] == [3]
    assert measured["thinned"]["backpropagated"][-1] < 1
    value = found["figures"]["thinned sooner than sync, wall"]
    assert value["lowest"] <= value["highest"] and value["by task"].keys() == {"digits"}
    assert path.with_suffix(".png").stat().st_size > 1000


def test_unknown_sides_are_named(headline, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run", "--sides", "sync,adam"])
    with pytest.raises(SystemExit):
        headline("run").main()
    assert "'adam' is none of sync, hogwild" in capsys.readouterr().err


def test_a_run_that_diverges_has_learnt_nothing(headline):
    tasks, sides = headline("tasks"), headline("sides")
    task = tasks.Task("digits", tasks.digits, partial(tasks.MLPClassifier, (8,)), (1,))
    with np.errstate(all="ignore"):
        found = sides.fit(task, sides.SIDES["sgd"], 32, 1e30, 1, 0)
    assert found["quality"] == 0
