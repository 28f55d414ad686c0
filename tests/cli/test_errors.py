"""Wrong input to the command line, and failures of a run."""

import sys

import numpy as np
import pytest

from hogblock import MLPClassifier, cli
from hogblock.errors import WorkerError
from support.command_line import train

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("compiled"),
]


def error_of(capsys, arguments):
    """The one line on stderr of a command that must exit with 2."""
    assert cli.main([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("hogblock: error: ")
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["--paint"], "required: COMMAND (see hogblock --help)"),
        (["train", "iris", "--paint", "1"], "--paint 1 (see hogblock train --help)"),
        (["train", "iris", "--epochs", "x"], "(see hogblock train --help)"),
        (["bench", "--paint"], "arguments: --paint (see hogblock bench --help)"),
        (["info", "much"], "arguments: much (see hogblock info --help)"),
        (["train"], "the following arguments are required: data"),
        (["train", "mnist"], "'mnist' is neither a data set (fashion-mnist, digits"),
        (["train", "fashion-mnist"], "apt-get install dataset-fashion-mnist"),
        (["train", "cifar-10"], "~kriz/cifar-10-binary.tar.gz"),
        (["train", "no.csv"], "there is no file no.csv"),
        (["train", "iris", "--target", "a"], "--target is for tables"),
        (["train", "iris", "--strict"], "--strict is for tables"),
        (["train", "a.parquet", "--sep", ";"], "--sep is for tables of text (.csv"),
        (["train", "iris", "--no-header"], "--header is for tables of text"),
        (["train", "t.csv", "--sep", "ab"], "'ab' is not a character, tab or space"),
        (["train", "iris", "--task", "guess"], "invalid choice: 'guess'"),
        (["train", "iris", "--hidden", "a,b"], "not a list of whole numbers"),
        (["train", "iris", "--hidden", "0"], "at least 1"),
        (["train", "iris", "--epochs", "x"], "invalid int value: 'x'"),
        (["train", "iris", "--epochs", "0"], "'max_iter'"),
        (["train", "iris", "--jobs", "0"], "n_jobs"),
        (["train", "iris", "--method", "magic"], "'method'"),
        (["train", "iris", "--activation", "magic"], "'activation'"),
        (["train", "iris", "--learning-rate", "magic"], "'learning_rate'"),
        (["train", "iris", "--test-fraction", "1"], "not a number between 0 and 1"),
        (["train", "iris", "--test-fraction", "x"], "not a number between 0 and 1"),
        (["train", "iris", "--quiet", "--learning-rate-init", "1e30"], "diverged"),
        (["train", "iris", "--model", "magic"], "invalid choice: 'magic'"),
        (["train", "iris", "--model", "cnn"], "needs images, and iris holds rows"),
        (
            ["train", "digits", "--model", "lenet5"],
            "lenet5 takes no images of shape (8, 8, 1)",
        ),
        (
            ["train", "digits", "--model", "resnet8", "--hidden", "9"],
            "--hidden is not for --model resnet8",
        ),
        (["bench", "--batch", "0"], "not a whole number above 0"),
        (["bench", "--jobs", "0"], "n_jobs"),
    ],
)
def test_wrong_arguments(here, capsys, arguments, problem):
    assert problem in error_of(capsys, arguments)


def test_wrong_files(here, capsys):
    pytest.importorskip("pandas")
    (here / "t.csv").write_text("size,colour,y\n1,red,0\n2,blue,1\n")
    assert "not numeric: colour" in error_of(capsys, ["train", "t.csv", "--strict"])
    assert "no column 'z'" in error_of(capsys, ["train", "t.csv", "--target", "z"])
    np.savez("t.npz", X=np.eye(3))
    assert "no array y, only X" in error_of(capsys, ["train", "t.npz"])
    np.savez("t.npz", X=np.full((9, 2), np.nan), y=np.arange(9) % 2)
    assert "contains NaN" in error_of(capsys, ["train", "t.npz"])
    (here / "t.csv").write_text("size,y\n1,0\n2,1\n")
    arguments = ["train", "t.csv", "--model", "lenet5"]
    assert "lenet5 needs images, and t.csv holds rows" in error_of(capsys, arguments)
    (here / "taken").write_text("a file")
    assert "taken" in error_of(capsys, ["train", "iris", "--out", "taken"])


def test_table_without_pandas(here, capsys, monkeypatch):
    (here / "t.csv").write_text("a,b\n1,0\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert "hogblock[tables]" in error_of(capsys, ["train", "t.csv"])


def test_failures_of_a_run(here, capsys, monkeypatch):
    def fail_with(error):
        def fit(*_, **__):
            raise error

        monkeypatch.setattr(MLPClassifier, "fit", fit)

    fail_with(WorkerError("worker process 7 died with exit code -9"))
    assert train("iris") == 1
    assert "worker process 7 died" in capsys.readouterr().err
    fail_with(KeyboardInterrupt())
    assert train("iris") == 130
    assert capsys.readouterr().err == "hogblock: error: interrupted\n"
