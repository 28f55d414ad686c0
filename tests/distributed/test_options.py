"""What options of averaging and devices may be."""

import pytest

from hogblock.distributed import Averaging


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
