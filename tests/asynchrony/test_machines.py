"""Simulated nodes and links: their laws, and what they are calibrated by."""

from types import SimpleNamespace

import numpy as np
import pytest

from hogblock.asynchrony import Compute, Link, Quadratic, simulate_nodes
from hogblock.distributed import Averaging


def row(steps, exchanges, size, seconds, exchanging):
    return dict(
        steps=steps, exchanges=exchanges, bytes_sent=exchanges * size, seconds=seconds,
        seconds_exchanging=exchanging,
    )  # fmt: skip


@pytest.mark.parametrize("service", ["deterministic", "exponential", "lognormal"])
def test_steps_take_their_mean_time(service, random):
    compute = Compute([2.0, 6.0], service, sigma=0.5)
    ends = compute.ends(2, 40_000, random)
    assert ends.shape == (2, 40_000) and (np.diff(ends, axis=1) > 0).all()
    np.testing.assert_allclose(ends[:, -1] / 40_000, [2, 6], rtol=0.03)


def test_stragglers_take_longer(random):
    ends = Compute(1.0, straggler=(0.1, 11.0)).ends(1, 40_000, random)
    assert ends[0, -1] / 40_000 == pytest.approx(2.0, rel=0.03)
    assert set(np.diff(ends[0]).round(6)) == {1.0, 11.0}


def test_a_compute_gives_back_what_was_measured():
    rows = [row(1000, 10, 400, 2.1, 0.1), row(500, 5, 400, 2.05, 0.05)]
    found = Compute.from_report(rows, per_node=True, service="exponential")
    assert found.seconds == pytest.approx([0.002, 0.004])
    assert found.exchange == pytest.approx(0.01) and found.exchange_per_byte == 0
    assert found.service == "exponential"
    alike = Compute.from_report([SimpleNamespace(**each) for each in rows])
    assert alike.seconds == pytest.approx(4 / 1500)


def test_messages_of_several_sizes_tell_a_cost_a_byte():
    rows = [row(100, 10, size, 1.0, 10 * (1e-3 + 2e-6 * size)) for size in (400, 4000)]
    found = Compute.from_report(rows)
    assert found.exchange == pytest.approx(1e-3)
    assert found.exchange_per_byte == pytest.approx(2e-6)
    assert found.cost(1000) == pytest.approx(3e-3)


def test_a_simulation_reports_what_it_is_calibrated_by():
    """Its own report gives the same machines again."""
    compute = Compute(2e-3, exchange=1e-3)
    link, averaging = Link(latency=5e-3), Averaging(every=20)
    options = dict(nodes=3, steps=2000, averaging=averaging, rate=0.01)
    first = simulate_nodes(Quadratic(np.ones(4)), compute=compute, link=link, **options)
    again = Compute.from_report(first.per_node)
    assert again.seconds == pytest.approx(compute.seconds, rel=1e-3)
    assert again.exchange == pytest.approx(compute.exchange, rel=1e-3)
    away = first.per_node["seconds_away"] / first.per_node["exchanges"]
    found = Link.from_report(first.per_node, every=20)
    assert found.latency == pytest.approx(away.min() / 2, rel=0.2)


def test_a_link_is_the_line_through_timings():
    sizes = np.array([1e3, 1e4, 1e5, 1e6])
    found = Link.from_timings(sizes, 2e-4 + sizes / 5e7, loss=0.1)
    assert found.latency == pytest.approx(2e-4)
    assert found.bandwidth == pytest.approx(5e7) and found.loss == 0.1
    flat = Link.from_timings([1, 2], [0.2, 0.1])
    assert flat.latency == pytest.approx(0.15) and flat.bandwidth == np.inf
    steep = Link.from_timings([1.0, 2.0], [0.0, 1.0])
    assert steep.latency == 0 and steep.bandwidth > 1


def test_a_link_without_exchanges_has_no_latency():
    assert Link.from_report([row(10, 0, 0, 1.0, 0.0)], every=2) == Link()
    assert Compute.from_report([row(10, 0, 0, 1.0, 0.0)]) == Compute(0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Compute(0.0), r"seconds=0\.0"),
        (lambda: Compute([1.0, -1.0]), "seconds: entry 1 is -1"),
        (lambda: Compute(service="fast"), "service='fast'"),
        (lambda: Compute(sigma=-1.0), r"sigma=-1\.0"),
        (lambda: Compute(straggler=(2.0, 3.0)), r"straggler=.*2\.0"),
        (lambda: Compute(straggler=3.0), r"straggler=3\.0"),
        (lambda: Compute(slow_nodes=(0.5, 0.0)), r"slow_nodes=0\.0"),
        (lambda: Compute(exchange=-1), "exchange=-1"),
        (lambda: Compute(exchange_per_byte=np.nan), "exchange_per_byte=nan"),
        (lambda: Compute.from_report([]), "report is empty"),
        (lambda: Compute.from_report([row(0, 0, 0, 1.0, 0.0)]), "row 0 has steps=0"),
        (lambda: Link(-1.0), r"latency=-1\.0"),
        (lambda: Link(bandwidth=0), "bandwidth=0"),
        (lambda: Link(hub_bandwidth=-1), "hub_bandwidth=-1"),
        (lambda: Link(loss=1.5), r"loss=1\.5"),
        (lambda: Link(straggler=(0.1,)), "straggler="),
        (lambda: Link.from_timings([1.0], [1.0]), "two sizes"),
        (lambda: Link.from_timings([1.0, 2.0], [1.0]), "seconds has 1 values"),
    ],
)
def test_a_bad_parameter_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
