"""Minibatches through the CUDA kernels: in Numba's simulator, or on a card.

With HOGBLOCK_TEST_DEVICE=cuda in the environment everything here runs on the first
card; without one the tests are skipped. Put ``pytestmark = CUDA`` into a module that
uses this one.
"""

import math

import numpy as np
import pytest

from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.availability import check_available
from hogblock.engines.devices import Cuda, simulated
from hogblock.errors import DeviceUnavailableError
from hogblock.kernels import ops as op
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.launch import as_argument, launcher_of
from hogblock.kernels.cuda.program import RunInputs, Shape, make_program
from hogblock.models.plan import make_plan
from support import naive
from support.passes import assert_same_gradient, masks_of, random_biases, round_kernels

F32 = np.float32
NONE = np.zeros(0, F32)
ON_CARD = not simulated()
GUARD = 64  # words before and behind an array
STORAGE = {"f": op.FLOAT32_ROWS, "u": op.UINT8_ROWS}


def _missing() -> str:
    """Why nothing can run here, or an empty text."""
    try:
        check_available([0])
    except DeviceUnavailableError as error:
        return str(error)
    return ""


MISSING = _missing()
CUDA = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING or "-"),
    pytest.mark.usefixtures("simulator"),
]
CARD = pytest.mark.skipif(not ON_CARD, reason="needs HOGBLOCK_TEST_DEVICE=cuda")

ONE_BLOCK = [(1, 1), (4, 1), (8, 1), pytest.param((256, 1), marks=CARD)]
TEAMS = [(8, 2), (4, 3), (1, 5), pytest.param((256, 6), marks=CARD)]
SHAPES = [*ONE_BLOCK, *TEAMS]
"""Threads of a block, and blocks of a team."""


class Guarded:
    """Copies arrays to the device, between words that are NaN."""

    def __init__(self):
        self.device = Arrays(Cuda())
        self._made = []

    def __call__(self, values):
        values = np.ascontiguousarray(values)
        words = -(-values.nbytes // 4)
        raw = np.full(words + 2 * GUARD, np.nan, F32)
        raw[GUARD : GUARD + words].view(np.uint8)[: values.nbytes] = (
            values.ravel().view(np.uint8)
        )
        raw = self.device.to_device(raw)
        self._made.append((raw, GUARD + words))
        return raw[GUARD : GUARD + words].view(values.dtype)[: values.size]

    def check(self):
        """Fail if anything was written outside an array."""
        for raw, end in self._made:
            raw = self.device.to_host(raw)
            outside = np.concatenate([raw[:GUARD], raw[end:]])
            assert np.isnan(outside).all(), "a kernel wrote outside its array"


def inputs_of(network, x, batch, *, epochs=1, rate=1.0, rates=None, rate_points=1,
             momentum=0.5, decay=0.0, stretches=((0, False, [0]),), writes=((1,),),
             team_plans=None, keys=None, team_keys=(0,), augment=None, shift=NONE,
             scale=NONE, **words):  # fmt: skip
    """Inputs of a run over rows of x; `words` are of the header, by their names.

    team_plans : of each team; by default all have all that `writes` has rows for.
    """
    batches, writes = -(-len(x) // batch), np.asarray(writes)
    if team_plans is None:
        team_plans = np.tile(np.arange(len(writes)), (len(team_keys), 1))
    header = {
        job.BATCHES: batches,
        job.SAMPLES: len(x),
        job.FEATURES: int(np.prod(x.shape[1:])),
        job.STORAGE: STORAGE[x.dtype.kind],
        job.STEPS: batches * epochs,
        job.RATE_POINTS: rate_points,
        job.PARAMETERS: network.size,
        job.STATIC: 1,
    }
    header |= {getattr(job, name.upper()): int(v) for name, v in words.items()}
    return RunInputs(
        header=header,
        stretches=list(stretches),
        team_plans=np.asarray(team_plans),
        writes=writes,
        keys=np.zeros((epochs, 2), np.uint32) if keys is None else keys,
        team_keys=np.asarray(team_keys, np.uint32),
        augment=np.zeros(6, int) if augment is None else augment,
        rates=np.full(1, rate, F32) if rates is None else np.asarray(rates, F32),
        shift=shift,
        scale=scale,
        momentum=momentum,
        decay=decay,
    )


def launch(name, grid, threads, program, arrays, *numbers):
    """Run a kernel on arrays of the device."""
    taken = tuple(as_argument(array) for array in arrays)
    launcher_of(0).launch(name, grid, threads, program.shared_bytes, taken + numbers)


class Run:
    """A program with its arrays on the device.

    Parameters
    ----------
    network : Network
    plans : list of Plan
    params : float32 [network.size]
    x : uint8 or float32 [samples, ...]
    targets : int32 or float32
    shape : (threads of a block, blocks of a team)
    batch : int
    weights : float32 [samples], default=none
    teams : int
    program : Program, default=None
        In place of one that is made as `how` says.
    how : see `inputs_of`
    """

    def __init__(self, network, plans, params, x, targets, shape, batch, *,
                 weights=NONE, teams=1, program=None, **how):  # fmt: skip
        self.network, self.plans = network, plans
        self.threads, self.blocks = shape
        self.teams, self.samples = teams, len(x)
        if program is None:
            how |= {"weighted": weights.size > 0}
            inputs = inputs_of(network, x, batch, **how)
            sizes = Shape(teams, self.blocks, self.threads)
            program = make_program(plans, sizes, batch, inputs)
        self.program = program
        self.epochs = self.header(job.STEPS) // self.header(job.BATCHES)
        self.guarded = put = Guarded()
        size = self.program.work_size
        self.arrays = {
            "table": put(self.program.table),
            "reals": put(self.program.reals),
            "params": put(F32(params)),
            "velocity": put(np.zeros(teams * network.size, F32)),
            "work": put(np.zeros(teams * size, F32)),
            "x": put(x.reshape(-1).view(np.uint8)),
            "targets": put(np.ascontiguousarray(targets).reshape(-1).view(np.int32)),
            "weights": put(weights),
            "words": put(self.program.initial_words()),
            "record": put(np.zeros(teams * self.epochs * job.RECORD_WIDTH, F32)),
        }

    # Running ----------------------------------------------------------------------

    def _launch(self, name, grid, *more):
        launch(
            name, grid, self.threads, self.program, self.arrays.values(),
            *map(np.int32, more),
        )  # fmt: skip

    def train(self, limit):
        """All teams by one launch, until the tickets reach `limit`."""
        if not ON_CARD and self.blocks > 1:
            raise ValueError("the simulator runs the blocks one after another")
        self._launch("train", self.teams * self.blocks, limit)

    def begin(self, team=0, limit=2**30):
        """Draw a ticket for a team's next step."""
        self._launch("one_phase", 1, team, limit, 1)

    def phase(self, k, team=0, plan=0):
        """The k-th phase of a plan."""
        start = self.header(job.PLANS_AT) + plan * job.PLAN_WIDTH
        p = int(self.program.table[start]) + k * ph.PHASE_WIDTH
        self._launch("one_phase", self.blocks, team, p, 0)

    def end(self, team=0):
        """Count the step that a team has done."""
        self._launch("one_phase", 1, team, 0, 2)

    def step(self, team=0, plan=0, limit=2**30):
        """A team's next step, phase by phase; the plan must be that of its turn."""
        self.begin(team, limit)
        for k in range(len(self.program.phases[plan])):
            self.phase(k, team, plan)
        self.end(team)

    def go(self, tickets, plan=0):
        """The only team's steps up to a ticket, the way that is possible here."""
        if ON_CARD or self.blocks == 1:
            self.train(tickets)
            return
        while self.word(ph.DRAWN) < tickets:
            self.step(plan=plan)

    # What it left -----------------------------------------------------------------

    def header(self, column):
        return int(self.program.table[column])

    def host(self, name):
        """Copy of an array."""
        return self.guarded.device.to_host(self.arrays[name])

    def set(self, name, values):
        """Overwrite an array."""
        self.arrays[name][:] = self.guarded.device.to_device(
            np.broadcast_to(values, self.arrays[name].shape)
        )

    def word(self, number, team=0):
        """One of a team's own words."""
        at = self.header(job.TEAMS_AT) + team * self.header(job.TEAM_WIDTH)
        return int(self.host("words")[at + number])

    @property
    def params(self):
        return self.host("params")

    def velocity(self, team=0):
        return self.host("velocity").reshape(self.teams, -1)[team]

    def work(self, team=0):
        return self.host("work").reshape(self.teams, -1)[team]

    def record(self):
        """[teams, epochs, RECORD_WIDTH]"""
        return self.host("record").reshape(self.teams, self.epochs, job.RECORD_WIDTH)

    def loss(self, epoch=0):
        """Mean loss of an epoch."""
        total = self.record()[:, epoch].sum(axis=0)
        return total[job.LOSS_SUM] / total[job.WEIGHT_SUM]

    def buffer(self, offset, row, rows, team=0):
        """Rows of the work space."""
        return self.work(team)[offset : offset + rows * row].reshape(rows, row)

    def outputs(self, rows, team=0):
        row = self.header(job.OUTPUT_ROW)
        buffer = self.buffer(self.header(job.OUTPUT_AT), row, rows, team)
        return buffer[:, : self.header(job.OUTPUTS)]

    def gathered(self, rows, team=0):
        """The minibatch as the network sees it."""
        row = self.header(job.X_ROW)
        buffer = self.buffer(self.header(job.X_AT), row, rows, team)
        return buffer[:, : self.header(job.FEATURES)]

    def masks(self, rows, team=0):
        """What each Dropout of the first plan multiplied by."""
        return masks_of(
            self.network, self.plans[0],
            lambda at, row: self.buffer(at, row, rows, team),
        )  # fmt: skip

    def forward_phases(self, plan=0):
        """How many phases of a plan come before the loss."""
        at = self.header(job.PLANS_AT) + plan * job.PLAN_WIDTH
        return int(self.program.table[at + job.PLAN_FORWARD])

    def draws(self, plan=0):
        """Random numbers of dropout that a plan takes for a sample."""
        at = self.header(job.PLANS_AT) + plan * job.PLAN_WIDTH
        return int(self.program.table[at + job.PLAN_DRAWS])

    def indices(self, rows, team=0):
        """Samples of the minibatch."""
        at = self.header(job.INDICES_AT) + team * self.header(job.BATCH)
        return self.host("words")[at : at + rows]

    def staleness(self):
        """Ages of what was read and of what was written, [2, blocks, bins]."""
        shape = 2, self.header(job.BLOCKS), self.header(job.BINS)
        at = self.header(job.STALENESS_AT)
        return self.host("words")[at : at + math.prod(shape)].reshape(shape)

    def writes(self):
        """How often each block of the vector was written."""
        count = self.header(job.BLOCKS)
        return self.host("words")[job.WRITTEN : job.WRITTEN + count]

    def check(self):
        self.guarded.check()
        assert not self.host("words")[job.FAILED]


def make_problem(network, random, rows, loss="squared_error", rounded=False):
    """Parameters (biases too), images or rows, and targets."""
    params = network.initialise(np.random.RandomState(random.integers(2**31)))
    random_biases(network, params, random)
    x = random.standard_normal((rows, *network.input_shape), F32)
    if rounded:
        round_kernels(network, params, random)
        x = random.integers(-3, 4, x.shape).astype(F32) / F32(4)
    (n_out,) = network.output_shape
    if loss == "softmax":
        return params, x, random.integers(n_out, size=rows, dtype=np.int32)
    if loss == "logistic":
        return params, x, random.integers(2, size=(rows, n_out)).astype(F32)
    return params, x, random.standard_normal((rows, n_out), F32)


def used_run(network, plans, random, shape, rows, batch, *, loss="squared_error",
             rounded=False, **how):  # fmt: skip
    """A run whose next minibatch, its second and last, has `rows` samples.

    The first one was whole and left parameters as they were: by turns it was of large
    values and weighed nothing, or of NaN and went forward only. What of the work space
    a step does not write anew must be what it was at the beginning.
    """
    params, x, targets = make_problem(network, random, rows, loss, rounded)
    before = random.normal(0, 10, (batch, *network.input_shape)).astype(F32)
    forward_only = random.random() < 0.5
    if forward_only:
        before[:] = np.nan
    behind = np.zeros((batch, *targets.shape[1:]), targets.dtype)
    run = Run(
        network, plans, params, np.concatenate([before, x]),
        np.concatenate([behind, targets]), shape, batch,
        weights=np.repeat(F32([0, 1]), [batch, rows]), **how,
    )  # fmt: skip
    if forward_only:
        run.begin()
        for k in range(run.forward_phases()):
            run.phase(k)
    else:
        run.go(1)
    np.testing.assert_array_equal(run.params, params)
    assert not run.velocity().any()
    run.set("record", 0)
    return run, params, x, targets


def check_network(network, random, shape, *, rows=3, batch=5, loss="squared_error",
                  rounded=False):  # fmt: skip
    """Outputs, loss and gradient of a short last minibatch against the twin.

    After its first step the velocity is the gradient.
    """
    plan = make_plan(network, batch, loss)
    run, params, x, targets = used_run(
        network, [plan], random, shape, rows, batch, loss=loss, rounded=rounded
    )
    run.go(2)
    masks = run.masks(rows)
    outputs = naive.network_outputs(network, params, x, masks)[-1]
    size = np.abs(outputs).max()
    found = run.outputs(rows)
    np.testing.assert_allclose(found, outputs, rtol=1e-5, atol=1e-5 * size)
    value, expected = naive.network_gradient(
        network, params, x, targets, loss, masks=masks
    )
    np.testing.assert_allclose(run.loss(), value, rtol=1e-5, atol=1e-6)
    gradient = run.velocity()
    assert_same_gradient(network, gradient, expected)
    np.testing.assert_allclose(run.params, params - gradient, rtol=1e-6, atol=1e-6)
    run.check()
    return run
