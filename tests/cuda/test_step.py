"""What a team does next: tickets, plans, counters; and whole runs of several teams."""

from types import SimpleNamespace

import numpy as np
import pytest

from hogblock import methods
from hogblock.engines.cpu.pack import tasks_of
from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.pack import program_of
from hogblock.engines.cuda.predict import outputs_of
from hogblock.engines.devices import Cuda
from hogblock.kernels.counters import STALENESS_BINS
from hogblock.kernels.cpu.draw import choose_plan
from hogblock.kernels.cpu.job import DRAWN, STATE_WIDTH
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda import phases as ph
from hogblock.kernels.cuda.program import Shape
from hogblock.models import Conv2D, Dense, Dropout, Flatten, MaxPool2D, Network
from hogblock.models.plan import make_plan
from hogblock.training.run_plan import make_run_plan
from hogblock.training.scaling import Scaling
from hogblock.training.settings import Settings, TrainingData
from support import naive
from support.cuda_pass import CARD, CUDA, Run, make_problem

pytestmark = CUDA

F32 = np.float32
NETWORK = Network([Dense(4, "tanh"), Dense(3), Dense(2)], (3,))


def idle_run(random, *, samples=8, batch=2, plans=1, **how):
    """A run of whose steps only begin and end are wanted."""
    params, x, targets = make_problem(NETWORK, random, samples)
    plan = make_plan(NETWORK, batch, "squared_error")
    return Run(NETWORK, [plan] * plans, params, x, targets, (4, 1), batch, **how)


def begin(run, team=0, limit=2**30):
    """The ticket that a team draws."""
    run.begin(team, limit)
    return run.word(ph.TICKET, team)


# Tickets ----------------------------------------------------------------------------


def test_tickets_go_round_the_teams(random):
    run = idle_run(random, teams=3, team_keys=[0] * 3)
    for turn in range(3):
        for team in (2, 0, 1):
            assert begin(run, team) == team + 3 * turn


def test_tickets_are_drawn_by_whoever_is_free(random):
    run = idle_run(random, teams=3, team_keys=[0] * 3, static=False)
    order = [2, 2, 0, 1, 2, 0]
    assert [begin(run, team) for team in order] == list(range(6))


def test_each_team_has_all_the_minibatches(random):
    how = {"team_epochs": True, "keys": np.zeros((2, 1, 2), np.uint32)}
    run = idle_run(random, teams=2, team_keys=[0, 0], **how)
    assert [begin(run, team) for team in (0, 0, 1, 0, 1)] == [0, 1, 0, 2, 1]


def test_the_limit_stops_a_team_and_its_ticket_waits(random):
    for static in (True, False):
        run = idle_run(random, static=static)
        assert [begin(run, limit=2) for _ in range(4)] == [0, 1, -1, -1]
        assert [begin(run, limit=3) for _ in range(2)] == [2, -1]


def test_servers_share_the_tickets(random):
    """Each has every so-many-th minibatch; a ticket over the limit is not lost."""
    for static in (True, False):
        run = idle_run(random, servers=3, server=1, static=static)
        assert [begin(run, limit=6) for _ in range(3)] == [1, 4, -1]
        assert [begin(run, limit=8) for _ in range(2)] == [7, -1]


def test_a_run_that_failed_goes_no_further(random):
    run = idle_run(random)
    run.arrays["words"][job.FAILED] = 1
    assert begin(run) == -1
    run.phase(0)
    run.end()
    assert run.writes().sum() == 0


# Plans ------------------------------------------------------------------------------

METHODS = [
    methods.SGD(),
    methods.Hogwild(),
    methods.PASSM(),
    methods.PASSM(random_blocks=2),
    methods.PASSMPlus(),
    methods.PASSMPlus(alternate=False, warmup_fraction=0.5),
    methods.PASSMPlus(switch_epochs=(1, 2)),
    methods.PASSMPlus(random_blocks=2),
    methods.PASSMPlus(scope="suffix"),
    methods.PASSMPlus(scope="suffix", random_blocks=2),
    methods.PASSMPlus(scope=methods.From(-1)),
    methods.Mixed(
        mix=((0, {"full": 1}), (0.5, {"own": 0.5, "suffix": 0.3, methods.From(1): 0.2}))
    ),
]


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_plans_are_those_of_a_cpu(random, method):
    """Seen in which blocks of parameters a step counts as written."""
    teams, epochs, batch = 1 if method.one_worker else 2, 3, 4
    params, x, targets = make_problem(NETWORK, random, 12)
    settings = Settings(
        method=method, workers=teams, batch=batch, epochs=epochs, loss="squared_error",
        rate=np.zeros(1, F32), rate_points=1, momentum=0.5, nesterov=False,
        shuffle=True, alpha=0.0, seed=3,
    )  # fmt: skip
    data = TrainingData(x, targets, *[np.zeros(0, F32)] * 3)
    plan = make_run_plan(NETWORK, data, settings)
    program = program_of(plan, Shape(teams, 1, 4), Cuda(), static=True)
    run = Run(NETWORK, None, params, x, targets, (4, 1), batch, teams=teams,
              program=program)  # fmt: skip
    plans = [task.plans for task in tasks_of(plan)]
    at = run.header(job.TEAM_KEYS_AT)
    keys = program.table[at : at + teams].view(np.uint32)
    for ticket in range(9):
        team = ticket % teams
        worker = SimpleNamespace(state=np.zeros(STATE_WIDTH, int), key=int(keys[team]))
        worker.state[DRAWN] = ticket // teams + 1
        chosen = choose_plan.py_func(worker, plans[team], ticket)
        before = run.writes()
        assert begin(run, team) == ticket
        run.end(team)
        wanted = plans[team].writes[chosen]
        np.testing.assert_array_equal(run.writes() - before, wanted)


# Counters ---------------------------------------------------------------------------


def test_staleness_is_what_others_wrote_meanwhile(random):
    """Of each block by itself: the second team writes only the second block, and reads
    both."""
    run = idle_run(
        random, teams=2, team_keys=[0, 0], plans=3, stretches=[(0, False, [1])],
        team_plans=[[0, 1], [0, 2]], writes=[[1, 1], [1, 1], [0, 1]],
    )  # fmt: skip
    for team in (0, 1):
        run.begin(team)
    for team in (1, 0):
        run.end(team)
    read, written = run.staleness()
    assert read[:, :2].tolist() == [[2, 0], [1, 1]] and read.sum() == 4
    assert written[:, :2].tolist() == [[1, 0], [1, 1]] and written.sum() == 3
    assert run.writes().tolist() == [1, 2]


def test_very_stale_steps_share_the_last_bin(random):
    run = idle_run(random, teams=2, team_keys=[0, 0], samples=200)
    run.begin(0)
    words, at = run.host("words"), job.WRITTEN
    words[at] += STALENESS_BINS + 9
    run.set("words", words)
    run.end(0)
    for ages in run.staleness():
        assert ages[0, -1] == 1 and ages.sum() == 1


@pytest.mark.parametrize("static", [True, False])
def test_teams_train_together(random, static):
    """All minibatches once an epoch; plain steps too small to matter to each other."""
    params, x, targets = make_problem(NETWORK, random, 11)
    plan = make_plan(NETWORK, 2, "squared_error")
    rate = 2.0**-12
    run = Run(
        NETWORK, [plan], params, x, targets, (4, 1), 2, teams=3, epochs=2,
        team_keys=[0] * 3, rate=rate, momentum=0.0, static=static,
    )  # fmt: skip
    for limit in (5, 12):
        run.train(limit)
    gradients = [
        naive.network_gradient(
            NETWORK, params, x[k : k + 2], targets[k : k + 2], "squared_error"
        )[1]
        for k in range(0, 11, 2)
    ]
    moved = (params - run.params) / rate
    np.testing.assert_allclose(moved, 2 * sum(gradients), rtol=0.02, atol=0.02)
    record = run.record()
    assert record[:, :, job.STEPS_DONE].sum(axis=0).tolist() == [6, 6]
    assert record[:, :, job.WEIGHT_SUM].sum(axis=0).tolist() == [11, 11]
    assert run.writes().tolist() == [12] and run.staleness().sum() == 24
    run.check()


@CARD
@pytest.mark.parametrize("shape", [(256, 1), (256, 6), (32, 17)])
def test_teams_of_several_blocks_train_together(random, shape):
    """Barriers of many steps, and launches that go on where the last one ended."""
    params, x, targets = make_problem(NETWORK, random, 128)
    plan = make_plan(NETWORK, 4, "squared_error")
    run = Run(
        NETWORK, [plan], params, x, targets, shape, 4, teams=5, epochs=50,
        team_keys=[0] * 5, rate=0.01, static=False,
    )  # fmt: skip
    for limit in range(32, 1601, 32):
        run.train(limit)
    assert run.writes().tolist() == [1600] and run.loss(49) < run.loss(0)
    run.check()


# Prediction -------------------------------------------------------------------------

CONVNET = Network(
    [Conv2D(3, 2), MaxPool2D(2), Dropout(0.5), Flatten(), Dense(2)], (4, 5, 2)
)


@pytest.mark.parametrize(
    "network, n", [(NETWORK, 1), (NETWORK, 200), (CONVNET, 1), (CONVNET, 66)]
)
def test_predictions_are_the_outputs_of_the_twin(random, network, n):
    """Nothing is dropped; the last chunk is short, and teams take turns."""
    params, x, _ = make_problem(network, random, n)
    device = Arrays(Cuda())
    rows = device.to_device(x.reshape(n, -1))
    found = outputs_of(network, params, rows, Scaling.none(), Cuda(threads=4))
    expected = naive.network_outputs(network, params, x)[-1]
    size = np.abs(expected).max()
    np.testing.assert_allclose(
        device.to_host(found), expected, rtol=1e-4, atol=1e-5 * size
    )
