"""What the GPU benchmark predicts: counts and seconds, by hand."""

from math import inf

import pytest


def network(scripts, name):
    problems = scripts("gpu.problems")
    return problems.network_of(problems.NETWORKS[name])


def test_operations_of_a_perceptron(scripts):
    model = scripts("gpu.model")
    phases = model.phases(network(scripts, "mlp"), 1)
    forward = 2 * (784 * 256 + 256 * 128 + 128 * 10)
    into = 2 * (256 * 128 + 128 * 10)
    assert sum(p.operations for p in phases) == 2 * forward + into == 1_007_104
    assert sum(p.updates for p in phases) == 235_146
    assert sum(p.barrier for p in phases) == 6
    of_32 = {p.name: p for p in model.phases(network(scripts, "mlp"), 32)}
    first = of_32["dense forward 784x256"]
    assert first.operations == 32 * 2 * 784 * 256
    assert (first.left, first.right, first.results) == (32 * 784, 784 * 256, 32 * 256)


def test_operations_of_convolutions(scripts):
    model = scripts("gpu.model")
    conv = [28**2 * 25 * 6, 10**2 * 150 * 16, 400 * 120, 120 * 84, 84 * 10]
    counted = sum(p.operations for p in model.phases(network(scripts, "lenet5"), 1))
    assert counted == 2 * (3 * sum(conv) - conv[0])
    conv = [28**2 * 9 * 16, 14**2 * 144 * 32, 1568 * 128, 1280]
    phases = model.phases(network(scripts, "conv16-32"), 4)
    assert sum(p.operations for p in phases) == 8 * (3 * sum(conv) - conv[0])
    assert len({p.name for p in phases}) == len(phases)


def test_networks_are_hogblocks_own(scripts):
    from hogblock.models import lenet5, small_convnet

    for name, own in (("lenet5", lenet5()), ("conv16-32", small_convnet())):
        built = network(scripts, name)
        assert [t.shape for t in built.tensors] == [t.shape for t in own.tensors]
        assert built.shapes == own.shapes


def test_ready_networks_are_counted(scripts):
    from hogblock.models import resnet8

    model = scripts("gpu.model")
    run = model.predict(resnet8(), 32, 8, 16)
    assert 70e6 < sum(p["operations"] for p in run["phases"]) / 32 < 80e6


def test_seconds_of_a_phase_by_hand(scripts):
    model = scripts("gpu.model")
    rates = model.H200
    phases = {p.name: p for p in model.phases(network(scripts, "mlp"), 32)}
    alone = model.predict_phase(phases["dense forward 784x256"], 132, 1, rates)
    a_block = rates.peak / 132 * rates.efficiency
    assert alone.bound == "operations"
    assert alone.seconds == pytest.approx(32 * 2 * 784 * 256 / a_block)
    # One block reads both operands once, and writes the results.
    assert alone.bytes == 4 * (32 * 784 + 784 * 256 + 32 * 256)
    update = model.predict_phase(phases["dense update 784x256"], 132, 1, rates, inf)
    w = 784 * 256
    read = 4 * (32 * 784 + 32 * 256 + w)
    a_second = read / rates.l2 + 8 * w / rates.memory + 4 * w / rates.added
    assert update.bound == "bytes" and update.seconds == pytest.approx(132 * a_second)


def test_steps_add_up(scripts):
    model = scripts("gpu.model")
    for run in model.predictions({"mlp": network(scripts, "mlp")}, (32, 256))["mlp"]:
        phases = sum(p["seconds"] for p in run["phases"])
        barriers = 7e-6 if run["blocks"] > 1 else 0
        assert run["barriers"] == 7
        assert run["step_s"] == pytest.approx(phases + barriers)
        assert sum(run["shares"].values()) == pytest.approx(1)
        assert run["samples_per_s"] * 1_007_104 < 0.4 * model.H200.peak
        assert run["workers"] * run["blocks"] <= 132


def test_measured_rates_replace_given_ones(scripts):
    model = scripts("gpu.model")
    lines = [
        {"case": {"what": "barrier", "team": team}, "values": [t, t, 9.0]}
        for team, t in ((8, 1e-7), (132, 2e-7))
    ]
    found = model.rates_of(lines)
    assert found == {"barrier": 2e-7}
    assert model.with_measured(model.H200, found).barrier == 2e-7
