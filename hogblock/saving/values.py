"""Python values as JSON and arrays, and back: exactly, and without pickle.

JSON's own values mean themselves. Each object of the JSON text is a tag, one key, that
says what its value is. Arrays are kept beside the text, by the place where they stand.
"""

import os
import struct
from collections.abc import Mapping
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from hogblock.saving.file import NAMES, Contents
from hogblock.saving.known import Known

DEEPEST = 64
"""Values inside values."""

MANY = 16
"""From so many floats on, a list of them is an array in the file."""

LAST_CODE_POINT = 0x10FFFF

STATE = 624
"""Words of the state of a Mersenne Twister."""


class Packer:
    """Turns values into JSON, and gathers their arrays.

    Attributes
    ----------
    arrays : dict of str to ndarray
        What is to be written beside the JSON.
    """

    def __init__(self, known: Known):
        self._known = known
        self._randoms: list[np.random.RandomState] = []
        self.arrays: dict[str, np.ndarray] = {}

    def pack(self, value, field: str, depth: int = 0) -> Any:
        """JSON of a value.

        Parameters
        ----------
        value : object
        field : str
            Where it stands, for errors and as the name of its array.
        depth : int, default=0
            Values that it lies in.

        Raises
        ------
        ValueError
            If it cannot be stored; names the field.
        """
        if depth > DEEPEST:
            raise ValueError(f"{field} cannot be stored: it is nested too deeply")
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if isfinite(value) else {"float": _bits(value)}
        if kind is list:
            return self._list(value, field, depth)
        if kind is tuple:
            return {"tuple": self._items(value, field, depth)}
        if kind is dict:
            pairs = [list(pair) for pair in value.items()]
            return {"dict": self._items(pairs, field, depth)}
        if kind is frozenset:
            return {"types": sorted(self._type(each, field) for each in value)}
        if isinstance(value, np.generic):
            return self._scalar(value, field)
        if isinstance(value, os.PathLike):
            return {"path": os.fsdecode(value)}
        if kind in (np.ndarray, np.memmap):
            return self._array(np.asarray(value), field, depth)
        if kind is np.random.RandomState:
            return {"random": self._random(value, field)}
        return self._object(value, field, depth)

    def randoms(self) -> list:
        """JSON of the random states that were met; packed once each."""
        return [self._state(k, each) for k, each in enumerate(self._randoms)]

    def _items(self, values, field: str, depth: int) -> list:
        named = ((f"{field}.{k}", each) for k, each in enumerate(values))
        return [self.pack(each, name, depth + 1) for name, each in named]

    def _list(self, values: list, field: str, depth: int):
        if len(values) < MANY or any(type(each) is not float for each in values):
            return self._items(values, field, depth)
        self._keep(np.array(values), field)
        return {"floats": len(values)}

    def _type(self, value, field: str) -> str:
        if not (isinstance(value, type) and issubclass(value, np.generic)):
            raise _unstorable(field, value)
        return np.dtype(value).name

    def _scalar(self, value: np.generic, field: str):
        if type(value) is np.str_:
            return {"text": str(value)}
        if value.dtype not in NAMES:
            raise _unstorable(field, value)
        return {"number": [NAMES[value.dtype], value.tobytes().hex()]}

    def _array(self, array: np.ndarray, field: str, depth: int):
        if array.dtype.kind == "O":
            items = self._items(array.ravel().tolist(), field, depth)
            return {"objects": [list(array.shape), items]}
        native = np.asarray(array, array.dtype.newbyteorder("="), order="C")
        if native.dtype.kind == "U" and native.dtype.itemsize:
            letters = native.reshape(-1).view(np.uint32)
            self._keep(letters.reshape(*native.shape, -1), field)
            return {"texts": list(native.shape)}
        if native.dtype not in NAMES:
            raise _unstorable(field, array.dtype)
        self._keep(native, field)
        return {"array": NAMES[native.dtype]}

    def _keep(self, array: np.ndarray, field: str) -> None:
        assert field not in self.arrays
        self.arrays[field] = array

    def _random(self, random: np.random.RandomState, field: str) -> int | str:
        if random is check_random_state(None):
            return "global"
        if random.get_state(legacy=False)["bit_generator"] != "MT19937":
            raise _unstorable(field, random)
        if not any(random is each for each in self._randoms):
            self._randoms.append(random)
        return next(k for k, each in enumerate(self._randoms) if random is each)

    def _state(self, k: int, random: np.random.RandomState) -> list:
        state: Any = random.get_state(legacy=False)
        self._keep(state["state"]["key"], f"random.{k}")
        return [state["state"]["pos"], state["has_gauss"], _bits(state["gauss"])]

    def _object(self, value, field: str, depth: int):
        apart = self._known.taken_apart(value)
        if apart is None:
            raise _unstorable(field, value)
        name, values = apart
        packed = {
            n: self.pack(each, f"{field}.{n}", depth + 1) for n, each in values.items()
        }
        return {"object": [name, packed]}


class Unpacker:
    """Turns JSON of `Packer` into values again.

    Parameters
    ----------
    known : Known
    contents : Contents
        Where the arrays are.
    randoms : object
        JSON of the random states.

    Raises
    ------
    ValueError
        As all methods, if the JSON is not what a `Packer` makes; names the field.
    """

    def __init__(self, known: Known, contents: Contents, randoms):
        self._known, self._contents = known, contents
        self._depth = 0
        if not isinstance(randoms, list):
            raise ValueError("randoms are missing")
        self._randoms = [self._state(k, each) for k, each in enumerate(randoms)]

    def unpack(self, packed, field: str) -> Any:
        """The value of some JSON.

        Parameters
        ----------
        packed : object
        field : str
            As for `Packer.pack`.
        """
        self._depth += 1
        try:
            if self._depth > DEEPEST + 1:
                raise ValueError(f"{field} is nested too deeply")
            if isinstance(packed, list):
                return self._items(packed, field)
            if not isinstance(packed, dict):
                return packed
            if len(packed) == 1:
                ((tag, body),) = packed.items()
                if tag in _TAGS:
                    return _TAGS[tag](self, body, field)
            raise ValueError(f"{field} is no value: {_shortened(packed)}")
        finally:
            self._depth -= 1

    def _items(self, packed, field: str) -> list:
        _check(isinstance(packed, list), field, packed)
        return [self.unpack(each, f"{field}.{k}") for k, each in enumerate(packed)]

    def _tuple(self, body, field: str) -> tuple:
        return tuple(self._items(body, field))

    def _dict(self, body, field: str) -> dict:
        pairs = self._items(body, field)
        _check(
            all(isinstance(p, list) and len(p) == 2 for p in pairs), field, body
        )  # fmt: skip
        try:
            return dict(pairs)
        except TypeError:
            raise ValueError(f"{field}: a key is no key: {_shortened(body)}") from None

    def _types(self, body, field: str) -> frozenset:
        known = isinstance(body, list) and all(map(_is_type, body))
        _check(known, field, body)
        return frozenset(_BY_NAME[name].type for name in body)

    def _float(self, body, field: str) -> float:
        return struct.unpack("<d", _octets(body, 8, field))[0]

    def _text(self, body, field: str) -> np.str_:
        _check(isinstance(body, str), field, body)
        return np.str_(body)

    def _path(self, body, field: str) -> Path:
        _check(isinstance(body, str), field, body)
        return Path(body)

    def _number(self, body, field: str) -> np.generic:
        _check(isinstance(body, list) and len(body) == 2, field, body)
        dtype = _dtype(body[0], field)
        return np.frombuffer(_octets(body[1], dtype.itemsize, field), dtype)[0]

    def _floats(self, body, field: str) -> list[float]:
        _check(_is_whole(body), field, body)
        return self._contents.array(field, np.float64, (body,)).tolist()

    def _array(self, body, field: str) -> np.ndarray:
        return self._contents.array(field, _dtype(body, field))

    def _texts(self, body, field: str) -> np.ndarray:
        shape = _shape(body, field)
        letters = self._contents.array(field, np.uint32)
        width = letters.shape[-1] if letters.ndim else 0
        _check(width > 0 and letters.shape == (*shape, width), field, body)
        if letters.max(initial=0) > LAST_CODE_POINT:
            raise ValueError(f"{field} holds what is no letter")
        return letters.reshape(-1).view(f"U{width}").reshape(shape)

    def _objects(self, body, field: str) -> np.ndarray:
        _check(isinstance(body, list) and len(body) == 2, field, body)
        shape, items = _shape(body[0], field), self._items(body[1], field)
        _check(prod(shape) == len(items), field, body)
        array = np.empty(len(items), object)
        array[:] = items
        return array.reshape(shape)

    def _random(self, body, field: str) -> np.random.RandomState:
        if body == "global":
            return check_random_state(None)
        _check(_is_whole(body) and body < len(self._randoms), field, body)
        return self._randoms[body]

    def _state(self, k: int, packed) -> np.random.RandomState:
        field = f"random.{k}"
        _check(isinstance(packed, list) and len(packed) == 3, field, packed)
        position, has_gauss, gauss = packed
        # The generator itself would read behind its words.
        _check(_is_whole(position) and position <= STATE, field, packed)
        _check(has_gauss in (0, 1), field, packed)
        words = self._contents.array(field, np.uint32, (STATE,))
        random = np.random.RandomState()
        random.set_state(
            ("MT19937", words, position, int(has_gauss), self._float(gauss, field))
        )
        return random

    def _object(self, body, field: str):
        _check(isinstance(body, list) and len(body) == 2, field, body)
        name, packed = body
        _check(isinstance(name, str) and isinstance(packed, dict), field, body)
        values = {n: self.unpack(each, f"{field}.{n}") for n, each in packed.items()}
        try:
            return self._known.made(name, values)
        except ValueError as error:
            raise ValueError(f"{field}: {error}") from error


_TAGS: Mapping = {
    "array": Unpacker._array,
    "dict": Unpacker._dict,
    "float": Unpacker._float,
    "floats": Unpacker._floats,
    "number": Unpacker._number,
    "object": Unpacker._object,
    "objects": Unpacker._objects,
    "path": Unpacker._path,
    "random": Unpacker._random,
    "text": Unpacker._text,
    "texts": Unpacker._texts,
    "tuple": Unpacker._tuple,
    "types": Unpacker._types,
}
_BY_NAME = {dtype.name: dtype for dtype in NAMES}
_BY_TYPE = {name: dtype for dtype, name in NAMES.items()}


def _bits(value: float) -> str:
    return struct.pack("<d", value).hex()


def _octets(text, count: int, field: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except (TypeError, ValueError):
        octets = b""
    _check(len(octets) == count, field, text)
    return octets


def _dtype(name, field: str) -> np.dtype:
    _check(isinstance(name, str) and name in _BY_TYPE, field, name)
    return _BY_TYPE[name]


def _shape(packed, field: str) -> tuple[int, ...]:
    _check(isinstance(packed, list) and all(map(_is_whole, packed)), field, packed)
    return tuple(packed)


def _is_type(name) -> bool:
    return isinstance(name, str) and name in _BY_NAME


def _is_whole(value) -> bool:
    return type(value) is int and value >= 0


def _check(right: bool, field: str, packed) -> None:
    if not right:
        raise ValueError(f"{field} is impossible: {_shortened(packed)}")


def _shortened(packed) -> str:
    text = repr(packed)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _unstorable(field: str, value) -> ValueError:
    return ValueError(
        f"{field}={_shortened(value)} cannot be stored: allowed are numbers, text, "
        "paths, lists, tuples, dicts and arrays of them, RandomState (MT19937), and "
        "hogblock's methods, learning-rate schedules, networks, layers, losses, "
        "Augmentation and Cuda, or dataclasses of one's own in their place"
    )
