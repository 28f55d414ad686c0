"""The examples run, as a user would run them."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hogblock.datasets import DATA_VARIABLE
from support.behind import MOST_SECONDS

EXAMPLES = Path(__file__).parent.parent / "examples"
CNN_PICTURES = [
    "cnn_confusion.png",
    "cnn_filters.png",
    "cnn_mistakes.png",
    "cnn_training.png",
]

pytest.importorskip("matplotlib")

WORDS = {  # what each run is started with
    "demo": ("demo.py",),
    "digits": (
        "fashion_mnist_cnn.py", "--data", "digits", "--epochs", "4", "--samples", "900",
        "--workers", "2", "--out", "a/b",
    ),
    "fashion": (
        "fashion_mnist_cnn.py", "--epochs", "1", "--samples", "100", "--workers", "1",
    ),
    "no data": ("fashion_mnist_cnn.py",),
}  # fmt: skip


def examples(folder):
    """Run all of them, each in a folder of its own: what they print, by name."""
    done = {}
    for name, words in WORDS.items():
        (own := folder / name).mkdir()
        if name == "fashion":
            write_fashion_mnist(own, train=120, t10k=30)
        done[name] = run(*words, folder=own), own
    return done


pytestmark = [
    pytest.mark.behind.with_args(examples),
    pytest.mark.timeout(MOST_SECONDS),
]


def run(name, *arguments, folder):
    """What an example prints, with image sets only from `folder`."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder,
        env=os.environ | {DATA_VARIABLE: str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def ended(running):
    """``ended(name, code=0)``: what an example printed, and where it wrote."""

    def look(name, code=0):
        done, folder = running[examples].result()[name]
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done, folder

    return look


def pictures_in(folder):
    """Names of the pictures in a folder, all of them whole."""
    files = sorted(folder.iterdir())
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    return [file.name for file in files]


def write_fashion_mnist(folder, **sizes):
    """Random images in the four files of Fashion-MNIST."""
    random = np.random.default_rng(0)
    for part, n in sizes.items():
        arrays = {
            "images-idx3": random.integers(0, 256, (n, 28, 28), np.uint8),
            "labels-idx1": np.arange(n, dtype=np.uint8) % 10,
        }
        for name, array in arrays.items():
            head = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(head + array.tobytes())


def test_demo(ended):
    done, folder = ended("demo")
    assert "Fashion-MNIST is not installed" in done.stdout
    assert "test accuracy 9" in done.stdout
    assert pictures_in(folder / "results") == ["demo.png"]


def test_cnn_on_digits(ended):
    done, folder = ended("digits")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("layer") and "worker 1 owns" in done.stdout
    epochs = next(k for k, line in enumerate(lines) if line.split()[:1] == ["epoch"])
    scores = np.array([line.split() for line in lines[epochs + 1 : epochs + 5]], float)
    np.testing.assert_array_equal(scores[:, 0], [1, 2, 3, 4])
    assert scores[3, 1] < scores[0, 1] and scores[3, 2] > 0.5
    assert "mean age" in done.stdout and "test accuracy by class" in done.stdout
    assert "validation" in done.stderr  # the progress bar
    assert pictures_in(folder / "a" / "b") == CNN_PICTURES


def test_cnn_on_fashion_mnist(ended):
    done, folder = ended("fashion")
    assert "Ankle boot" in done.stdout
    assert "training on 90 images, validating on 10" in done.stdout
    assert pictures_in(folder / "results") == CNN_PICTURES


def test_cnn_says_where_to_get_the_data(ended):
    done, _ = ended("no data", code=1)
    assert "apt-get install dataset-fashion-mnist" in done.stderr
    assert "--data digits" in done.stderr
