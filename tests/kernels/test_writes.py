"""An operation writes its own buffers and work space, and nothing else.

A buffer reaches from its offset to the next one that any operation of the plan names.
"""

from contextlib import contextmanager

import numpy as np
import pytest

from hogblock.kernels import optable as op
from hogblock.models import (
    Conv2D,
    DepthwiseConv2D,
    Flatten,
    MaxPool2D,
    Network,
)
from hogblock.models.plan import make_plan
from support.aligned import Aligned
from support.passes import Pass, random_biases
from support.random_networks import random_image_network, random_network

F32 = np.float32
SPACE = [op.SCRATCH, op.SCRATCH2, op.SCRATCH3, op.SCRATCH4, op.INDEX, op.PACKED]
SPACE += [op.TABLE, op.TURNED, op.FULL, op.WINOGRAD]
OFFSETS = [op.X, op.Y, op.X2, op.DX, op.DY, *SPACE]


def written_by(row):
    """Columns of the buffers that are an operation's to write."""
    if row[op.CODE] < op.LOSS:
        return [op.Y, *SPACE]
    return SPACE if row[op.CODE] >= op.FIRST_UPDATE else [op.DX, *SPACE]


class Watched(Pass):
    """Fails after an operation that wrote outside."""

    def __init__(self, *args):
        super().__init__(*args)
        offsets = np.unique(self.plan.ops[:, OFFSETS])
        self._starts = np.append(offsets, self.plan.work_size)

    @contextmanager
    def running(self, row):
        before = self._work.copy()
        yield
        changed = before.view(np.uint32) != self._work.view(np.uint32)
        for column in written_by(row):
            if row[column] or column not in SPACE:
                end = np.searchsorted(self._starts, row[column] + 1)
                changed[row[column] : self._starts[end]] = False
        assert not changed.any(), (row[op.CODE], np.flatnonzero(changed)[:9])


def check_writes(network, random, rows=3):
    aligned = Aligned()
    params = network.initialise(np.random.RandomState(random.integers(2**31)))
    random_biases(network, params, random)
    plan = make_plan(network, rows, "squared_error")
    run = Watched(aligned, network, plan, params, rows)
    for _ in range(2):  # what is written twice the same is not seen
        run.forward(random.standard_normal((rows, *network.input_shape), F32))
        run.backward(random.standard_normal((rows, *network.output_shape), F32))
    np.testing.assert_array_equal(run.params, params)
    aligned.check()


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("make", [random_network, random_image_network])
def test_operations_of_any_network(make, seed):
    random = np.random.default_rng(2000 + seed)
    check_writes(make(random), random)


@pytest.mark.parametrize("seed", range(100))
def test_convolutions_on_large_images(seed):
    """With max-pooling they are worked on in pieces."""
    random = np.random.default_rng(seed)
    height, width, inputs, outputs = (int(n) for n in random.integers(15, 45, 4))
    kernel, pool = (tuple(int(n) for n in random.integers(1, 5, 2)) for _ in range(2))
    convs = [Conv2D(outputs, kernel), DepthwiseConv2D(kernel)]
    layers = [Conv2D(inputs, 1), convs[seed % 2], MaxPool2D(pool), Flatten()]
    check_writes(Network(layers, (height, width, 2)), random, rows=2)
