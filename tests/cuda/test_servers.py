"""Several CUDA devices as parameter servers.

The simulator works for one device after the other, so that the order of all steps and
of the copies between the devices is known: see ``cuda_runs.Replay``.
"""

from dataclasses import replace

import numpy as np
import pytest

from hogblock import Cuda, MLPClassifier, MLPRegressor
from hogblock.engines.cuda import servers
from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.card import Card
from hogblock.errors import WorkerError
from hogblock.kernels.cuda import job
from hogblock.methods import PASSM, From, PASSMPlus
from hogblock.models import Dense, Network
from hogblock.models.blocks import partition
from hogblock.training.run_plan import make_run_plan
from support import cuda_runs as runs
from support.cuda_runs import BATCHES, DATA, NETWORK, Replay, Watch, assert_close, fit
from support.fake_cuda import DeviceArray

pytestmark = pytest.mark.usefixtures("simulator")

TWO = (Cuda(0, threads=2), Cuda(0, threads=2))
THREE = (*TWO, Cuda(1, threads=2))


@pytest.fixture
def cards(monkeypatch):
    """Cards of the runs so far; one minibatch of a worker between two copies."""
    runs.pace(monkeypatch, 64)
    monkeypatch.setattr(servers, "MINIBATCHES_A_PUSH", 1)
    made, init = [], Card.__init__

    def remember(self, *arguments):
        init(self, *arguments)
        made.append(self)

    monkeypatch.setattr(Card, "__init__", remember)
    return made


def parts_of(count):
    return [slice(*block) for block in partition(NETWORK, count)]


def replay(chosen, count):
    """The same run on the host, and what each epoch ends in."""
    again, parts, after = Replay(chosen, servers=count), parts_of(count), []
    low = 0
    while low < again.total:
        end = (low // BATCHES + 1) * BATCHES
        high = min(end, low + count * chosen.workers)
        for server in range(count):
            again.team_by_team(low, high, server, count)
            for other in range(count):
                part = parts[server]
                again.params(other)[part] = again.params(server)[part]
        if high == end:
            pairs = enumerate(parts)
            after.append(np.concatenate([again.params(k)[part] for k, part in pairs]))
        low = high
    return again, after


@pytest.mark.parametrize(
    ("method", "workers", "devices"),
    [
        (PASSM(), 2, TWO),
        (PASSM(), 1, THREE),
        (PASSMPlus(warmup_fraction=0.5), 1, TWO),
        (PASSMPlus(warmup_fraction=0.0, scope="suffix"), 2, TWO),
        (PASSMPlus(warmup_fraction=0.0, scope="suffix", thinning=1.3), 1, THREE),
        (PASSMPlus(warmup_fraction=0.5, scope=From(1)), 1, TWO),
    ],
    ids=["passm 2x2", "passm 3x1", "passm+ 2x1", "suffix 2x2", "thin 3x1", "from 2x1"],
)
def test_servers_take_the_steps_of_a_replay(cards, method, workers, devices):
    watch, chosen = Watch(), runs.settings(method, workers)
    found = fit(chosen, watch, device=devices)
    again, after = replay(chosen, len(devices))
    for params, expected in zip(watch.params, after, strict=True):
        assert_close(params, expected)
    np.testing.assert_array_equal(found.params, watch.params[-1])
    everybody = len(devices) * workers
    assert found.workers == everybody
    assert found.velocity.shape == (everybody, NETWORK.size)
    assert_close(found.velocity, again.rows("velocity"))
    record = again.rows("record")
    np.testing.assert_array_equal(found.steps_per_worker, again.steps())
    assert found.steps == 2 * BATCHES
    sums = record.sum(0)
    np.testing.assert_allclose(found.losses, sums[:, 0] / sums[:, 1], rtol=1e-3)
    owned = make_run_plan(NETWORK, DATA, chosen, devices=len(devices)).owned
    own = [again.updates(k)[k_owned] for k, k_owned in enumerate(map(list, owned))]
    np.testing.assert_array_equal(found.updates_per_block, np.concatenate(own))
    steps = again.steps().reshape(len(devices), workers).sum(1)
    reads = np.repeat(steps, [len(k) for k in owned])
    np.testing.assert_array_equal(found.staleness.sum(1), reads)


def test_mirrors_are_the_owners_parts(cards):
    """passm: a server writes nothing but its own part, and the others receive it."""
    fit(runs.settings(PASSM(), 1, epochs=1), device=THREE)
    full = [card.memory.params for card in cards]
    assert len(full) == 3
    # The last copy came after the last step of its server, and before no other's.
    for params in full[1:]:
        np.testing.assert_array_equal(params, full[0])
    for part in parts_of(3):
        assert not np.array_equal(full[0][part], runs.start()[part])


def test_what_is_not_pushed_stays_at_home(cards, monkeypatch):
    monkeypatch.setattr(servers, "copy_between", lambda target, source: None)
    found = fit(runs.settings(PASSM(), 1, epochs=1), device=TWO)
    before, parts = runs.start(), parts_of(2)
    for rank, card in enumerate(cards):
        own, other = parts[rank], parts[1 - rank]
        np.testing.assert_array_equal(card.memory.params[other], before[other])
        assert not np.array_equal(card.memory.params[own], before[own])
        np.testing.assert_array_equal(found.params[own], card.memory.params[own])


def test_data_on_one_device_are_copied_to_the_others(cards):
    there = Arrays(Cuda(1)).wrap(DeviceArray(runs.X, 1))
    chosen = runs.settings(PASSM(), 1, epochs=1)
    fit(chosen, device=THREE, data=replace(DATA, x=there))
    shared = [np.shares_memory(card.memory._x, runs.X) for card in cards]
    assert shared == [False, False, True]
    for card in cards:
        np.testing.assert_array_equal(card.memory._x, runs.X)


def test_every_minibatch_is_done_once(cards):
    """Nobody learns: the loss of an epoch is that of the first parameters."""
    network = Network([Dense(4, "tanh"), Dense(3)], (runs.FEATURES,))
    still = runs.settings(PASSM(), 2, epochs=1, **runs.rates(1, rate=0.0))
    found = fit(still, device=TWO, network=network)
    expected = runs.on_host(replace(still, workers=1), network=network)
    assert found.losses == pytest.approx(expected.losses, rel=1e-6)
    np.testing.assert_array_equal(found.params, runs.start(network))
    done = np.concatenate([c.memory.record[:, :, job.WEIGHT_SUM].sum(1) for c in cards])
    # Tickets 0 and 4, of 5 and 2 samples, are the first worker's.
    np.testing.assert_array_equal(done, [7, 5, 5, 5])


def test_workers_with_epochs_of_their_own(cards):
    found = fit(runs.settings(PASSM(epochs="worker"), 1), device=TWO)
    np.testing.assert_array_equal(found.steps_per_worker, [10, 10])
    orders = [c.memory.program.table for c in cards]
    assert not np.array_equal(*[t[t[job.KEYS_AT] :][:4] for t in orders])


def test_random_blocks_are_drawn_among_the_servers_own(cards):
    chosen = runs.settings(PASSM(random_blocks=2), 1, epochs=3)
    found = fit(chosen, device=TWO)
    assert found.updates_per_block.shape == (4,)
    assert (found.updates_per_block > 0).all()
    own = found.updates_per_block.reshape(2, 2).sum(1)
    np.testing.assert_array_equal(own, found.steps_per_worker)
    np.testing.assert_array_equal(found.overlap.sum(1), found.updates_per_block)
    np.testing.assert_array_equal(*[card.memory.params for card in cards])


def test_velocity_goes_on_at_each_server(cards):
    chosen = runs.settings(PASSM(), 1, epochs=1)
    first = fit(chosen, device=TWO)
    fit(chosen, device=TWO, velocity=first.velocity)
    fit(chosen, device=TWO)
    with_it, without = cards[2:4], cards[4:6]
    for rank in range(2):
        found, fresh = (k[rank].memory.velocity for k in (with_it, without))
        assert np.abs(found - fresh).max() > 1e-3


def test_stopping_and_the_rate_factor(cards):
    def freeze(epoch):
        epoch.rate_factor = 0.0

    watch = Watch(stop=2, at_0=freeze)
    found = fit(runs.settings(PASSM(), 1, epochs=9, momentum=0.0), watch, device=TWO)
    np.testing.assert_array_equal(watch.params[1], watch.params[2])
    np.testing.assert_array_equal(found.params, watch.params[2])
    # The epoch that was on the devices already counts.
    assert len(found.losses) == 4 and found.steps == 4 * BATCHES


def test_lost_blocks_of_one_server(cards, monkeypatch):
    run_to = Card.run_to

    def failing(self, limit):
        self.memory.words[job.FAILED] = self is cards[1]
        return run_to(self, limit)

    monkeypatch.setattr(Card, "run_to", failing)
    with pytest.raises(WorkerError, match="on cuda:0, cuda:1 waited for each other"):
        fit(runs.settings(PASSM(), 1, epochs=1), device=(TWO[0], Cuda(1, threads=2)))


def test_errors_wait_for_all_devices(cards, monkeypatch):
    waits = []
    monkeypatch.setattr(Card, "synchronise", lambda self: waits.append(self))
    with pytest.raises(KeyError):
        watch = Watch(at_0=lambda epoch: {}["nothing"])
        fit(runs.settings(PASSM(), 1, epochs=1), watch, device=TWO)
    assert waits == cards


# Limits, and estimators --------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "devices", "message"),
    [
        (PASSM(), TWO * 10, r"20 devices, which own 1 blocks each, .* has 18 rows"),
        (PASSM(random_blocks=10), TWO, "2 devices, which own 10 blocks each"),
        (PASSM(), (TWO[0], Cuda(1, launch="graph")), "use launch='persistent'"),
    ],
)
def test_what_servers_cannot_do(cards, method, devices, message):
    with pytest.raises(ValueError, match=message):
        fit(runs.settings(method), device=devices)
    assert not cards


def test_servers_share_a_device(monkeypatch):
    """Its blocks are divided by the servers on it."""
    asked = []
    monkeypatch.setattr(servers, "shape_of", lambda *args: asked.append(args) or 1 / 0)
    for devices in (TWO, THREE, (THREE[2], *TWO)):
        with pytest.raises(ZeroDivisionError):
            fit(runs.settings(PASSM()), device=devices)
    assert [sharing for *_, sharing in asked] == [2, 2, 1]


@pytest.mark.parametrize("devices", [TWO, list(THREE)], ids=["two", "three"])
def test_fit_and_partial_fit(devices):
    plan = dict(batch_size=6, random_state=0, learning_rate_init=0.1, n_jobs=1)
    model = MLPClassifier(
        (4,), method="passm", device=devices, max_iter=3, learning_rate="cosine", **plan
    ).fit(runs.X, DATA.targets)
    count = len(devices)
    assert model.device_ == [d.name for d in devices]
    assert model.n_workers_ == count == len(model.steps_per_worker_)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    velocity = model._carried.velocity
    assert velocity.shape == (count, model._network.size) and velocity.any()
    model.set_params(learning_rate="constant").partial_fit(runs.X, DATA.targets)
    assert (model.n_iter_, model.steps_per_worker_.sum()) == (4, 16)
    assert model.predict(runs.X).shape == DATA.targets.shape


def test_the_default_method_trains_by_names():
    model = MLPRegressor((4,), max_iter=1, batch_size=8, random_state=0, n_jobs=2)
    model.set_params(device=["cuda:0", "cuda:1"], learning_rate="cosine")
    model.fit(runs.X, runs.X[:, :2])
    assert (model.n_workers_, model.method_) == (4, "passm+")
