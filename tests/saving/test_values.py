"""Values in files: they come back as they were, and nothing else comes back."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hogblock import Augmentation, Cuda, methods, models, schedules
from hogblock.asynchrony import Law, Recording
from hogblock.models.activations import ACTIVATIONS
from hogblock.models.losses import LOSSES
from hogblock.saving.file import reading, write
from hogblock.saving.known import Known
from hogblock.saving.values import DEEPEST, Packer, Unpacker
from support.edited import edited
from support.same import difference

NUMBERS = [np.bool_, np.float16, np.float32, np.float64]
NUMBERS += [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32]
NUMBERS += [np.uint64]


@dataclass(frozen=True)
class Halved(schedules.Schedule):
    """From outside the package."""

    after: float = 0.5


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)  # which takes its time
        yield tmp_path_factory.mktemp("values") / "values"


def stored(path, value):
    packer = Packer(Known())
    about = {"value": packer.pack(value, "value"), "randoms": packer.randoms()}
    write(path, about, packer.arrays)
    return about


def loaded(path, classes=()):
    with reading(path) as contents:
        about = contents.about
        unpacker = Unpacker(Known(others=classes), contents, about["randoms"])
        value = unpacker.unpack(about["value"], "value")
        contents.check_all_read()
        return value


DTYPES = st.sampled_from([np.dtype(each) for each in NUMBERS])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_subnormal=True)
    | st.text()
    | st.text().map(np.str_)
    | DTYPES.flatmap(lambda dtype: arrays.from_dtype(dtype))
)
KEYS = st.integers() | st.text(max_size=3) | st.booleans() | st.just(np.int64(3))
ARRAYS = (
    arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, min_side=0, max_side=3))
    | arrays.arrays(np.dtype("U3"), arrays.array_shapes(max_side=3))
    | arrays.arrays(object, 3, elements=st.text() | st.integers() | st.none())
)
VALUES = st.recursive(
    SCALARS | ARRAYS | st.lists(st.floats(), min_size=10, max_size=20),
    lambda each: (
        st.lists(each, max_size=4)
        | st.lists(each, max_size=4).map(tuple)
        | st.dictionaries(KEYS, each, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, database=None)
@given(value=VALUES)
@example(value=[-0.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, 1.7e308])
def test_values_come_back_bit_for_bit(path, value):
    stored(path, value)
    assert difference(loaded(path), value) is None


def test_many_floats_of_two_types_stay_that(path):
    value = [*map(float, range(20)), np.float64(1.5)]
    stored(path, value)
    assert difference(loaded(path), value) is None


def test_arrays_of_another_layout_come_back_in_that_of_the_machine(path):
    grid = np.arange(6.0).reshape(2, 3)
    for given_, expected in (
        (grid.T, np.ascontiguousarray(grid.T)),
        (grid[:, ::2], grid[:, ::2].copy()),
        (grid.astype(">f8"), grid),
        (np.array(["b", "aa"]).astype(">U2"), np.array(["b", "aa"])),
    ):
        stored(path, given_)
        assert difference(loaded(path), expected) is None


OBJECTS = [
    *(kind() for kind in methods.METHODS.values()),
    methods.Mixed(mix=((0, {"full": 1.0}), (0.5, {"full": 0.5, methods.From(1): 0.5}))),
    methods.PASSMPlus(switch_epochs=(1, 4), scope=methods.From(-1)),
    *(kind() for kind in schedules.SCHEDULES.values()),
    schedules.Step((0.1, 0.2), 0.3),
    *LOSSES.values(),
    models.Huber(2),
    *ACTIVATIONS.values(),
    ACTIVATIONS["identity"]._replace(gain=2.0),
    Augmentation(2, True, 1),
    Cuda(1, blocks_per_worker=2),
    Recording(1000),
    models.lenet5(),
    models.resnet8(),
    models.Network(
        [
            models.Conv2D(4, (3, 1), (2, 1), "valid", "gelu"),
            models.DepthwiseConv2D(3, bias=False),
            models.AvgPool2D(2),
            models.LeakyReLU(0.2),
            models.SpatialDropout2D(0.5),
            models.Add(3),
            models.Flatten(),
            models.Dense(3, ACTIVATIONS["tanh"], "he_normal"),
            models.Dropout(0.1),
        ],
        (9, 4, 2),
    ),
    frozenset({np.float32, np.uint8}),
    Path("a/b"),
]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda each: repr(each)[:40])
def test_objects_of_the_package_come_back(path, value):
    stored(path, value)
    found = loaded(path)
    assert difference(found, value) is None
    if isinstance(value, models.Network):
        assert found.tensors == value.tensors


def test_numbers_of_layers_become_those_without_bounds(path):
    """A product of np.uint8 ends at 255: a network would have another size."""
    stored(path, models.Dense(np.uint8(200)))
    found = loaded(path)
    assert found == models.Dense(200) and type(found.units) is int


def test_every_layer_that_users_may_take_is_known():
    known = Known()
    for name in models.layers.__all__:
        assert name in {n.removeprefix("hogblock.") for n in known._kinds}


def test_a_random_state_goes_on_and_stays_one_object(path):
    random = np.random.RandomState(3)
    random.normal(size=5)  # an odd number of them leaves one behind
    stored(path, [random, random, np.random.RandomState(3)])
    one, same, other = loaded(path)
    assert one is same and one is not other
    assert difference(one, random) is None
    assert one.normal(size=700).tolist() == random.normal(size=700).tolist()


def test_the_random_state_of_all_stays_that(path):
    stored(path, np.random.mtrand._rand)
    assert loaded(path) is np.random.mtrand._rand


class Odd:
    pass


UNKNOWN = {
    "object": Odd(),
    "function": len,
    "class": Odd,
    "scheduler": Law(2),
    "set": {1},
    "complex": 1j,
    "extended": np.longdouble(1),
    "dates": np.array(["2020-01-01"], "M8[D]"),
    "bytes": b"1",
    "masked": np.ma.array([1.0]),
    "generator": np.random.RandomState(np.random.PCG64(0)),
    "deep": json.loads("[" * 100 + "]" * 100),
}


@pytest.mark.parametrize("value", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_stored_is_named(value):
    with pytest.raises(ValueError, match=r"(?s)^place\.1\.[\d.]*.* cannot be stored"):
        Packer(Known()).pack([0, (value,)], "place")


def test_depth_is_bounded_alike_in_both_ways(path):
    value = []
    for _ in range(DEEPEST):
        value = [value]
    stored(path, value)
    assert loaded(path) == value
    packed = stored(path, [])
    write(path, packed | {"value": [value]}, {})
    with pytest.raises(ValueError, match=r"value\.0\.0.* is nested too deeply"):
        loaded(path)


def test_a_class_from_outside_has_to_be_given(path):
    stored(path, Halved(0.25))
    with pytest.raises(
        ValueError, match=r"value: class Halved is unknown: pass it in classes"
    ):
        loaded(path)
    assert loaded(path, [Halved]) == Halved(0.25)
    with pytest.raises(ValueError, match="two have the name 'Halved'"):
        Known(others=[Halved, replace(Halved()).__class__])
    with pytest.raises(ValueError, match=r"classes: <class .*Odd'> is no dataclass"):
        Known(others=[Odd])


def object_of(name, **fields):
    return {"object": [name, fields]}


IMPOSSIBLE = {
    "no tag": ({}, "value is no value"),
    "unknown tag": ({"code": "print()"}, "value is no value: {'code'"),
    "two tags": ({"tuple": [], "dict": []}, "value is no value"),
    "tuple": ({"tuple": 3}, "value is impossible: 3"),
    "dict": ({"dict": [[1, 2, 3]]}, "value is impossible"),
    "dict of numbers": ({"dict": [1]}, "value is impossible"),
    "key": ({"dict": [[[1], 2]]}, "value: a key is no key"),
    "float": ({"float": "00"}, "value is impossible"),
    "float of no text": ({"float": 1.5}, "value is impossible: 1.5"),
    "text": ({"text": 3}, "value is impossible"),
    "path": ({"path": 3}, "value is impossible"),
    "number": ({"number": ["F32", "0000"]}, "value is impossible"),
    "type of a number": ({"number": ["O", "00"]}, "value is impossible: 'O'"),
    "types": ({"types": ["object"]}, "value is impossible"),
    "array": ({"array": "F32"}, "array 'value' is missing"),
    "type of an array": ({"array": ["F32"]}, "value is impossible"),
    "floats": ({"floats": 10**12}, "array 'value' is missing"),
    "many floats": ({"floats": -1}, "value is impossible: -1"),
    "texts": ({"texts": [-1]}, "value is impossible"),
    "objects": ({"objects": [[10**9], [1]]}, "value is impossible"),
    "random": ({"random": 0}, "value is impossible: 0"),
    "class": (object_of("os.system", command="ls"), "class os.system is unknown"),
    "later class": (object_of("hogblock.New"), "New is unknown to this version"),
    "class of no name": ({"object": [3, {}]}, "value is impossible"),
    "field": (object_of("hogblock.Dense", units=3, sparse=True), "no field 'sparse'"),
    "missing field": (object_of("hogblock.Dense"), "Dense: .* missing .* 'units'"),
    "value of a field": (object_of("hogblock.Dense", units=0), "Dense: units=0"),
    "type of a field": (object_of("hogblock.Conv2D", channels=1, kernel_size=None),
        "Conv2D: kernel_size=None"),
    "activation": (
        object_of("hogblock.Activation", like="os", slope=0, gain=0, rises=1),
        "like='os' is unknown",
    ),
    "network": (object_of("hogblock.Network", layers=["x"], input_shape=[3]),
        "Network: layer 0 is 'x'"),
    "mix": (object_of("hogblock.Mixed", mix=[3]), "Mixed: cannot unpack"),
}  # fmt: skip


@pytest.mark.parametrize(("packed", "what"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_is_impossible_is_named(path, packed, what):
    write(path, {"value": packed, "randoms": []}, {})
    with pytest.raises(ValueError, match=what):
        loaded(path)


def test_an_array_that_is_not_what_is_said_is_refused(path):
    for packed, array, what in (
        ({"array": "F32"}, np.zeros(3), "'value' is float64, and must be float32"),
        ({"floats": 3}, np.zeros(4), r"has shape \(4,\), and needs \(3,\)"),
        ({"texts": [2]}, np.zeros((3, 1), np.uint32), "value is impossible"),
        ({"texts": []}, np.zeros((), np.uint32), "value is impossible"),
        ({"texts": [1]}, np.full((1, 1), 1 << 30, np.uint32), "no letter"),
        (3, np.zeros(4), "array 'value' belongs to nothing"),
    ):
        write(path, {"value": packed, "randoms": []}, {"value": array})
        with pytest.raises(ValueError, match=what):
            loaded(path)


@pytest.mark.parametrize(
    "state", [[625, 0, "0" * 16], [-1, 0, "0" * 16], [0, 2, "0" * 16], [0, 0, ""], 0]
)
def test_an_impossible_random_state_is_refused(path, state):
    words = {"random.0": np.zeros(624, np.uint32)}
    write(path, {"value": {"random": 0}, "randoms": [state]}, words)
    with pytest.raises(ValueError, match=r"random\.0 is impossible"):
        loaded(path)


@settings(max_examples=300, deadline=None, database=None)
@given(data=st.data())
def test_edited_values_are_refused_or_are_values(path, data):
    value = [OBJECTS[-2], np.arange(3), {1: "a"}, methods.PASSMPlus(), 1.5]
    packer = Packer(Known())
    packed = data.draw(edited(packer.pack(value, "value")))
    write(path, {"value": packed, "randoms": []}, packer.arrays)
    try:
        loaded(path)
    except ValueError as error:
        assert str(path) in str(error)
