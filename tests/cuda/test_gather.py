"""The minibatch: its samples, their order, scaling and augmentation, as on a CPU."""

import numpy as np
import pytest

from hogblock.augmentation import Augmentation
from hogblock.engines.cuda.pack import epoch_keys
from hogblock.kernels.cpu.augment import augment_rows
from hogblock.kernels.cpu.gather import gather_rows
from hogblock.kernels.cpu.random import mix_keys, permuted
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.ops import FLOAT32_ROWS, UINT8_ROWS
from hogblock.models import Dense, Flatten, Network
from hogblock.models.plan import make_plan
from support.cuda_pass import CUDA, SHAPES, Run, make_problem

pytestmark = CUDA

F32 = np.float32
NONE = np.zeros(0, F32)
LINEAR = Network([Dense(1)], (3,))


def run_over(x, shape=(4, 1), batch=4, network=LINEAR, **how):
    """A run that only gathers what it is told to."""
    plan = make_plan(network, batch, "squared_error")
    targets = np.zeros((len(x), 1), F32)
    return Run(network, [plan], np.zeros(network.size, F32), x, targets, shape, batch,
               **how)  # fmt: skip


def gather(run, team=0):
    """The team's next minibatch: indices and rows, without the rest of the step."""
    run.begin(team)
    run.phase(0, team)
    ticket, batch = run.word(ph.TICKET, team), run.header(job.BATCH)
    start = ticket % run.header(job.BATCHES) * batch
    rows = min(batch, run.samples - start)
    return run.indices(rows, team), run.gathered(rows, team)


def words(keys):
    """uint64 keys as kernels take them."""
    return np.ascontiguousarray(keys, np.uint64).view(np.uint32)


# Order ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 17, 63])
def test_the_shuffled_order_is_that_of_a_cpu(random, n):
    x, order = random.standard_normal((n, 3), F32), int(random.integers(2**62))
    keys = words(epoch_keys(order, np.arange(2)))
    run = run_over(x, (8, 2), 16, epochs=2, keys=keys, shuffle=True)
    for epoch in range(2):
        key = mix_keys(order, epoch)
        wanted = np.array([permuted(i, n, key) for i in range(n)])
        parts = [gather(run) for _ in range(-(-n // 16))]
        np.testing.assert_array_equal(np.concatenate([i for i, _ in parts]), wanted)
        np.testing.assert_array_equal(np.concatenate([r for _, r in parts]), x[wanted])


def test_every_team_has_an_order_of_its_own(random):
    x, order = random.standard_normal((20, 3), F32), 12345
    keys = epoch_keys(epoch_keys(order, np.arange(2))[None], np.array([[1], [2]]))
    run = run_over(x, batch=20, epochs=2, teams=2, team_keys=[0, 0], shuffle=True,
                   keys=words(keys), team_epochs=True)  # fmt: skip
    orders = []
    for epoch in range(2):
        for team in range(2):
            key = mix_keys(mix_keys(order, epoch), team + 1)
            wanted = [permuted(i, 20, key) for i in range(20)]
            orders.append(gather(run, team)[0])
            np.testing.assert_array_equal(orders[-1], wanted)
    assert len({tuple(o) for o in orders}) == 4


def test_without_shuffling_the_order_is_that_of_the_rows(random):
    x = random.standard_normal((11, 3), F32)
    run = run_over(x, batch=4, epochs=2)
    found = np.concatenate([gather(run)[0] for _ in range(6)])
    np.testing.assert_array_equal(found, [*range(11)] * 2)


# Values -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("storage", [UINT8_ROWS, FLOAT32_ROWS])
@pytest.mark.parametrize("scaled", [False, True])
def test_rows_are_those_of_a_cpu(aligned, random, shape, storage, scaled):
    x = random.integers(0, 256, (9, 37), np.uint8)
    if storage == FLOAT32_ROWS:
        x = random.standard_normal(x.shape, F32)
    shift, scale = (random.standard_normal(37 * scaled, F32) for _ in range(2))
    network = Network([Dense(1)], (37,))
    run = run_over(x, shape, 6, network, shift=shift, scale=scale)
    for indices in (np.arange(6), np.arange(6, 9)):
        wanted = aligned.zeros(6, 37)
        gather_rows(
            x.ctypes.data, storage, 37, indices, len(indices), shift, scale,
            np.zeros(0), np.zeros(0), wanted.ctypes.data, wanted.shape[1],
        )  # fmt: skip
        np.testing.assert_array_equal(gather(run)[1], wanted[: len(indices), :37])


def test_many_features_and_many_rows(random):
    """More than a tile of the gather has, either way."""
    for n, features in ((3, 2100), (70, 40)):
        x = random.integers(0, 256, (n, features), np.uint8)
        run = run_over(x, (8, 2), n, Network([Dense(1)], (features,)))
        assert run.program.phases[0][0].row[ph.TILES] > 1
        np.testing.assert_array_equal(gather(run)[1], x)


# Augmentation -----------------------------------------------------------------------

HOWS = [
    Augmentation(pad=1),
    Augmentation(flip=True),
    Augmentation(cutout=3),
    Augmentation(pad=2, flip=True, cutout=2),
]


def augmented(aligned, x, how, key, counter, shift=NONE, scale=NONE):
    """What a CPU makes of images."""
    size = x[0].size
    rows = aligned.zeros(len(x), size)
    gather_rows(
        x.ctypes.data, UINT8_ROWS, size, np.arange(len(x)), len(x), shift, scale,
        np.zeros(0), np.zeros(0), rows.ctypes.data, rows.shape[1],
    )  # fmt: skip
    augment_rows(rows.ctypes.data, rows.shape[1], len(x), how.words(x.shape[1:]), key,
                 counter)  # fmt: skip
    return rows[:, :size]


@pytest.mark.parametrize("how", HOWS, ids=str)
@pytest.mark.parametrize("key, shape", [(7, (8, 1)), (2**32 - 1, (4, 3))])
def test_augmentation_is_that_of_a_cpu(aligned, random, how, key, shape):
    """Minibatch after minibatch, of a short one too; of scaled images."""
    x = random.integers(0, 256, (9, 4, 5, 2), np.uint8)
    shift, scale = (random.standard_normal(40, F32) for _ in range(2))
    network = Network([Flatten(), Dense(1)], x.shape[1:])
    run = run_over(
        x, shape, 6, network, epochs=2, augment=how.words(x.shape[1:]),
        team_keys=[key], shift=shift, scale=scale,
    )  # fmt: skip
    seen = 0
    for part in (slice(0, 6), slice(6, 9), slice(0, 6)):
        _, found = gather(run)
        run.end()
        wanted = augmented(aligned, x[part], how, key, seen, shift, scale)
        np.testing.assert_array_equal(found, wanted)
        seen += len(wanted)
        assert run.word(ph.AUGMENT_COUNTER) == seen


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_long_run_goes_on_with_augmentation(aligned, random):
    """Its counter has 32 bits, and is negative half the time."""
    x = random.integers(0, 256, (6, 3, 3, 1), np.uint8)
    network, how = Network([Flatten(), Dense(1)], (3, 3, 1)), HOWS[-1]
    run = run_over(x, (4, 1), 6, network, augment=how.words((3, 3, 1)))
    at = run.header(job.TEAMS_AT) + ph.AUGMENT_COUNTER
    run.arrays["words"][at] = -(2**31) + 3
    wanted = augmented(aligned, x, how, 0, 2**31 + 3)
    np.testing.assert_array_equal(gather(run)[1], wanted)


# Copies of the parameters -------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 1), (4, 3)])
def test_a_step_reads_its_copy_of_the_parameters(random, shape):
    """Others may write meanwhile: the step is that of what was copied."""
    network = Network([Dense(3, "tanh"), Dense(2)], (4,))
    params, x, targets = make_problem(network, random, 3)
    plan = make_plan(network, 3, "squared_error")
    both = [
        Run(network, [plan], params, x, targets, shape, 3, copy_at=at) for at in (-1, 0)
    ]
    plain, copied = both
    plain.step()
    copied.begin()
    for k, phase in enumerate(copied.program.phases[0]):
        copied.phase(k)
        if phase.row[ph.PHASE] == ph.COPY_PARAMETERS:
            copied.set("params", 0)
    np.testing.assert_array_equal(copied.velocity(), plain.velocity())
    np.testing.assert_array_equal(copied.params, -plain.velocity())
