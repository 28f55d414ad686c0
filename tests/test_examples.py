"""The examples run, as a user would run them."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hogblock.datasets import DATA_VARIABLE

EXAMPLES = Path(__file__).parent.parent / "examples"
CNN_PICTURES = [
    "cnn_confusion.png",
    "cnn_filters.png",
    "cnn_mistakes.png",
    "cnn_training.png",
]

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.usefixtures("compiled")  # the time limit is not for compiling


def run(name, *arguments, folder, code=0):
    """What an example prints, with image sets only from `folder`."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder,
        env=os.environ | {DATA_VARIABLE: str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


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


def test_demo(tmp_path):
    done = run("demo.py", folder=tmp_path)
    assert "Fashion-MNIST is not installed" in done.stdout
    assert "test accuracy 9" in done.stdout
    assert pictures_in(tmp_path / "results") == ["demo.png"]


def test_cnn_on_digits(tmp_path):
    words = ("--data", "digits", "--epochs", "4", "--samples", "900", "--workers", "2")
    done = run("fashion_mnist_cnn.py", *words, "--out", "a/b", folder=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("layer") and "worker 1 owns" in done.stdout
    epochs = next(k for k, line in enumerate(lines) if line.split()[:1] == ["epoch"])
    scores = np.array([line.split() for line in lines[epochs + 1 : epochs + 5]], float)
    np.testing.assert_array_equal(scores[:, 0], [1, 2, 3, 4])
    assert scores[3, 1] < scores[0, 1] and scores[3, 2] > 0.5
    assert "mean age" in done.stdout and "test accuracy by class" in done.stdout
    assert "validation" in done.stderr  # the progress bar
    assert pictures_in(tmp_path / "a" / "b") == CNN_PICTURES


def test_cnn_on_fashion_mnist(tmp_path):
    write_fashion_mnist(tmp_path, train=120, t10k=30)
    words = ("--epochs", "1", "--samples", "100", "--workers", "1")
    done = run("fashion_mnist_cnn.py", *words, folder=tmp_path)
    assert "Ankle boot" in done.stdout
    assert "training on 90 images, validating on 10" in done.stdout
    assert pictures_in(tmp_path / "results") == CNN_PICTURES


def test_cnn_says_where_to_get_the_data(tmp_path):
    done = run("fashion_mnist_cnn.py", folder=tmp_path, code=1)
    assert "apt-get install dataset-fashion-mnist" in done.stderr
    assert "--data digits" in done.stderr
