"""A run on a CUDA device from outside: stops, Ctrl-C, failures, limits."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hogblock import Cuda, MLPClassifier
from hogblock.engines.cuda import memory, pack, training
from hogblock.engines.cuda.card import Card
from hogblock.engines.cuda.timing import FIRST_STEPS, SECONDS_AT_ONCE, Pace
from hogblock.engines.devices import simulated
from hogblock.errors import DeviceMemoryError, WorkerError
from hogblock.kernels.cuda import job
from hogblock.kernels.cuda.launch import Launcher
from hogblock.kernels.cuda.program import Shape
from hogblock.methods import Hogwild
from hogblock.models import Conv2D, Dense, GlobalAvgPool2D, GroupNorm, Network
from hogblock.training.run_plan import make_run_plan
from hogblock.training.settings import TrainingData
from support import cuda_runs as runs
from support.cuda_runs import BATCHES, CARD, NETWORK, N, Replay, Watch, fit
from support.fake_cuda import DeviceArray

pytestmark = pytest.mark.usefixtures("simulator")

WIDE = Network([Dense(1024, "relu"), Dense(3)], (1024,))

# Epochs ----------------------------------------------------------------------------


@pytest.fixture
def launched(monkeypatch):
    """Limits of the launches so far, each of a whole epoch."""
    runs.pace(monkeypatch, 64)
    limits, run_to = [], Card.run_to
    monkeypatch.setattr(
        Card, "run_to", lambda self, limit: limits.append(limit) or run_to(self, limit)
    )
    return limits


@pytest.mark.parametrize("gate", ["open", "ahead", "held"])
def test_the_next_epoch_runs_while_the_host_is_told(launched, gate):
    ahead = []
    watch = Watch(**{f"at_{k}": lambda e: ahead.append(launched[-1]) for k in range(4)})
    fit(runs.settings(Hogwild(), 2, epochs=4, gate=gate), watch)
    of_epochs = [BATCHES * k for k in (1, 2, 3, 4)]
    assert launched == of_epochs
    assert ahead == (of_epochs if gate == "held" else [10, 15, 20, 20])
    seconds = [epoch.seconds for epoch in watch.epochs]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize(
    ("workers", "gate", "epochs"),
    [(1, "ahead", 2), (2, "held", 2), (2, "ahead", 3), (2, "open", 3)],
)
def test_a_stopped_run_has_the_parameters_of_its_last_epoch(
    launched, workers, gate, epochs
):
    """An epoch that was on the device already is finished, and counts."""
    watch = Watch(stop=1)
    chosen = runs.settings(Hogwild(), workers, epochs=9, gate=gate)
    found = fit(chosen, watch)
    assert len(found.losses) == len(watch.epochs) == epochs
    again = Replay(chosen)
    for low in range(0, epochs * BATCHES, BATCHES):
        again.team_by_team(low, low + BATCHES)
    runs.assert_close(found.params, again.params())
    np.testing.assert_array_equal(found.params, watch.params[-1])
    assert found.steps == launched[-1] == epochs * BATCHES
    assert found.samples == epochs * len(runs.X)
    assert not found.interrupted


def test_a_stopped_run_finishes_the_epoch_of_which_a_part_is_done(monkeypatch):
    runs.pace(monkeypatch, 2)
    found = fit(runs.settings(Hogwild(), 2, epochs=9), Watch(stop=0))
    assert (len(found.losses), found.steps) == (2, 2 * BATCHES)
    assert found.loss_so_far is None


def test_rate_factor_counts_from_the_next_launch(launched):
    def freeze(epoch):
        epoch.rate_factor = 0.0

    watch = Watch(at_0=freeze)
    fit(runs.settings(Hogwild(), 2, epochs=4, momentum=0.0), watch)
    first, second, third, last = watch.params
    assert not np.array_equal(first, second)  # was under way
    np.testing.assert_array_equal(third, second)
    np.testing.assert_array_equal(last, second)


def test_launches_take_about_as_long_as_they_should():
    pace = Pace()
    pace.learn(pace.steps, 1e-9)
    assert pace.steps == 4 * FIRST_STEPS
    pace.learn(100, 100.0)
    assert pace.steps == 1
    pace.learn(1, SECONDS_AT_ONCE / 3)
    assert pace.steps == 3


def test_progress_is_told():
    told = []
    fit(runs.settings(epochs=2), progress=told.append)
    assert told == [N, 2 * N]


# Ctrl-C and failures ---------------------------------------------------------------


def raising(error):
    def answer(*_):
        raise error

    return answer


def test_ctrl_c_of_a_callback_keeps_the_run_so_far(launched):
    watch = Watch(at_1=raising(KeyboardInterrupt))
    chosen = runs.settings(Hogwild(), 2, epochs=9)
    found = fit(chosen, watch)
    assert found.interrupted and len(found.losses) == 3
    again = Replay(chosen)
    for low in (0, 5, 10):
        again.team_by_team(low, low + 5)
    runs.assert_close(found.params, again.params())
    assert found.steps == found.updates_per_block[0] == 15


@pytest.mark.parametrize("device", [CARD, Cuda(threads=1, launch="graph")])
def test_ctrl_c_during_a_launch(monkeypatch, device):
    runs.pace(monkeypatch, 2)
    launch, left = Launcher.launch, [3 if device is CARD else 60]

    def interrupted(self, *arguments):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        launch(self, *arguments)

    monkeypatch.setattr(Launcher, "launch", interrupted)
    found = fit(runs.settings(), device=device)
    assert found.interrupted and found.losses == []
    assert 0 < found.steps < BATCHES
    assert np.isfinite(found.loss_so_far)
    assert np.isfinite(found.params).all() and found.velocity.any()


def test_other_errors_wait_for_the_device(monkeypatch):
    waits = []
    monkeypatch.setattr(Card, "synchronise", lambda self: waits.append(self))
    with pytest.raises(ZeroDivisionError):
        fit(runs.settings(Hogwild(), 2), Watch(at_0=raising(ZeroDivisionError)))
    assert len(waits) == 1


def lose_blocks(monkeypatch):
    """The next launch fails, as if blocks had waited for each other in vain."""
    run_to = Card.run_to

    def failing(self, limit):
        span = run_to(self, limit)
        self.memory.words[job.FAILED] = 1
        return span

    monkeypatch.setattr(Card, "run_to", failing)


@pytest.mark.parametrize("interrupted", [False, True])
def test_lost_blocks_are_an_error(monkeypatch, interrupted):
    lose_blocks(monkeypatch)
    if interrupted:
        finish, waits = training.Training._finish, [raising(KeyboardInterrupt)]
        monkeypatch.setattr(
            training.Training,
            "_finish",
            lambda *arguments: (waits.pop() if waits else finish)(*arguments),
        )
    with pytest.raises(WorkerError, match="blocks of a worker on cuda:3 waited for"):
        fit(runs.settings(), device=Cuda(3, threads=2))


Y = runs.LABELS


def classifier(**changes):
    plan = dict(max_iter=2, learning_rate="cosine", batch_size=6, random_state=0)
    return MLPClassifier((4,), device=CARD, **plan | changes)


def public(model):
    return {k: v for k, v in vars(model).items() if k.endswith("_")}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({}, WorkerError, "waited for each other in vain"),
        ({"learning_rate_init": 1e9}, ValueError, "diverged: .* not finite in epoch"),
    ],
    ids=["lost", "diverged"],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_failed_fit_leaves_a_fitted_model_as_it_was(
    monkeypatch, changes, error, message
):
    model = classifier().fit(runs.X, Y)
    before = public(model) | {"outputs": model.predict_proba(runs.X)}
    if not changes:
        lose_blocks(monkeypatch)
    with pytest.raises(error, match=message):
        model.set_params(max_iter=6, **changes).fit(runs.X, Y)
    after = public(model) | {"outputs": model.predict_proba(runs.X)}
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_equal(after[name], value)


# Limits ----------------------------------------------------------------------------


@pytest.fixture
def nothing_allocated(monkeypatch):
    monkeypatch.setattr(training, "Memory", lambda *_: pytest.fail("memory was used"))


@pytest.fixture
def card(monkeypatch):
    """A card that holds 264 blocks at once."""
    launcher = SimpleNamespace(resident_blocks=lambda name, threads, shared: 264)
    monkeypatch.setattr(training, "simulated", lambda: False)
    monkeypatch.setattr(training, "launcher_of", lambda device: launcher)


def shape_of(workers, device, persistent=True, sharing=1, network=NETWORK):
    plan = make_run_plan(network, runs.DATA, runs.settings(Hogwild()))
    plan = replace(plan, settings=replace(plan.settings, workers=workers))
    return training.shape_of(plan, device, persistent, sharing)


@pytest.mark.parametrize("network", [NETWORK, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize(("workers", "sharing"), [(1, 1), (8, 1), (8, 2), (132, 2)])
def test_blocks_that_the_engine_chooses_fit_the_card(card, workers, sharing, network):
    shape = shape_of(workers, Cuda(), sharing=sharing, network=network)
    assert (shape.teams, shape.threads) == (workers, 8)
    assert 1 <= shape.thread_blocks <= 264 // sharing // workers


def test_wider_networks_get_more_blocks(card):
    narrow, wide = (
        shape_of(8, Cuda(), network=n).thread_blocks for n in (NETWORK, WIDE)
    )
    assert narrow < wide


@pytest.mark.parametrize(
    ("workers", "blocks", "persistent"),
    [(2, 132, True), (2, 200, False), (264, 1, True)],
)
def test_blocks_that_the_user_chooses(card, workers, blocks, persistent):
    device = Cuda(blocks_per_worker=blocks, threads=8)
    assert shape_of(workers, device, persistent) == Shape(workers, blocks, 8)


@pytest.mark.parametrize(
    ("workers", "blocks", "sharing", "words"),
    [
        (5, 60, 1, ("5 workers", "blocks_per_worker=60", "300 thread blocks", "264")),
        (265, None, 1, ("265 workers", "blocks_per_worker=1", "cuda:1 holds 264")),
        (3, 50, 2, ("150 thread blocks of 4 threads", "holds 132 at once", "graph")),
    ],
)
def test_too_many_blocks(card, workers, blocks, sharing, words):
    device = Cuda(1, blocks_per_worker=blocks, threads=4)
    with pytest.raises(ValueError) as error:
        shape_of(workers, device, True, sharing)
    for word in words:
        assert word in str(error.value)


def test_the_simulator_says_what_it_cannot_do(nothing_allocated):
    assert simulated()
    with pytest.raises(ValueError, match=r"blocks_per_worker=3 .* use launch='graph'"):
        fit(runs.settings(), device=Cuda(blocks_per_worker=3))


@pytest.mark.parametrize(
    ("most", "words"),
    [
        (9, ("10 minibatches of the run", "at most 9")),
        (20, ("22 samples", "at most 20")),
        (2000, ("float32 of a worker's work space with batch_size=5", "at most 2000")),
    ],
)
def test_too_large_a_run(monkeypatch, nothing_allocated, most, words):
    monkeypatch.setattr(pack, "LARGEST", most)
    with pytest.raises(ValueError) as error:
        fit(runs.settings())
    for word in words:
        assert word in str(error.value)


def test_too_wide_an_image(nothing_allocated):
    layers = [Conv2D(4096, 1), GroupNorm(8), GlobalAvgPool2D(), Dense(3)]
    network = Network(layers, (1, runs.FEATURES, 1))
    with pytest.raises(
        ValueError, match=r"widest normalisation needs \d\d KiB .* 48 KiB are"
    ):
        fit(runs.settings(), network=network)


@pytest.mark.parametrize("there", [False, True])
def test_too_little_memory(monkeypatch, there):
    cuda = SimpleNamespace(runtime=SimpleNamespace(memGetInfo=lambda: (2**20, 2**30)))
    pool = SimpleNamespace(free_all_blocks=lambda: None)
    xp = SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: pool)
    monkeypatch.setattr(memory, "simulated", lambda: False)
    x = np.zeros((300_000, runs.FEATURES), np.float32)
    arrays = SimpleNamespace(device=CARD, xp=xp, current=memory.Arrays(CARD).current)
    data = TrainingData(
        memory.Arrays(CARD).wrap(DeviceArray(x)) if there else x,
        np.zeros(len(x), np.int32),
        *[runs.NONE] * 3,
    )
    chosen = runs.settings(Hogwild(), 2, epochs=1)
    program = pack.program_of(
        make_run_plan(NETWORK, data, chosen), Shape(2, 1, 8), CARD
    )
    if there:  # all but X has room
        memory._check_room(arrays, program, data, NETWORK.size)
        return
    with pytest.raises(DeviceMemoryError) as error:
        memory._check_room(arrays, program, data, NETWORK.size)
    for word in ("needs 6 MiB on cuda:0", "2 workers of 0.", "1 MiB are free"):
        assert word in str(error.value)
    assert isinstance(error.value, MemoryError)
