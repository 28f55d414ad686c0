"""Output that nobody reads, or that has no room: results are saved all the same."""

import os
import subprocess
import sys

import pytest

import hogblock
from hogblock import MLPClassifier, cli
from hogblock.cli import train
from support.behind import behind

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = ("train", "iris", "--epochs", "2", "--no-plot", "--seed", "0", "--quiet")
RESULTS = {"model.joblib", "report.json"}


def results(folder):
    return {file.name for file in (folder / "hogblock-run").iterdir()}


def process(arguments, folder, **streams):
    return subprocess.run(
        [sys.executable, "-m", "hogblock.cli", *arguments],
        cwd=folder,
        text=True,
        timeout=100,
        check=False,
        **streams,
    )


def closed_pipe():
    """The end for writing of a pipe whose reader has left."""
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "wb")


@pytest.mark.parametrize("arguments", [QUICK, ("--help",)])
def test_nobody_reads(tmp_path, arguments):
    with closed_pipe() as pipe:
        done = process(arguments, tmp_path, stdout=pipe, stderr=subprocess.PIPE)
    assert done.returncode == 141
    assert "error" not in done.stderr.lower() and "ignored" not in done.stderr
    if arguments is QUICK:
        assert results(tmp_path) == RESULTS


@behind
def test_nobody_reads_either_stream(folder):
    with closed_pipe() as pipe:
        words = QUICK[:-1]  # with progress
        done = process(words, folder, stdout=pipe, stderr=pipe)
    assert done.returncode == 141
    assert results(folder) == RESULTS


@behind
def test_no_room_for_the_output(folder):
    with open("/dev/full", "w") as full:
        done = process(QUICK, folder, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("hogblock: error: cannot write to stdout: ")
    assert "No space left on device" in last and "Exception" not in done.stderr
    assert results(folder) == RESULTS


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_is_not_there(here, monkeypatch, capsys, stream, closed):
    there = open("there", "w") if closed else None
    if closed:
        there.close()
    monkeypatch.setattr(sys, stream, there)
    assert cli.main([*QUICK[:-1]]) == 0
    assert cli.main(["train", "nothing"]) == 2
    captured = capsys.readouterr()
    if stream == "stderr":
        assert "end of training" in captured.out
        assert "warning" not in captured.out and "error" not in captured.out
    assert results(here) == RESULTS


def test_results_are_saved_before_they_are_printed(here, monkeypatch):
    seen = []
    monkeypatch.setattr(train, "put", lambda text: seen.append((text, results(here))))
    assert cli.main([*QUICK]) == 0
    [(text, files)] = seen
    assert files == RESULTS and "end of training" in text
    assert text.splitlines()[-2:] == [
        "saved hogblock-run/model.joblib",
        "saved hogblock-run/report.json",
    ]


def test_what_cannot_be_saved_is_printed(here, monkeypatch, capsys):
    def write(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train, "save", write)
    assert cli.main([*QUICK]) == 2
    captured = capsys.readouterr()
    assert "test accuracy" in captured.out and "No space left" in captured.err


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"hogblock {hogblock.__version__}\n"


def test_help_of_a_command(capsys):
    assert cli.main(["train", "--help"]) == 0
    assert "--strict" in capsys.readouterr().out


def test_progress_of_a_command_is_a_line_of_a_pipe(here, capsys):
    assert cli.main([*QUICK[:-1]]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "samples/s, epoch " in lines[0]


def test_bench_is_quiet_in_a_pipe(capsys):
    arguments = ["bench", "--epochs", "1", "--samples", "200", "--jobs", "1"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().err == ""


def test_an_error_in_fit_is_no_error_of_stdout(here, monkeypatch, capsys):
    def fit(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MLPClassifier, "fit", fit)
    assert cli.main([*QUICK]) == 2
    assert "stdout" not in capsys.readouterr().err
