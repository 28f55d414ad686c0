"""The CUDA kernels with a card's types, on this processor: see ``typed_cuda``."""

import json

import pytest

SCRIPT = "support.typed_run"

# It compiles every phase for a machine that is no card.
pytestmark = [pytest.mark.script(SCRIPT), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def found(running):
    """What the script prints."""
    run = running[(SCRIPT,)].result()
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("network", ["mlp", "lenet5", "everything"])
def test_gradients_of_full_size_networks(found, network):
    loss, gradient = found[network]
    assert loss < 1e-5
    assert gradient < 1e-5


@pytest.mark.parametrize("fit", ["fit mlp", "fit thinned", "fit cnn"])
def test_one_worker_takes_the_steps_of_the_cpu(found, fit):
    """Order of samples, dropout, augmentation, thinning: the same random numbers."""
    assert found[fit] < 1e-4
