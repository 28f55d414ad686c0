"""What options of averaging and devices may be."""

import pytest
from sklearn.base import clone

from hogblock import Cuda, MLPClassifier
from hogblock.distributed import Averaging, Ray
from hogblock.distributed.engine import RayEngine


@pytest.mark.parametrize(
    "option",
    [
        {"every": 0}, {"every": "often"}, {"every": 1.5}, {"every": True},
        {"share": 0}, {"share": 0.2}, {"share": "all"},
        {"topology": "tree"}, {"patience": -1}, {"patience": "none"},
        {"outer_rate": 0}, {"outer_momentum": 1}, {"outer_momentum": None},
        {"compression": "zip"},
    ],
)  # fmt: skip
def test_impossible_averaging_is_refused_by_name(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError, match=f"{name}={value!r} of Averaging must be"):
        Averaging(**option)


@pytest.mark.parametrize("option", [{"outer_rate": 2.0}, {"outer_momentum": 0.5}])
def test_nobody_has_the_mean_on_a_ring(option):
    with pytest.raises(ValueError, match="nobody has the mean on a ring"):
        Averaging(topology="ring", **option)


@pytest.mark.parametrize(
    "option",
    [
        {"nodes": 0}, {"nodes": 1.5}, {"nodes": "two"}, {"address": None},
        {"strategy": "NEAR"}, {"device": "tpu"}, {"device": []}, {"device": "ray"},
        {"device": ["cuda:0", "cuda:1"]},
        {"sampling": "none"}, {"averaging": "mean"}, {"min_nodes": 0},
        {"min_nodes": 3}, {"max_node_restarts": -1}, {"runtime_env": "x"},
    ],
)  # fmt: skip
def test_impossible_options_of_nodes_are_refused_by_name(option):
    ((name, value),) = option.items()
    with pytest.raises(ValueError) as refused:
        Ray(**option)
    assert str(refused.value).startswith(f"{name}={value!r} of Ray must be ")


def test_a_device_by_name_has_the_default_options():
    assert RayEngine.named("ray").options == Ray()
    assert RayEngine.named("ray:0") is None and RayEngine.named(3) is None
    assert clone(MLPClassifier(device=Ray(nodes=3))).device == Ray(nodes=3)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", Cuda(1), "cpu"])
def test_devices_of_nodes(device):
    assert Ray(device=device).uses_cuda == (device != "cpu")
