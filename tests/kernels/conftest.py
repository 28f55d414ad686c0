"""Fixtures of the tests of the host's kernels."""

import numpy as np
import pytest


@pytest.fixture
def normal(random):
    """``normal(*shape)``: float32 values of unit variance."""
    return lambda *shape: random.standard_normal(shape, np.float32)
