"""Whether two values are the same: types, structure, and every bit."""

import struct
from dataclasses import fields, is_dataclass

import numpy as np

from hogblock.models import Network


def parts_of(value):
    """What a value is made of; None for one that is to be compared itself."""
    if isinstance(value, np.random.RandomState):
        return list(value.get_state())
    if isinstance(value, Network):
        return [value.layers, value.input_shape]
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name) for each in fields(value)]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [value.shape, *value.ravel()]
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    return list(value) if isinstance(value, (list, tuple)) else None


def bits_of(value):
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, np.generic):
        return value.dtype, value.tobytes()
    return struct.pack("d", value) if type(value) is float else value


def difference(a, b, place=""):
    """Where two values differ first, and how; None if they are the same."""
    if type(a) is not type(b):
        return f"{place}: {type(a)} and {type(b)}"
    parts, others = parts_of(a), parts_of(b)
    if parts is None:
        return None if bits_of(a) == bits_of(b) else f"{place}: {a!r} and {b!r}"
    if len(parts) != len(others):
        return f"{place}: {len(parts)} and {len(others)} parts"
    pairs = enumerate(zip(parts, others, strict=True))
    found = (difference(*pair, f"{place}.{k}") for k, pair in pairs)
    return next((each for each in found if each), None)
