"""A plan as text for people: a line an operation."""

from math import prod

from hogblock.kernels import ops as op
from hogblock.models.activations import ACTIVATIONS
from hogblock.models.losses import LOSSES

LOSS_NAMES = {loss.code: name for name, loss in LOSSES.items()}


def description_of(plan) -> str:
    """Text of `Plan.describe`: row, layer, operation, what it reads and writes."""
    lines = [("row", "layer", "operation", "what it reads -> what it writes")]
    for k, (row, reals) in enumerate(zip(plan.ops, plan.reals, strict=True)):
        origin = plan.origins[k]
        layer = f"{origin.name} {origin.layer.partition('(')[0]}"
        flow = _flow(row, origin) + _details(row, reals)
        lines.append((str(k), layer, _operation(row).name, flow))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    text.insert(1, "-" * max(map(len, text)))
    text += [
        "",
        f"{plan.work_size:,} float32 of work space for {plan.batch} samples at once, "
        "beside what the kernels of a processor need",
    ]
    return "\n".join(text)


def _operation(row) -> op.Operation:
    return op.OPERATIONS[int(row[op.CODE])]


def _flow(row, origin) -> str:
    reads = (n for n in _operation(row).reads if n != "b" or row[op.B] >= 0)
    if _operation(row).part_of == op.UPDATE:
        first = int(row[op.W] + row[op.FIRST] * row[op.W_ROW])
        end = first + int(row[op.COUNT] * row[op.W_ROW])
        writes = [f"parameters {first:,} to {end - 1:,}"]
    else:
        writes = [_named(n, row, origin) for n in _operation(row).writes]
    read = ", ".join(_named(n, row, origin) for n in reads)
    return f"{read} -> {', '.join(writes)}"


def _named(name: str, row, origin) -> str:
    """A buffer with the shape of a sample, if it is that of an input or output."""
    if name == "dx" and row[op.DX] == row[op.DY]:
        name = "dy"  # in place
    inputs = name in ("x", "dx")
    shape = origin.shape if inputs or row[op.ADDS] else origin.out_shape
    known = inputs or name in ("x2", "y", "dy")
    if not known or prod(shape) > row[op.COLUMNS[op.BUFFERS[name].row]]:
        return name
    return f"{name}[{','.join(map(str, shape))}]"


def _details(row, reals) -> str:
    """What else tells the operation from others of its kind."""
    columns = _operation(row).columns
    details = []
    if "kernel_height" in columns:
        details.append(f"kernel {row[op.KERNEL_HEIGHT]}x{row[op.KERNEL_WIDTH]}")
        stride = row[op.STRIDE_HEIGHT], row[op.STRIDE_WIDTH]
        if stride != (1, 1):
            details.append(f"stride {stride[0]}x{stride[1]}")
        if row[op.POOL_HEIGHT] * row[op.POOL_WIDTH] > 1:
            details.append(f"pool {row[op.POOL_HEIGHT]}x{row[op.POOL_WIDTH]}")
    if row[op.DEPTHWISE]:
        details.append("depthwise")
    if "groups" in columns:
        details.append(f"{row[op.GROUPS]} groups")
    if "slope" in columns and _activation(row, reals) != "identity":
        details.append(_activation(row, reals))
    if int(row[op.CODE]) == op.LOSS:
        details.append(LOSS_NAMES[int(row[op.KIND])])
    if "rate" in columns:
        details.append(f"rate {reals[op.RATE]:g}")
    if row[op.ADDS]:
        details.append("added to what is there")
    if "decays" in columns and row[op.DECAYS]:
        details.append("decays")
    return "".join(f" {detail}" for detail in details)


def _activation(row, reals) -> str:
    for name, known in ACTIVATIONS.items():
        slope = abs(known.slope - reals[op.SLOPE])
        if known.code == row[op.KIND] and slope < 1e-6:
            return name
    return f"slope {reals[op.SLOPE]:g}"
