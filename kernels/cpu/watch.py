"""What the parent of a run reads and writes while the workers train.

Workers are other processes: words that tell them, or the parent, that something else is
in place are stored with release and loaded with acquire.
"""

from hogblock.kernels import counters as c
from hogblock.kernels.cpu.draw import address_of
from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.job import NOW
from hogblock.kernels.cpu.memory import atomic_add_f32, atomic_load, atomic_store
from hogblock.kernels.cpu.sparse import settle


@kernel
def read_counter(counters, index):
    """Shared counter number `index`; what was written before it can be read after."""
    return atomic_load(address_of(counters) + 8 * c.STRIDE * index)


@kernel
def write_counter(counters, index, value):
    """Set shared counter number `index`."""
    atomic_store(address_of(counters) + 8 * c.STRIDE * index, value)


@kernel
def sum_epoch(record, epoch):
    """Steps, sum of losses and sum of weights of an epoch, so far.

    record : float64 [workers, epochs, RECORD_WIDTH].
    """
    steps, loss, weight = 0, 0.0, 0.0
    for worker in range(record.shape[0]):
        row = record[worker, epoch]
        steps += atomic_load(address_of(row) + 8 * c.STEPS)
        loss += row[c.LOSS_SUM]
        weight += row[c.WEIGHT_SUM]
    return steps, loss, weight


@kernel
def add_atomic(params, delta):
    """params += delta with one fetch-and-add a word: no store of a worker is undone.

    A worker's own plain store may undo the addition to a word.
    """
    at = address_of(params)
    for i in range(delta.size):
        atomic_add_f32(at + 4 * i, delta[i])


@kernel
def settle_rows(params, velocity, offset, row, stamps, moves, state):
    """Bring a sparse first layer up to date with the steps of a worker that waits.

    offset, row : where its weights begin in the vector, and float32 of one row.
    """
    if stamps.size == 0:
        return
    settle(
        address_of(params) + 4 * offset, address_of(velocity) + 4 * offset, row, stamps,
        moves, state[NOW], False,
    )  # fmt: skip
    state[NOW] = 0
