"""The file: whole or not at all, and read only if it is as it was written."""

import errno
import json
import os
import resource
import signal
import stat
import struct
import threading
import zlib
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from hogblock.saving import atomic, file
from hogblock.saving.file import DamagedError, reading, write

ABOUT = {"kind": "test", "text": 'quote " and \u20ac', "list": [1, 2.5, None, True]}
ARRAYS = {
    "bytes": np.arange(5, dtype=np.uint8),
    "doubles": np.array([[0.1, -0.0, np.nan], [np.inf, 1e-310, 2.0]]),
    "empty": np.zeros((0, 7), np.int32),
    "flags": np.array([True, False]),
    "half": np.float16([1.5]),
    "number": np.array(3, np.int64),
}
TEMPORARY = ".hogblock-1-0123456789abcdef.tmp"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.safetensors"
    write(path, ABOUT, ARRAYS)
    return path


def contents_of(path):
    with reading(path) as contents:
        return contents.about, {name: contents.array(name) for name in contents.shapes}


def only(path):
    """Whether nothing lies beside a file."""
    return os.listdir(path.parent) == [path.name]


def test_what_is_written_is_read(path):
    about, arrays = contents_of(path)
    assert {name: about[name] for name in ABOUT} == ABOUT
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        found = arrays[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
        assert found.flags.writeable and found.flags.aligned
    assert only(path)


def test_other_readers_of_the_format_read_it(path):
    arrays = load_file(path)
    assert {name: each.tobytes() for name, each in arrays.items()} == {
        name: each.tobytes() for name, each in ARRAYS.items()
    }


def header_of(path):
    octets = path.read_bytes()
    (size,) = struct.unpack("<Q", octets[:8])
    return json.loads(octets[8 : 8 + size]), octets[8 + size :]


def test_arrays_are_aligned_in_the_file(path):
    header, _ = header_of(path)
    assert (path.stat().st_size - len(header_of(path)[1])) % 8 == 0
    for name, array in ARRAYS.items():
        assert header[name]["data_offsets"][0] % array.itemsize == 0


@pytest.mark.parametrize(("what", "other"), [("dtype", "I64"), ("shape", [3, 2])])
def test_another_type_or_shape_of_as_many_bytes_is_seen(path, what, other):
    header, data = header_of(path)
    header["doubles"][what] = other
    path.write_bytes(headed(header, data))
    with pytest.raises(DamagedError, match="'doubles' is not as it was written"):
        contents_of(path)


def test_it_has_the_ordinary_mode(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a", ABOUT, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640


def test_a_link_stays_one(path):
    link = path.parent / "latest"
    link.symlink_to(path.name)
    write(link, ABOUT, {})
    assert link.is_symlink() and contents_of(path)[1] == {}


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_what_is_no_file_is_neither_replaced_nor_read(tmp_path, what):
    path = tmp_path / what
    path.mkdir() if what == "folder" else os.mkfifo(path)
    with pytest.raises(OSError, match=what):
        write(path, ABOUT, {})
    with pytest.raises(ValueError, match=rf"{what}: it is (a folder|no regular file)"):
        contents_of(path)
    assert only(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        contents_of(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="nothing/a"):
        write(tmp_path / "nothing" / "a", ABOUT, {})


@contextmanager
def small_files(most):
    """No file of this process gets larger than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_where_there_is_no_room_the_old_file_stays(path):
    before = path.read_bytes()
    with small_files(1 << 20), pytest.raises(OSError, match=path.name) as found:
        write(path, ABOUT, {"large": np.zeros(2 << 20, np.uint8)})
    assert found.value.errno == errno.EFBIG and found.value.filename == str(path)
    assert path.read_bytes() == before and only(path)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("open", OSError(errno.EROFS, "Read-only file system")),
        ("write", OSError(errno.ENOSPC, "No space left on device")),
        ("fsync", OSError(errno.EIO, "Input/output error")),
        ("replace", OSError(errno.EACCES, "Permission denied")),
        ("write", KeyboardInterrupt()),
    ],
    ids=lambda each: str(each),
)
def test_whatever_fails_the_old_file_stays(path, monkeypatch, call, error):
    def fails(*arguments, **options):
        raise error

    before = path.read_bytes()
    descriptors = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(type(error)) as found:
            write(path, {"new": 1}, ARRAYS)
    if isinstance(error, OSError):
        assert found.value.filename == str(path) and found.value.errno == error.errno
    assert path.read_bytes() == before and only(path)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(
    path, monkeypatch
):
    done = []

    def noted(call):
        def note(what, *others):
            folder = isinstance(what, int) and stat.S_ISDIR(os.fstat(what).st_mode)
            done.append((call.__name__, folder))
            return call(what, *others)

        return note

    for call in os.write, os.fsync, os.replace:
        monkeypatch.setattr(os, call.__name__, noted(call))
    write(path, ABOUT, {})
    assert done == [
        ("write", False), ("fsync", False), ("replace", False), ("fsync", True),
    ]  # fmt: skip


def test_a_link_that_is_in_the_way_is_not_followed(path, monkeypatch):
    monkeypatch.setattr(atomic, "token_hex", lambda length: "0123456789abcdef")
    before = path.read_bytes()
    link = path.parent / f".hogblock-{os.getpid()}-0123456789abcdef.tmp"
    link.symlink_to(path)
    with pytest.raises(FileExistsError):
        write(path.parent / "other", ABOUT, {})
    assert path.read_bytes() == before and link.is_symlink()


def test_what_dead_writers_left_is_removed_and_the_rest_stays(path):
    stale, other = path.parent / TEMPORARY, path.parent / ".hogblock-notes.tmp"
    stale.touch(), other.touch()
    with atomic.replacing(path.parent / "second") as descriptor:
        os.write(descriptor, b"2")
        write(path, ABOUT, ARRAYS)  # while another is being written
    assert sorted(os.listdir(path.parent)) == [other.name, path.name, "second"]


def test_two_writers_may_be_at_it_at_once(path):
    """The one removes what the other has just made and not yet locked, and so on."""

    def often(k):
        for _ in range(50):
            write(path, {"writer": k}, {"a": np.full(100, k)})

    threads = [threading.Thread(target=often, args=(k,)) for k in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    about, arrays = contents_of(path)
    assert (arrays["a"] == about["writer"]).all() and only(path)


def test_without_locks_it_is_written_and_nothing_is_removed(path, monkeypatch):
    def fails(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    (path.parent / TEMPORARY).touch()
    monkeypatch.setattr(atomic.fcntl, "flock", fails)
    write(path, {"new": 1}, {})
    assert contents_of(path)[0]["new"] == 1
    assert sorted(os.listdir(path.parent)) == [TEMPORARY, path.name]


def test_a_description_without_end_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "LARGEST_HEADER", 1000)
    with pytest.raises(ValueError, match=r"takes 1,.* bytes; at most 1,000"):
        write(tmp_path / "a", {"text": "x" * 1000}, {})
    assert os.listdir(tmp_path) == []


def test_an_array_of_another_type_or_shape_is_refused(path):
    for dtype, shape, what in (
        (np.float32, (2, 3), "'doubles' is float64, and must be float32"),
        (np.float64, (6,), r"'doubles' has shape \(2, 3\), and needs \(6,\)"),
    ):
        with reading(path) as contents:
            with pytest.raises(ValueError, match=what):
                contents.array("doubles", dtype, shape)
    with pytest.raises(ValueError, match="safetensors: array 'other' is missing"):
        with reading(path) as contents:
            contents.array("other")
    with pytest.raises(ValueError, match="array 'bytes' belongs to nothing"):
        with reading(path) as contents:
            contents.check_all_read()


def headed(header, data=b"", size=None):
    """A file of this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def described(about, entries=(), checksum=None):
    """A header with this description."""
    text = about if isinstance(about, str) else json.dumps(about)
    sum_ = str(zlib.crc32(text.encode())) if checksum is None else checksum
    return {"__metadata__": {"hogblock": text, "crc32": sum_}, **dict(entries)}


def entry(dtype, shape, start, end):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}}


PLAIN = {"format": 1, "checksums": {}}
WITH_A = {"format": 1, "checksums": {"a": 0}}
WRONG = {
    "empty": (b"", "ends before its header"),
    "text": (b"epoch,loss\n1,0.5\n", "was cut off, or is no safetensors file"),
    "endless header": (headed({}, size=2**62), "4,611,686,018,427,387,904 bytes"),
    "foreign": (headed({"__metadata__": {"format": "pt"}}), "no file of hogblock"),
    "no metadata": (headed({}), "no file of hogblock"),
    "deep header": (headed(b'{"a":' * 10000), "no whole safetensors file"),
    "no JSON": (headed(described("{")), "description is no JSON"),
    "deep": (headed(described("[" * 100_000)), "description is no JSON"),
    "NaN": (headed(described('{"format": NaN}')), "description is no JSON: NaN"),
    "long number": (headed(described("9" * 9999)), "description is no JSON"),
    "a list": (headed(described([1])), "format is missing"),
    "no format": (headed(described({"format": "1"})), "format is missing"),
    "later": (
        headed(described({"format": 2, "versions": {"hogblock": "9.9"}})),
        r"format is 2, .* reads 1; .*9\.9",
    ),
    "no checksums": (headed(described({"format": 1})), "checksums .* not those"),
    "checksum": (headed(described(PLAIN, checksum="1")), r"written \(checksum\)"),
    "huge shape": (
        headed(described(WITH_A, entry("F32", [2**40, 2**40], 0, 4)), b"1234"),
        "overflow",
    ),
    "longer than the file": (
        headed(described(WITH_A, entry("F32", [2**30], 0, 2**32)), b"1234"),
        "not fully covered",
    ),
    "endless of nothing": (
        headed(described(WITH_A, entry("F32", [0, 2**63], 0, 0))),
        "'a' has the impossible shape",
    ),
    "many dimensions": (
        headed(described(WITH_A, entry("U8", [1] * 65, 0, 1)), b"1"),
        "'a' has the impossible shape",
    ),
    "type": (
        headed(described(WITH_A, entry("BF16", [2], 0, 4)), b"1234"),
        "'a' has the unknown type BF16",
    ),
    "content": (
        headed(described(WITH_A, entry("F32", [1], 0, 4)), b"1234"),
        r"'a' is not as it was written \(checksum\)",
    ),
}


@pytest.mark.parametrize(("octets", "what"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(tmp_path, octets, what):
    path = tmp_path / "model.safetensors"
    path.write_bytes(octets)
    with pytest.raises(ValueError, match=rf"(?s)model\.safetensors.*{what}") as found:
        contents_of(path)
    later = "later" in str(found.value) or "format is 2" in str(found.value)
    assert isinstance(found.value, DamagedError) != later


def test_a_long_header_is_not_read(path, monkeypatch):
    monkeypatch.setattr(file, "LARGEST_HEADER", 100)
    with pytest.raises(ValueError, match="at most 100 are read"):
        contents_of(path)


def test_a_model_of_another_library_is_none_of_ours(tmp_path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "w")
    with pytest.raises(ValueError, match="no file of hogblock"):
        contents_of(tmp_path / "w")


def mutated(octets, changes):
    """With bytes flipped, cut off or put in."""
    octets = bytearray(octets)
    for kind, place, value in changes:
        at = place % (len(octets) + 1)
        if kind == "flip" and at < len(octets):
            octets[at] ^= value
        elif kind == "cut":
            del octets[at:]
        elif kind == "insert":
            octets.insert(at, value)
    return bytes(octets)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "flip", "cut", "insert"]),
        st.integers(0, 1 << 20),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file, and what it was."""
    path = tmp_path_factory.mktemp("mutated") / "model"
    write(path, ABOUT, ARRAYS)
    return path, path.read_bytes(), contents_of(path)


@settings(max_examples=300, deadline=None, database=None)
@given(changes=CHANGES)
def test_no_change_goes_unseen(written, changes):
    path, octets, (about, arrays) = written
    path.write_bytes(mutated(octets, changes))
    try:
        found_about, found = contents_of(path)
    except ValueError as error:
        assert str(path) in str(error)
        return
    assert found_about == about and found.keys() == arrays.keys()  # spaces, at most
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
