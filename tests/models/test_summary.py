"""The summary: layers, shapes, parameters, costs, and who owns what."""

import re

import numpy as np
import pytest

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
    Tanh,
    lenet5,
    resnet8,
    small_convnet,
)
from hogblock.models.blocks import partition, step_cost, whole

CHAIN = Network(
    [
        Conv2D(4, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(6, (3, 2), padding="valid", bias=False),
        Tanh(),
        Flatten(),
        Dropout(0.25),
        Dense(10),
        LeakyReLU(),
        Dense(3, "logistic"),
    ],
    (8, 10, 3),
)
NETWORKS = {
    "chain": CHAIN,
    "rows": Network([Dense(7, "relu"), Dense(2)], (5,)),
    "small_convnet": small_convnet((8, 8, 1)),
    "lenet5": lenet5(),
    "resnet8": resnet8((8, 8, 3), 4),
    "depthwise": Network(
        [
            Conv2D(8, 1, stride=2),
            Residual([DepthwiseConv2D(3), GroupNorm(2), ReLU()]),
            AvgPool2D(2),
            GlobalAvgPool2D(),
            Dense(1),
        ],
        (9, 9, 2),
    ),
}


def summary(network, workers=1):
    texts = []
    assert network.summary(workers, print_fn=texts.append) is None
    (text,) = texts
    assert isinstance(text, str)
    return text


def table(text):
    """Rows of the table by the layer's position: name, and the other columns."""
    lines = text.split("\n\n")[0].splitlines()
    header, rule, *rows = lines
    assert header.split("  ")[0] == "layer" and set(rule) == {"-"}
    starts = [0] + [
        header.index(name)
        for name in ("output shape", "parameters", "forward", "input grad", "owner")
    ]
    cells = [
        [row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        for row in rows
    ]
    found = {}
    for first, *others in cells:
        position, _, name = first.partition(" ")
        found[position] = (name, *others)
    return found


def number(text):
    return int(text.replace(",", ""))


def test_a_chain():
    """Counted by hand; what runs in one operation stands in one row."""
    rows = table(summary(CHAIN))
    assert rows["input"][1] == "(8, 10, 3)"
    assert {k: row[:3] for k, row in rows.items() if k != "input"} == {
        "0": (
            "Conv2D(4, 3, activation='relu') + MaxPool2D((2, 2))",
            "(4, 5, 4)",
            "112",
        ),
        "2": (
            "Conv2D(6, (3, 2), padding='valid', activation='tanh', bias=False)",
            "(2, 4, 6)",
            "144",
        ),
        "4": ("Flatten()", "(48,)", "0"),
        "5": ("Dropout(0.25)", "(48,)", "0"),
        "6": ("Dense(10, activation='leaky_relu')", "(10,)", "490"),
        "8": ("Dense(3, activation='logistic')", "(3,)", "33"),
    }
    assert "779 parameters" in summary(CHAIN)


def test_a_residual_network():
    """Layers inside a branch are named as in error messages; the sum says of what."""
    rows = table(summary(NETWORKS["resnet8"]))
    assert rows["0"][0].startswith("Conv2D(16, 3")
    assert rows["3.0"][2] == "2,304" and rows["3.1"][:3] == (
        "GroupNorm()",
        "(8, 8, 16)",
        "32",
    )
    assert rows["3"][0] == "Add(3.4 + 1)"
    assert rows["5.shortcut.0"][0].startswith("Conv2D(32, 1, stride=2")
    assert rows["5"][:3] == ("Add(5.4 + 5.shortcut.1)", "(4, 4, 32)", "0")
    assert rows["9"][:2] == ("GlobalAvgPool2D()", "(64,)")
    to_itself = table(summary(Network([Residual([ReLU()]), Dense(1)], (4,))))
    assert to_itself["0"][0] == "Add(0.0 + input)"


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_are_those_of_the_network_and_its_partition(name, workers):
    network = NETWORKS[name]
    text = summary(network, workers)
    rows = table(text)
    del rows["input"]
    assert list(rows) == [stage.name for stage in network.stages]
    blocks = partition(network, workers)
    full = step_cost(network, whole(network))
    for k, (stage, row) in enumerate(zip(network.stages, rows.values(), strict=True)):
        _, shape, parameters, forward, backward, owners = row
        tensors = network.tensors_of(k)
        assert shape == str(stage.shape)
        assert number(parameters) == sum(int(np.prod(t.shape)) for t in tensors)
        cost = stage.layer.cost(network.shapes[stage.sources[0]])
        assert (number(forward), number(backward)) == cost
        touched = {
            rank
            for rank, block in enumerate(blocks)
            for tensor in tensors
            if len(range(*tensor.rows_in(*block)))
        }
        assert {int(o) for o in owners.split(", ") if o} == touched
    total = sum(number(row[2]) for row in rows.values())
    assert total == network.n_parameters
    footer = text.split("\n\n")[1].splitlines()
    assert footer[0].startswith(
        f"{total:,} parameters; a full step costs {full:,} multiply-adds"
    )
    owned = [
        re.fullmatch(
            r"worker (\d+) owns ([\d,]+) parameters; a step on them alone costs (\d+)% "
            r"of a full one",
            line,
        ).groups()
        for line in footer[1:]
    ]
    assert [int(rank) for rank, *_ in owned] == list(range(workers))
    assert sum(number(values) for _, values, _ in owned) == total
    for (_, values, share), block in zip(owned, blocks, strict=True):
        assert number(values) > 0
        assert int(share) == round(100 * step_cost(network, block) / full)


def test_one_worker_owns_all():
    for network in NETWORKS.values():
        rows = table(summary(network))
        assert {row[-1] for row in rows.values()} == {"0", ""}
        assert "worker 0 owns" in summary(network) and "costs 100%" in summary(network)


def test_a_layer_may_have_several_owners():
    assert table(summary(Network([Dense(2)], (3,)), 3))["0"][-1] == "0, 1, 2"


def test_it_is_printed_and_lines_up(capsys):
    small_convnet().summary()
    printed = capsys.readouterr().out
    assert printed == summary(small_convnet()) + "\n"
    assert printed.splitlines()[0].startswith("layer")
    assert not any(line != line.rstrip() for line in printed.splitlines())


@pytest.mark.parametrize("workers", [0, -1, 10**6])
def test_a_wrong_number_of_workers(workers):
    with pytest.raises(ValueError, match=rf"{workers}.* between 1 and the \d+ rows"):
        CHAIN.summary(workers)
