"""The disk cache of kernels: damaged, full or not there, it never fails a fit."""

import errno
import fcntl
import os
import pickle
import subprocess
import sys
import textwrap
import warnings

import numba
import pytest
from numba.core import config

from hogblock.kernels import cache
from hogblock.kernels.cpu import warmup
from hogblock.kernels.cpu.jit import kernel


def add_one(x):
    return x + 1


def use():
    """Call a kernel that is fresh; returns whether it came from the disk."""
    compiled = kernel(add_one)
    assert compiled(1) == 2
    return sum(compiled.stats.cache_hits.values()) == 1


def use_quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return use()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """``files(ending)`` is the file of the kernel, which is in the cache by now."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_warned", False)
    assert not use_quietly()
    assert use_quietly()

    def file(ending):
        (found,) = tmp_path.rglob(f"*add_one*{ending}")
        return found

    return file


class Gone:
    """A class that the process which reads its pickle does not have."""


def pickled(value):
    """As an index: the version of Numba first."""
    return pickle.dumps(numba.__version__) + pickle.dumps(value)


def missing_class():
    return pickled(Gone()).replace(b"Gone", b"Home")


def half(data):
    return data[: len(data) // 2]


def flipped(data):
    """One bit, in what would be machine code."""
    at = data.index(b"\x7fELF") + 200
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGES = {
    "empty index": (".nbi", lambda data: b""),
    "half an index": (".nbi", half),
    "index of zeros": (".nbi", lambda data: bytes(len(data))),
    "index of garbage": (".nbi", lambda data: b"garbage"),
    "index of another form": (".nbi", lambda data: pickled(7)),
    "index without a table": (".nbi", lambda data: pickled((cache.SOURCE_STAMP, 7))),
    "empty code": (".nbc", lambda data: b""),
    "half the code": (".nbc", half),
    "code of zeros": (".nbc", lambda data: bytes(len(data))),
    "code of another form": (".nbc", lambda data: pickle.dumps(None)),
    "one bit of the code": (".nbc", flipped),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_compiled_again_and_replaced(files, tmp_path, damage):
    ending, change = DAMAGES[damage]
    file = files(ending)
    file.write_bytes(change(file.read_bytes()))
    with pytest.warns(RuntimeWarning, match=f"{tmp_path}.* does not work") as warned:
        assert not use()
    assert len(warned) == 1
    assert use_quietly()


def test_an_index_of_other_sources_is_replaced_without_a_word(files):
    """It names a class that these sources have no more."""
    file = files(".nbi")
    file.write_bytes(missing_class())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not use()
    assert use_quietly()


def test_code_that_numba_cannot_rebuild_is_compiled_again(files, monkeypatch):
    def rebuild(*_):
        raise KeyError("another Numba's")

    with monkeypatch.context() as patched, pytest.warns(RuntimeWarning, match="KeyErr"):
        patched.setattr(numba.core.compiler.CompileResult, "_rebuild", rebuild)
        assert not use()
    assert use_quietly()


def test_a_folder_in_an_index_place_warns_once(files):
    """Neither readable nor to be replaced."""
    index = files(".nbi")
    index.unlink()
    index.mkdir()
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR") as warned:
        assert not use()
    assert len(warned) == 1
    assert not use_quietly()  # works all the same, and has been said


def test_an_entry_that_another_process_removed_is_written_again(files):
    compiled = kernel(add_one)
    assert cache.is_cached(compiled)
    files(".nbc").unlink()
    assert not cache.is_cached(compiled)
    assert not use_quietly()
    assert use_quietly()


def test_another_processor_has_entries_of_its_own(files, monkeypatch):
    assert cache.is_cached(kernel(add_one))
    monkeypatch.setattr(
        "numba.core.codegen.CPUCodegen.magic_tuple", lambda self: ("another",)
    )
    assert not cache.is_cached(kernel(add_one))


def test_an_edit_of_any_source_compiles_again(files, monkeypatch):
    monkeypatch.setattr(cache, "SOURCE_STAMP", "after an edit")
    assert not cache.is_cached(kernel(add_one))
    assert not use_quietly()
    assert use_quietly()


# Processes ---------------------------------------------------------------------------

SCRIPT = """
    import resource, sys
    from hogblock.kernels.cpu.jit import kernel
    import tiny
    if "full" in sys.argv:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    for function in (tiny.one, tiny.two):
        compiled = kernel(function)
        print(compiled(1), compiled._cache.cache_path)
"""
TINY = """
    def one(x):
        return x + 1

    def two(x):
        return x + 2
"""


def run(folder, *arguments, **environment):
    for name, text in (("script.py", SCRIPT), ("tiny.py", TINY)):
        (folder / name).write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, "-B", "script.py", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_a_cache_without_room_is_named_once_and_left_clean(tmp_path):
    room = tmp_path / "room"
    done = run(tmp_path, "full", NUMBA_CACHE_DIR=str(room))
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["2", "3"]
    assert done.stderr.count("RuntimeWarning") == 1
    assert f"the kernel cache in {room}" in done.stderr
    assert list(room.rglob("*.tmp.*")) == []
    # With room again it is used, without a word.
    again = run(tmp_path, NUMBA_CACHE_DIR=str(room))
    assert again.stderr == ""
    assert len(list(room.rglob("*.nbc"))) == 2


def test_files_where_folders_should_be_mean_no_cache(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "__pycache__").write_text("")
    done = run(tmp_path, NUMBA_CACHE_DIR=str(file), XDG_CACHE_HOME=str(file))
    assert done.stdout.split() == ["2", "None", "3", "None"]
    assert done.stderr == ""


# Warming up --------------------------------------------------------------------------


@pytest.fixture
def cold(monkeypatch):
    """``cold(path)``: the next `warm_up` finds an empty cache there."""
    warmup.warm_up()  # what it calls is compiled, and is quick from now on
    monkeypatch.setattr(warmup, "_warm", set())

    def make(path):
        state = warmup.CacheState(path, False)
        monkeypatch.setattr(warmup, "cache_state", lambda images: state)

    return make


def test_what_is_said_of_compiling(cold, tmp_path, capsys):
    cold(str(tmp_path))
    warmup.warm_up()
    assert f"for this machine, once (cache: {tmp_path})" in capsys.readouterr().err


def test_without_a_cache_nothing_is_compiled_once(cold, capsys):
    cold(None)
    warmup.warm_up()
    said = capsys.readouterr().err
    assert "in every process" in said and "NUMBA_CACHE_DIR" in said
    assert "once" not in said


@pytest.mark.parametrize("stream", ["none", "closed", "full"])
def test_stderr_may_be_missing(cold, tmp_path, monkeypatch, stream):
    made = None if stream == "none" else open("/dev/full", "w")
    if stream == "closed":
        made.close()
    monkeypatch.setattr(sys, "stderr", made)
    cold(str(tmp_path))
    warmup.warm_up()
    if stream == "full":
        with pytest.raises(OSError, match="No space"):
            made.close()


def test_a_file_system_without_locks(cold, tmp_path, monkeypatch, capsys):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    cold(str(tmp_path))
    warmup.warm_up()
    assert "compiling" in capsys.readouterr().err
