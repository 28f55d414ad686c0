"""An activation, a loss and a layer with kernels of its own, all from outside.

They are in ``support.outside``, one row and one kernel a backend each.
"""

import json

import numpy as np
import pytest

SCRIPT = "support.train_from_outside"

pytestmark = [pytest.mark.script(SCRIPT), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def trained(running):
    """Parameters and losses of both backends, and of the twin."""
    done = running[(SCRIPT,)].result()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
def test_they_train_as_their_twin(trained, backend):
    found, expected = trained[backend], trained["twin"]
    np.testing.assert_allclose(
        found["params"], expected["params"], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=1e-5)


def test_all_of_it_learns(trained):
    """Else twins would agree about nothing."""
    assert trained["twin"]["losses"][-1] < 0.9 * trained["twin"]["losses"][0]
    moved = np.abs(np.subtract(trained["cpu"]["params"], trained["start"]))
    for first, end in trained["tensors"]:
        assert moved[first:end].max() > 0.01
