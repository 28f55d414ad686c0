"""A fitted model as one of ONNX: from X to what ``predict`` returns."""

from importlib import import_module
from typing import Any

import numpy as np

from hogblock.estimators.targets import LARGEST_EXPONENT, ClassTargets, RealTargets
from hogblock.kernels import ops as op
from hogblock.models import Network
from hogblock.models.plan import make_plan
from hogblock.saving.onnx.graph import IR_VERSION, OPSET, Graph, Value, onnx_module
from hogblock.saving.onnx.operations import OPERATIONS, Step
from hogblock.training.scaling import Scaling

X = "X"
DTYPES = ("float32", "float64", "uint8")
RAW = 0
"""Offset of the buffer that holds a plan's input."""
Output = tuple[str, Any, list]
"""Name, type of NumPy's (None: text) and shape of an output of the model."""


def model_of(
    network: Network,
    params: np.ndarray,
    inputs: Scaling,
    targets: ClassTargets | RealTargets,
    *,
    dtype: str,
    name: str,
):
    """The model of a network, and of what makes predictions of its outputs.

    Parameters
    ----------
    network : Network
    params : ndarray of shape (network.size,), float32
    inputs : Scaling
        What the network sees of X.
    targets : ClassTargets or RealTargets
    dtype : {"float32", "float64", "uint8"}
        Of X.
    name : str
        Of the estimator's class, as a note in the model.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        For another `dtype`, a layer or an activation that has no form in ONNX, or
        classes that are no numbers and no text; names it.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} must be one of {list(DTYPES)}")
    onnx = onnx_module()
    graph = Graph()
    raw = _outputs(graph, network, params, _seen(graph, network.input_shape, inputs))
    if isinstance(targets, ClassTargets):
        outputs = _of_classes(graph, raw, targets)
    else:
        outputs = _of_numbers(graph, raw, targets)
    make = onnx.helper.make_tensor_value_info
    given = make(X, graph.type_of(dtype), ["N", *network.input_shape])
    found = [
        make(output, graph.type_of(kind) if kind else onnx.TensorProto.STRING, shape)
        for output, kind, shape in outputs
    ]
    body = onnx.helper.make_graph(
        graph.nodes, "hogblock", [given], found, graph.constants
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    return onnx.helper.make_model(
        body,
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="hogblock",
        producer_version=import_module("hogblock").__version__,  # it names this room
        doc_string=f"hogblock.{name}",
    )


def _seen(graph: Graph, shape: tuple[int, ...], inputs: Scaling) -> Value:
    """What the network sees of X, scaled in float64: no digit of X is lost before."""
    name = X
    if inputs.shift.size:
        shift, scale = (graph.constant(each.reshape(shape)) for each in inputs)
        name = graph.add("Sub", graph.cast(name, np.float64), shift)
        name = graph.add("Mul", name, scale)
    name = graph.cast(name, np.float32)
    if len(shape) == 3:
        name = graph.add("Transpose", name, perm=[0, 3, 1, 2])
    return Value(name, shape)


def _outputs(graph: Graph, network: Network, params: np.ndarray, seen: Value) -> str:
    """Raw outputs, rows of the network's last buffer."""
    plan = make_plan(network, 1, "squared_error")
    values = {RAW: seen}
    for k in range(plan.n_forward):
        row = dict(zip(op.COLUMNS, plan.ops[k].tolist(), strict=True))
        row |= dict(zip(op.REALS, plan.reals[k].tolist(), strict=True))
        declared = op.OPERATIONS[row["code"]]
        columns = {name: row[name] for name in declared.columns}
        try:
            if declared.code not in OPERATIONS:
                raise ValueError(f"operation {declared.name} has no form in ONNX")
            OPERATIONS[declared.code](Step(graph, values, params, columns))
        except ValueError as error:
            raise ValueError(f"{plan.origins[k]}: {error}") from None
    last = int(plan.ops[plan.n_forward, op.X])  # what the loss reads
    return graph.rows(values[last])


def _of_classes(
    graph: Graph, raw: str, targets: ClassTargets
) -> list[tuple[str, Any, list]]:
    """Label and probabilities."""
    n_classes = len(targets.classes)
    if targets.link == "softmax":
        graph.add("Softmax", raw, output="probabilities", axis=1)
        places = graph.add("ArgMax", raw, axis=1, keepdims=0)
    else:
        zero = graph.constant(np.float32(0))
        places = graph.cast(graph.add("Greater", raw, zero), np.int64)
        if targets.kind == "multilabel":
            graph.add("Sigmoid", raw, output="probabilities")
            graph.add("Identity", places, output="label")
            shape = ["N", n_classes]
            return [("label", np.int64, shape), ("probabilities", np.float32, shape)]
        positive = graph.add("Sigmoid", raw)
        negative = graph.add("Sub", graph.constant(np.float32(1)), positive)
        graph.add("Concat", negative, positive, output="probabilities", axis=1)
        places = graph.reshaped_to(places, [-1])
    classes, kind = _storable(targets.classes)
    graph.add("Gather", graph.constant(classes), places, output="label")
    return [("label", kind, ["N"]), ("probabilities", np.float32, ["N", n_classes])]


def _storable(classes: np.ndarray) -> tuple[np.ndarray, Any]:
    """Classes as ONNX has them, and their type; None is text."""
    if classes.dtype.kind == "U" or all(isinstance(each, str) for each in classes):
        return classes.astype(object), None
    if classes.dtype.kind == "b":
        return classes, np.bool_
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64), np.int64
    if classes.dtype.kind == "f":
        return classes.astype(np.float64), np.float64
    raise ValueError(
        f"classes_ are {classes.dtype}, such as {classes[0]!r}, and must be numbers or "
        "text in ONNX"
    )


def _of_numbers(graph: Graph, raw: str, targets: RealTargets) -> list[Output]:
    """Predicted values."""
    shift, scale = targets.scaling
    exact = targets.link == "exp" or shift.size > 0
    name = graph.cast(raw, np.float64) if exact else raw
    if targets.link == "exp":
        top = graph.constant(np.float64(LARGEST_EXPONENT))
        name = graph.add("Exp", graph.add("Min", name, top))
    if shift.size:
        name = graph.add("Div", name, graph.constant(scale))
        name = graph.add("Add", name, graph.constant(shift))
    shape: list = ["N"] if targets.flat else ["N", targets.n_outputs]
    if targets.flat:
        name = graph.reshaped_to(name, [-1])
    graph.add("Identity", name, output="variable")
    return [("variable", np.float64 if exact else np.float32, shape)]
