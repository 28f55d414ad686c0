"""What a kernel gets to run one operation of a plan: a lowered row, and where all lies.

A file of kernels ends with wrappers that take a `Call`, and with the table OPERATIONS
of those by the codes of their operations.
"""

from typing import NamedTuple

import numpy as np

from hogblock.kernels.cpu.jit import part


class Call(NamedTuple):
    """One operation on one minibatch.

    Attributes
    ----------
    row, reals : int64 [ROW_WIDTH], float32 [REAL_WIDTH]
        Of the lowered plan.
    params, work, zeros : int
        Addresses of the parameters that are read, of the work space, and of a line of
        zeros.
    rows : int
        Samples.
    training : bool
        Whether dropouts drop.
    key, counter : uint32, int
        Of random numbers; how many were drawn before.
    gradient : int
        Address for the gradient of parameters, or 0.
    """

    row: np.ndarray
    reals: np.ndarray
    params: int
    work: int
    zeros: int
    rows: int
    training: bool
    key: int
    counter: int
    gradient: int


@part
def buffer(call, column):
    """Address of a buffer."""
    return call.work + 4 * call.row[column]


@part
def parameters(call, column):
    """Address of parameters."""
    return call.params + 4 * call.row[column]
