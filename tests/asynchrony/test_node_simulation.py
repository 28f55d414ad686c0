"""Nodes that average their models, simulated: cases whose result is known."""

import numpy as np
import pytest

from hogblock.asynchrony import (
    Adversarial,
    Compute,
    Link,
    Quadratic,
    simulate,
    simulate_nodes,
)
from hogblock.distributed import Averaging
from support.toy_problems import Centres

N = 6
CENTRES = np.random.default_rng(0).normal(size=(8, N))
START = np.linspace(-1, 1, N)
EACH_STEP = Averaging(every=1)
MESSAGE = 4 * N
"""Bytes of a float32 model."""


def run(nodes, steps, problem=None, **options):
    problem = Centres(CENTRES) if problem is None else problem
    options = {"x0": START, "random_state": 0, **options}
    return simulate_nodes(problem, nodes=nodes, steps=steps, **options)


def for_steps(count, rate=0.3):
    """A rate of so many steps; idle from then on."""
    return lambda t: np.where(t < count, rate, 0.0)


def sampled(steps, seed=0):
    """Samples of one node: whole epochs, each in a new order."""
    _, sampling, _, _ = np.random.default_rng(seed).spawn(4)
    epochs = -(-steps // len(CENTRES))
    return np.concatenate([sampling.permutation(len(CENTRES)) for _ in range(epochs)])


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("nesterov", [False, True])
def test_one_node_is_a_loop_of_sequential_steps(momentum, nesterov):
    found = run(1, 40, momentum=momentum, nesterov=nesterov, rate=falling)
    x, u = START.copy(), np.zeros(N)
    for t, sample in enumerate(sampled(40)[:40]):
        g = x - CENTRES[sample]
        u = momentum * u + g if momentum else 0
        step = g if not momentum else g + momentum * u if nesterov else u
        x = x - falling(np.float64(t)) * step
    np.testing.assert_array_equal(found.x, x)
    assert found.exchanges[-1] == found.bytes_sent[-1] == len(found.participants) == 0
    assert found.seconds[-1] == 40 and found.steps[-1] == 40
    assert found.values[-1] == Centres(CENTRES).value(x)


def falling(t):
    return 0.2 / np.sqrt(t + 1.0)


@pytest.mark.parametrize("age", [0, 1, 5])
@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_local_age_is_that_of_workers_in_turn(age, momentum):
    bowl = Quadratic(np.linspace(0.5, 2, N))
    options = dict(x0=START, momentum=momentum, rate=0.05)
    found = simulate_nodes(bowl, nodes=1, steps=100, age=age, **options)
    expected = simulate(
        bowl, Adversarial(age + 1, age), 100, velocity="shared", **options
    )
    np.testing.assert_array_equal(found.x, expected.x)


@pytest.mark.parametrize("topology", ["star", "ring"])
@pytest.mark.parametrize("compression", [None, "bfloat16", "int8"])
def test_equal_nodes_stay_one(topology, compression):
    """Exchanges of what is the same everywhere change nothing but by rounding."""
    averaging = Averaging(every=3, topology=topology, compression=compression)
    bowl = Quadratic(np.ones(N))
    one = run(1, 30, bowl).x
    found = run(4, 30, bowl, averaging=averaging)
    assert found.exchanges[-1] > 10
    tolerance = {None: 1e-6, "bfloat16": 1e-3, "int8": 1e-3}[compression]
    np.testing.assert_allclose(found.models, np.tile(one, (4, 1)), atol=tolerance)


def test_nodes_that_average_each_step_are_one_minibatch():
    found = run(8, 20, samples="parts", averaging=EACH_STEP, rate=0.2)
    x = START.copy()
    for _ in range(20):  # each node has one centre
        x = x - 0.2 * (x - CENTRES.mean(axis=0))
    np.testing.assert_allclose(found.x, x, atol=1e-6)
    np.testing.assert_allclose(found.models, np.tile(x, (8, 1)), atol=1e-6)
    # After half of its steps a node exchanges after every other one.
    assert found.participants.tolist() == [8] * 15
    assert found.apart[-1] < 1e-6


@pytest.mark.parametrize("nodes", [2, 5])
def test_idle_nodes_reach_their_mean_in_a_round(nodes):
    options = dict(rate=for_steps(10), samples="parts", records=[10.5, 11.5])
    alone = run(nodes, 20, link=Link(loss=1.0), **options)
    found = run(
        nodes, 20, averaging=Averaging(every=10), link=Link(latency=0.5), **options
    )
    mean = alone.models.mean(axis=0)
    assert alone.apart[0] > 0.1
    assert found.apart[0] == pytest.approx(alone.apart[0])
    assert found.apart[1] < 1e-6
    np.testing.assert_allclose(found.models, np.tile(mean, (nodes, 1)), atol=1e-6)


def test_a_ring_keeps_the_sum_and_comes_together():
    options = dict(rate=for_steps(10), samples="parts", records=[10.5, 500])
    ring = Averaging(every=10, topology="ring")
    alone = run(6, 500, link=Link(loss=1.0), **options)
    found = run(6, 500, averaging=ring, link=Link(latency=0.1), **options)
    np.testing.assert_allclose(found.x, alone.x, atol=1e-6)
    assert found.apart[-1] < 0.01 * alone.apart[-1]
    assert set(found.participants) == {2}


def test_two_nodes_on_a_ring_have_one_edge():
    found = run(2, 100, averaging=Averaging(every=10, topology="ring"))
    # After 10, ..., 50 steps and then after 70 and 90: both take part in each.
    assert found.exchanges[-1] == 2 * 7 and len(found.participants) == 7
    assert found.apart[-1] < found.apart.max()


@pytest.mark.parametrize("topology", ["star", "ring"])
def test_nodes_whose_messages_are_lost_are_alone(topology):
    averaging = Averaging(every=2, topology=topology)
    found = run(3, 30, averaging=averaging, link=Link(0.1, loss=1.0))
    assert found.exchanges[-1] == len(found.participants) == 0
    assert np.isnan(found.mean_participants)
    assert (found.per_node["lost"] > 4).all() and not found.per_node["exchanges"].any()
    longest = Averaging(every=10**6, topology=topology)
    np.testing.assert_array_equal(found.models, run(3, 30, averaging=longest).models)
    np.testing.assert_array_equal(found.models[0], run(1, 30).x)


@pytest.mark.parametrize("compression", [None, "bfloat16", "int8"])
@pytest.mark.parametrize("topology", ["star", "ring"])
def test_some_lost_messages_do_no_harm(topology, compression):
    """Ends that would count on different models begin anew."""
    averaging = Averaging(every=3, topology=topology, compression=compression)
    options = dict(rate=0.05, samples="parts", averaging=averaging)
    lossy = run(4, 600, link=Link(0.2, loss=0.3), **options)
    sure = run(4, 600, link=Link(0.2), **options)
    lost = lossy.per_node["lost"].sum()
    assert 0 < lost < lossy.per_node["exchanges"].sum() < sure.exchanges[-1]
    alone = run(4, 600, link=Link(loss=1.0), **options)
    assert lossy.apart.mean() < 0.5 * alone.apart.mean()
    assert lossy.values[-1] < sure.values[-1] + 0.05


def test_bytes_are_those_of_messages():
    found = run(4, 100, averaging=Averaging(every=10), link=Link(0.3, 1e3))
    nodes = found.per_node
    assert (nodes["exchanges"] == 7).all()
    np.testing.assert_array_equal(nodes["bytes_sent"], MESSAGE * nodes["exchanges"])
    np.testing.assert_array_equal(nodes["bytes_received"], nodes["bytes_sent"])
    assert found.bytes_sent[-1] == 2 * MESSAGE * found.exchanges[-1]
    assert (np.diff(found.bytes_sent) >= 0).all()


def test_compressed_messages_are_smaller():
    options = dict(averaging=Averaging(every=10, compression="int8"), link=Link(0.3))
    found = run(4, 100, **options)
    assert found.bytes_sent[-1] == 2 * (N + 4) * found.exchanges[-1]


def test_a_round_takes_as_long_as_the_hub_needs_for_its_messages():
    nodes, bandwidth = 8, 100.0
    link = Link(bandwidth=np.inf, hub_bandwidth=bandwidth)
    patient = Averaging(every=1, patience=10)
    found = run(nodes, 400, averaging=patient, link=link, samples="parts")
    assert (found.participants[:-1] == nodes).all()
    least = 2 * nodes * MESSAGE / bandwidth
    gaps = np.diff(found.round_seconds[:-1])
    assert gaps.min() >= least - 1e-9 and gaps.max() <= least + nodes


def test_a_message_takes_latency_and_its_bytes_on_the_link():
    link = Link(latency=0.25, bandwidth=MESSAGE / 0.125, hub_bandwidth=np.inf)
    found = run(2, 40, averaging=Averaging(every=10), link=link)
    assert found.round_seconds[0] == 10 + 0.375
    np.testing.assert_allclose(
        found.per_node["seconds_away"], 0.75 * found.per_node["exchanges"]
    )


@pytest.mark.parametrize("topology", ["star", "ring"])
def test_nobody_waits_for_a_slow_node(topology):
    averaging = Averaging(every=5, topology=topology)
    compute = Compute(slow_nodes=(0.25, 20.0))
    found = run(4, 60, averaging=averaging, compute=compute)
    ended = found.per_node["seconds"]
    np.testing.assert_array_equal(ended, [60, 60, 60, 1200])
    assert (found.per_node["exchanges"][:3] >= 7).all()
    if topology == "star":
        early = found.round_seconds < 60
        assert early.sum() >= 6 and (found.participants[early] < 4).all()


def test_exchanges_take_their_share_of_a_node():
    compute = Compute(0.01, exchange=0.005, exchange_per_byte=0.001 / MESSAGE)
    found = run(2, 400, compute=compute, averaging=Averaging(share=0.05))
    assert found.every.tolist() == [12, 12]  # 0.006 / (0.05 * 0.01)
    nodes = found.per_node
    spent = 0.006 * nodes["exchanges"]
    np.testing.assert_allclose(nodes["seconds_exchanging"], spent)
    np.testing.assert_allclose(nodes["seconds"], 4 + spent)
    assert (spent <= 0.05 * nodes["seconds"]).all()


@pytest.mark.parametrize("topology", ["star", "ring"])
def test_a_node_comes_back_from_the_average(topology):
    averaging = Averaging(every=2, topology=topology)
    options = dict(averaging=averaging, samples="parts", rate=0.05)
    found = run(4, 100, outages=[(2, 20.25, 30.0)], records=[30.0, 50.5], **options)
    nodes = found.per_node
    # Who comes back has the newest average, and not its own old model.
    assert found.apart[1] < 1.5 * found.apart[0]
    np.testing.assert_array_equal(nodes["seconds"], [100, 100, 130.25, 100])
    assert nodes["steps"].tolist() == [100] * 4
    assert 5 < nodes["exchanges"][2] < nodes["exchanges"][1] + 10
    if topology == "star":
        away = (found.round_seconds > 20.25) & (found.round_seconds < 50)
        assert away.sum() > 5 and (found.participants[away] == 3).all()


def test_when_a_target_is_reached():
    bowl = Quadratic(np.ones(N))
    found = run(1, 50, bowl, rate=0.1, records=51)
    np.testing.assert_array_equal(found.seconds, np.arange(51))
    np.testing.assert_allclose(found.values, found.values[0] * 0.81 ** np.arange(51))
    target = found.values[0] * 0.81**10
    assert found.time_to(target) == pytest.approx(10)
    assert 9 < found.time_to(1.1 * target) < 10
    assert found.time_to(0.0) == np.inf and found.time_to(9e9) == 0
    ended = run(1, 50, bowl, rate=0.1, records=51, target=target * 1.001)
    assert ended.seconds[-1] == 10 and ended.steps[-1] == 10


def test_the_hub_has_what_its_rounds_brought():
    bowl = Quadratic(np.ones(N))
    options = dict(
        averaging=Averaging(every=10), link=Link(0.25), rate=0.1, records=101
    )
    found = run(3, 100, bowl, **options)
    brought = np.searchsorted(found.round_seconds, found.seconds)
    assert len(set(found.hub_values)) == 1 + len(found.round_seconds)
    np.testing.assert_array_equal(np.diff(found.hub_values) != 0, np.diff(brought) > 0)
    target = found.values[0] / 10
    assert found.time_to(target, of="mean") < found.time_to(target)
    with pytest.raises(ValueError, match="of='node'"):
        found.time_to(target, of="node")
    ring = run(3, 50, bowl, averaging=Averaging(topology="ring"))
    np.testing.assert_array_equal(ring.hub_values, ring.values)


def test_a_run_ends_where_it_diverges():
    found = run(2, 3000, Quadratic(np.ones(N)), rate=5.0, averaging=EACH_STEP)
    assert found.diverged and "diverged" in repr(found)
    assert len(found.seconds) < 50


VARIED = dict(
    compute=Compute(service="lognormal", straggler=(0.1, 5.0)),
    link=Link(0.2, 1e3, loss=0.1, straggler=(0.2, 3.0)),
    averaging=Averaging(every=4, compression="int8", outer_momentum=0.3),
    momentum=0.5, rate=0.05, outages=[(1, 5.0, 20.0), (1, 60.0, 5.0)],
)  # fmt: skip


def assert_same(one, other):
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name), name)


def test_the_seed_decides_and_nothing_else():
    options = {"x0": None, **VARIED}
    first = run(5, 200, **options)
    assert_same(first, run(5, 200, **options))
    other = run(5, 200, **options, random_state=1)
    assert (first.x != other.x).all() and first.seconds[-1] != other.seconds[-1]


def test_records_do_not_change_a_run():
    few, many = (run(5, 200, **VARIED, records=n) for n in (2, 333))
    np.testing.assert_array_equal(few.models, many.models)
    np.testing.assert_array_equal(few.per_node, many.per_node)
    np.testing.assert_array_equal(few.round_seconds, many.round_seconds)
    assert few.values[-1] == many.values[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(nodes=0), "nodes=0"),
        (dict(steps=0), "steps=0"),
        (dict(momentum=1.0), r"momentum=1\.0"),
        (dict(age=-1), "age=-1"),
        (dict(samples="own"), "samples='own'"),
        (dict(nodes=9, samples="parts"), r"n_samples=8 .*nodes=9"),
        (dict(rate=-0.1), r"rate: entry 0 is -0\.1"),
        (dict(records=1), "records=1"),
        (dict(records=[0.0, 2.0, 1.0]), "records: entry 2 is 1"),
        (dict(outages=[(0, 1.0)]), "outages: entry 0"),
        (dict(outages=[(4, 1.0, 1.0)]), "outages entry 0=4 .*nodes=4"),
        (dict(outages=[(0, 1.0, 0.0)]), r"duration of outages entry 0=0\.0"),
        (dict(compute=Compute([1.0, 2.0])), "of 2 nodes, .* nodes=4"),
        (dict(x0=[1.0]), r"x0 has shape \(1,\)"),
    ],
)
def test_a_bad_argument_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        run(**{"nodes": 4, "steps": 5, **options})


@pytest.mark.parametrize("name", ["averaging", "compute", "link"])
def test_an_argument_of_another_class_is_named(name):
    with pytest.raises(TypeError, match=f"{name}=3"):
        run(2, 5, **{name: 3})
    with pytest.raises(TypeError, match="problem='bowl'"):
        run(2, 5, "bowl")
