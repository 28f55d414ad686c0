"""The CUDA kernels with a card's types, on this processor: see ``typed_cuda``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 300  # compiles every phase for a machine that is no card


@pytest.fixture(scope="module")
def found():
    """What ``typed_run`` prints."""
    here = Path(__file__).parent
    run = subprocess.run(
        [sys.executable, str(here / "typed_run.py")],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=os.environ | {"PYTHONPATH": str(here)},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("network", ["mlp", "lenet5", "everything"])
def test_gradients_of_full_size_networks(found, network):
    loss, gradient = found[network]
    assert loss < 1e-5
    assert gradient < 1e-5


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("fit", ["fit mlp", "fit cnn"])
def test_one_worker_takes_the_steps_of_the_cpu(found, fit):
    """Order of samples, dropout, augmentation: the same random numbers."""
    assert found[fit] < 1e-4
