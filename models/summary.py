"""A network as a table for people: layers, shapes, parameters, costs, owners."""

from dataclasses import MISSING, fields

from hogblock.models.activations import ACTIVATIONS
from hogblock.models.blocks import partition, step_cost, whole
from hogblock.models.graph import Stage
from hogblock.models.layers import Add
from hogblock.models.network import Network

HEADER = ("layer", "output shape", "parameters", "forward", "input grad", "owner")


def summary_of(network: Network, workers: int) -> str:
    """Text of `Network.summary`."""
    blocks = partition(network, workers)
    rows = [HEADER, ("input", str(network.input_shape), "", "", "", "")]
    for position, stage in enumerate(network.stages):
        tensors = network.tensors_of(position)
        cost = stage.layer.cost(network.shapes[stage.sources[0]])
        rows.append(
            (
                f"{stage.name} {name_of(network, stage)}",
                str(stage.shape),
                f"{sum(t.rows * t.columns for t in tensors):,}",
                f"{cost.forward:,}",
                f"{cost.input_gradient:,}",
                ", ".join(
                    str(rank)
                    for rank, block in enumerate(blocks)
                    if any(t.rows_in(*block)[0] < t.rows_in(*block)[1] for t in tensors)
                ),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    full = step_cost(network, whole(network))
    lines += [
        "",
        f"{network.n_parameters:,} parameters; a full step costs {full:,} "
        "multiply-adds a sample (forward, input gradients, weight gradients; lanes of "
        "padding count)",
    ]
    for rank, block in enumerate(blocks):
        share = step_cost(network, block) / full
        values = sum(
            (t.rows_in(*block)[1] - t.rows_in(*block)[0]) * t.columns
            for t in network.tensors
        )
        lines.append(
            f"worker {rank} owns {values:,} parameters; a step on them alone costs "
            f"{share:.0%} of a full one"
        )
    return "\n".join(lines)


def name_of(network: Network, stage: Stage) -> str:
    """A stage as one would write it, with what runs in one operation with it."""
    layer = stage.layer
    if isinstance(layer, Add):
        names = ("input", *(before.name for before in network.stages))
        return "Add({} + {})".format(*(names[s] for s in stage.sources))
    shown = []
    for field in fields(layer):
        value = getattr(layer, field.name)
        if field.default is MISSING:
            shown.append(str(value))
        elif value != field.default and field.repr:
            shown.append(f"{field.name}={_value_of(value)}")
    text = f"{type(layer).__name__}({', '.join(shown)})"
    pool = getattr(layer, "_pool", (1, 1))
    return text if pool == (1, 1) else f"{text} + MaxPool2D({pool})"


def _value_of(value) -> str:
    """A field's value; an activation by its name."""
    names = (name for name, known in ACTIVATIONS.items() if known == value)
    return repr(next(names, value))
