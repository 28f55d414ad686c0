"""Whether anybody reads what somebody else has not finished writing.

Every access of every thread is noted: no two threads of a block may meet between two
barriers of the block, no two blocks between two of the team, and nobody may touch what
a phase does not declare. Copies land as late as they may.
"""

from collections import defaultdict

import numpy as np
import pytest

from hogblock.kernels.cuda import job, product, sums, thin
from hogblock.kernels.cuda import phases as ph
from hogblock.models import (
    AvgPool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    LeakyReLU,
    MaxPool2D,
    Network,
    ReLU,
    Residual,
    SpatialDropout2D,
    Tanh,
)
from hogblock.models.plan import make_plan
from support import naive
from support.cuda_pass import CUDA, ON_CARD, Run, make_problem, used_run
from support.image_geometries import flattened
from support.passes import assert_same_gradient

if ON_CARD:
    pytest.skip("looks into the simulator", allow_module_level=True)

from support.cuda_watch import Watch, conflict

pytestmark = CUDA

ALL = 1e-6
"""Thinning by which all samples of any gradient here go on."""

NETWORKS = {
    "dense": Network(
        [Tanh(), Dense(9), LeakyReLU(0.2), Dropout(0.2), Dense(17, "tanh"), Dense(1)],
        (5,),
    ),
    "long": Network([Dense(3, "tanh"), Dense(2)], (70,)),  # sums of several pieces
    "norm": flattened([GroupNorm(1, 0.1)], (2, 3, 2)),  # more threads than channels
    "pools": Network(
        [Conv2D(3, 2), ReLU(), MaxPool2D(2), DepthwiseConv2D(2), AvgPool2D(2, 1)]
        + [MaxPool2D(2, 1, "same"), SpatialDropout2D(0.3), Flatten(), Dense(2)],
        (5, 4, 1),
    ),
    "branches": Network(
        [Conv2D(2, 2), GroupNorm(2), ReLU(), Residual([Conv2D(2, 1), GroupNorm(1)])]
        + [Residual([Conv2D(3, 2, 2)], [Conv2D(3, 1, 2)]), GlobalAvgPool2D(), Dense(2)],
        (3, 3, 3),
    ),
}


def watched_step(
    monkeypatch, network, random, shape, rows=2, batch=3, thinning=0.0, **how
):
    """The last step of a run, and (phase, accesses of its launch) of each phase."""
    plan = make_plan(network, batch, "squared_error", thinning=thinning)
    run, params, x, targets = used_run(
        network, [plan], random, shape, rows, batch, **how
    )
    with monkeypatch.context() as patch:
        watch = Watch(patch)
        watch.launch(run.begin)
        noted = [
            (phase, watch.launch(run.phase, k))
            for k, phase in enumerate(run.program.phases[0])
        ]
        watch.launch(run.end)
    _, gradient = naive.network_gradient(
        network, params, x, targets, "squared_error", masks=run.masks(rows)
    )
    assert_same_gradient(network, run.velocity(), gradient)
    return run, noted


def work_of(run, accesses):
    """Accesses to the work space but for the sum of the weights, which all look at."""
    shared = run.header(job.LOSSES_AT) + run.header(job.BATCH)
    return {
        place: some for place, some in accesses.items()
        if not isinstance(place[0], tuple) and place != ("work", shared)
    }  # fmt: skip


def assert_blocks_do_not_meet(run, noted):
    since = defaultdict(set)
    for phase, accesses in noted:
        if phase.row[ph.BARRIER]:
            since.clear()
        for place, some in work_of(run, accesses).items():
            since[place] |= {(block, value) for block, _, _, value in some}
            assert not conflict(since[place]), (ph.NAMES[phase.row[ph.PHASE]], place)


def assert_declared(run, noted):
    def inside(word, ranges):
        return any(start <= word < start + size for start, size in ranges)

    for phase, accesses in noted:
        for (where, word), some in work_of(run, accesses).items():
            if where == "work":
                name = ph.NAMES[phase.row[ph.PHASE]]
                written = any(value is not None for *_, value in some)
                assert inside(word, phase.writes) or not written, (name, word)
                used = (*phase.reads, *phase.writes)
                assert inside(word, used), (name, word)


@pytest.mark.parametrize(
    "name, shape",
    [
        ("dense", (4, 3)),
        ("dense", (8, 2)),
        ("long", (4, 1)),
        ("pools", (8, 2)),
        ("branches", (4, 3)),
        ("norm", (64, 1)),
    ],
)
def test_nobody_meets_anybody(monkeypatch, random, name, shape):
    run, noted = watched_step(monkeypatch, NETWORKS[name], random, shape)
    assert_blocks_do_not_meet(run, noted)
    assert_declared(run, noted)


def test_long_sums_that_are_cut(monkeypatch, random):
    """Of a minibatch that leaves some parts of them without a term."""
    network = flattened([Conv2D(2, 2)], (3, 3, 1))
    run, noted = watched_step(monkeypatch, network, random, (4, 9), 1, 40)
    assert max(p.row[ph.PARTS] for p, _ in noted) > 3
    assert_blocks_do_not_meet(run, noted)
    assert_declared(run, noted)


@pytest.mark.parametrize(
    "name, shape", [("dense", (4, 3)), ("dense", (8, 2)), ("branches", (4, 3))]
)
def test_thinning(monkeypatch, random, name, shape):
    """Which leaves all samples as they are, so that the gradient stays the twin's."""
    run, noted = watched_step(monkeypatch, NETWORKS[name], random, shape, 5, 7, ALL)
    assert any(p.row[ph.PHASE] == ph.THIN_ROWS for p, _ in noted)
    assert_blocks_do_not_meet(run, noted)
    assert_declared(run, noted)


def test_steps_of_one_launch(monkeypatch, random):
    """What a thread describes of the next step nobody reads any more in this one."""
    network = NETWORKS["dense"]
    params, x, targets = make_problem(network, random, 5)
    plan = make_plan(network, 2, "squared_error")
    weights = np.ones(5, np.float32)
    run = Run(network, [plan], params, x, targets, (4, 1), 2, weights=weights)
    watch = Watch(monkeypatch)
    watch.launch(run.train, 3)
    assert run.writes().tolist() == [3]


def test_copies_of_the_parameters(monkeypatch, random):
    run, noted = watched_step(monkeypatch, NETWORKS["dense"], random, (4, 3), copy_at=0)
    assert_blocks_do_not_meet(run, noted)
    assert any(p.row[ph.PHASE] == ph.COPY_PARAMETERS for p, _ in noted)


# That it would be noticed -----------------------------------------------------------


@pytest.mark.parametrize(
    "module", [product, sums, thin], ids=["product", "sums", "thin"]
)
def test_a_missing_barrier_of_a_block_is_noticed(monkeypatch, random, module):
    class Deaf:
        local = module.cuda.local

        @staticmethod
        def syncthreads():
            pass

    with monkeypatch.context() as patch:
        patch.setattr(module, "cuda", Deaf)
        with pytest.raises(AssertionError):
            watched_step(patch, NETWORKS["dense"], random, (8, 1), thinning=ALL)


def test_copies_that_nobody_waits_for_are_noticed(monkeypatch, random):
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "_wait_for_copies", lambda watch: None)
        with pytest.raises(AssertionError):
            watched_step(patch, NETWORKS["dense"], random, (4, 1))


def test_a_missing_barrier_of_a_team_is_noticed(monkeypatch, random):
    run, noted = watched_step(monkeypatch, NETWORKS["dense"], random, (4, 3))
    barriers = [phase.row for phase, _ in noted if phase.row[ph.BARRIER]]
    noticed = 0
    for row in barriers:
        row[ph.BARRIER] = 0
        try:
            assert_blocks_do_not_meet(run, noted)
        except AssertionError:
            noticed += 1
        row[ph.BARRIER] = 1
    # By chance one block may have all that two phases share.
    assert len(barriers) > 4 and noticed > len(barriers) / 2
