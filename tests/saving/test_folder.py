"""The folder of checkpoints: nothing that was saved gets lost, whatever happens."""

import errno
import os
import random
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from hogblock.saving import atomic
from hogblock.saving import folder as folder_module
from hogblock.saving.file import reading
from hogblock.saving.folder import Folder
from support.behind import behind

pytestmark = pytest.mark.timeout(60)
SUPPORT = Path(__file__).parents[1] / "support"


def save(folder, *epochs):
    for epoch in epochs:
        folder.save(epoch, {"epoch": epoch}, {"a": np.full(1000, epoch)})


def loaded(path):
    """The epoch of a checkpoint, all of which is read."""
    with reading(path) as contents:
        for name in contents.shapes:
            assert (contents.array(name) == contents.about["epoch"]).all()
        return contents.about["epoch"]


def names(path):
    return sorted(os.listdir(path))


def test_the_last_few_are_kept_and_the_newest_is_read(tmp_path):
    path = tmp_path / "made" / "here"
    with Folder(path, keep=2, resume=False) as folder:
        assert folder.newest(loaded) is None
        save(folder, 2, 7, 999_999, 1_000_000)
        assert folder.epochs() == [999_999, 1_000_000]
        assert folder.newest(loaded) == 1_000_000
    assert names(path) == ["epoch-1000000.safetensors", "epoch-999999.safetensors"]


def test_a_new_fit_does_not_touch_what_another_has_saved(tmp_path):
    with Folder(tmp_path, keep=2, resume=False) as folder:
        save(folder, 3)
    with pytest.raises(ValueError, match=r"up to epoch 3: pass resume=True, or"):
        Folder(tmp_path, keep=2, resume=False)
    assert names(tmp_path) == ["epoch-000003.safetensors"]
    with Folder(tmp_path, keep=2, resume=True) as folder:
        assert folder.newest(loaded) == 3


def test_other_files_stay(tmp_path):
    others = ["epoch-1.safetensors", "epoch-000001.safetensors.bak", "notes"]
    for name in others:
        (tmp_path / name).touch()
    with Folder(tmp_path, keep=1, resume=False) as folder:
        save(folder, 1, 2)
    assert names(tmp_path) == sorted([*others, "epoch-000002.safetensors"])


def test_a_folder_that_was_made_for_nothing_is_removed(tmp_path):
    Folder(tmp_path / "new", keep=1, resume=False).close()
    Folder(tmp_path, keep=1, resume=False).close()
    assert names(tmp_path) == []


def cut(path):
    os.truncate(path, os.path.getsize(path) - 1)


def flipped(path):
    octets = bytearray(path.read_bytes())
    octets[-8] ^= 1
    path.write_bytes(octets)


@pytest.mark.parametrize("damage", [cut, flipped], ids=lambda each: each.__name__)
def test_a_damaged_one_is_skipped_with_a_warning(tmp_path, damage):
    with Folder(tmp_path, keep=3, resume=False) as folder:
        save(folder, 1, 2, 3)
        damage(tmp_path / "epoch-000003.safetensors")
        with pytest.warns(UserWarning, match=r"damaged.*epoch-000003.*after epoch 2"):
            assert folder.newest(loaded) == 2
        save(folder, 3)
        assert folder.newest(loaded) == 3


def test_a_damaged_one_pushes_none_out(tmp_path):
    with Folder(tmp_path, keep=1, resume=False) as folder:
        save(folder, 5)
    cut(tmp_path / "epoch-000005.safetensors")
    with Folder(tmp_path, keep=1, resume=True) as folder:
        save(folder, 1, 2)
        assert folder.epochs() == [2, 5]
        with pytest.warns(UserWarning, match="damaged"):
            assert folder.newest(loaded) == 2


def test_none_that_is_whole_is_an_error(tmp_path):
    with Folder(tmp_path, keep=3, resume=False) as folder:
        save(folder, 1, 2)
        for epoch in 1, 2:
            cut(tmp_path / f"epoch-00000{epoch}.safetensors")
        with pytest.raises(ValueError, match=r"no whole.*epoch-000002.*epoch-000001"):
            folder.newest(loaded)


def test_one_of_a_later_version_is_not_skipped(tmp_path):
    def load(path):
        raise ValueError("format is 2")

    with Folder(tmp_path, keep=3, resume=False) as folder:
        save(folder, 1, 2)
        with pytest.raises(ValueError, match=r"^format is 2"):
            folder.newest(load)


def test_one_fit_at_a_time(tmp_path):
    with Folder(tmp_path, keep=1, resume=True):
        wanted = rf"in use by another fit \(process {os.getpid()}\)"
        with pytest.raises(ValueError, match=wanted):
            Folder(tmp_path, keep=1, resume=True)
    with Folder(tmp_path, keep=1, resume=True):
        pass
    assert names(tmp_path) == []


def test_a_lock_that_its_holder_takes_away_locks_nobody(tmp_path, monkeypatch):
    def late(descriptor):
        monkeypatch.setattr(folder_module, "lock", atomic.lock)
        os.unlink(tmp_path / folder_module.LOCK)  # by the holder, on its way out
        return atomic.lock(descriptor)

    monkeypatch.setattr(folder_module, "lock", late)
    with Folder(tmp_path, keep=1, resume=True):
        with pytest.raises(ValueError, match="in use by another fit"):
            Folder(tmp_path, keep=1, resume=True)


def test_of_many_at_once_one_has_it(tmp_path):
    """Also while others give it back: the lock that is removed locks nobody."""
    inside, most, faults = [], [], []

    def often():
        for _ in range(100):
            try:
                with Folder(tmp_path, keep=1, resume=True):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except ValueError:
                pass
            except BaseException as error:
                faults.append(error)

    threads = [threading.Thread(target=often) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert faults == [] and set(most) == {1}
    assert names(tmp_path) == []


def test_a_fork_gives_nothing_back(tmp_path):
    with Folder(tmp_path / "new", keep=1, resume=False) as folder:
        child = os.fork()
        if child == 0:
            folder.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(ValueError, match="in use"):
            Folder(tmp_path / "new", keep=1, resume=False)


def test_without_locks_there_is_a_warning(tmp_path, monkeypatch):
    def fails(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(atomic.fcntl, "flock", fails)
    with pytest.warns(UserWarning, match="a file system without locks"):
        folder = Folder(tmp_path, keep=1, resume=False)
    save(folder, 1)
    folder.close()
    assert names(tmp_path) == ["epoch-000001.safetensors"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    def fails(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OSError, match="file"):
        Folder(file, keep=1, resume=False)
    monkeypatch.setattr(folder_module.os, "open", fails)
    with pytest.raises(OSError, match="new") as found:
        Folder(tmp_path / "new", keep=1, resume=False)
    assert found.value.errno == errno.EROFS and names(tmp_path) == ["file"]


def test_old_ones_go_only_when_the_new_one_is_there(tmp_path, monkeypatch):
    with Folder(tmp_path, keep=1, resume=False) as folder:
        save(folder, 1)

        def fails(*arguments):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", fails)
            with pytest.raises(OSError, match=r"epoch-000002\.safetensors"):
                save(folder, 2)
        assert folder.newest(loaded) == 1


def killed(folder, first, after):
    """Kill a writer so long after it has begun a file; what it has said last."""
    command = [sys.executable, SUPPORT / "kill_writer.py", folder, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        said = writer.stdout.readline()
        while not begun(folder):
            time.sleep(0.0005)
        time.sleep(after)
        writer.kill()
        said += writer.stdout.read()
    return int(said.split()[-1])


def begun(folder):
    return any(name.endswith(".tmp") for name in os.listdir(folder))


@behind
def test_kills_while_it_writes_lose_nothing(folder):
    """Each goes on where the killed one was, until five have left half a file."""
    chance = random.Random(0)
    first = halves = 1
    while halves <= 5:
        done = killed(folder, first, chance.random() * 0.01)
        halves += begun(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing is damaged
            with Folder(folder, keep=2, resume=True) as found:
                newest = found.newest(loaded)
                assert newest in (done, done + 1), (newest, done)
                for epoch in found.epochs():
                    assert loaded(found.file(epoch)) == epoch
        assert names(folder) == [f"epoch-{e:06d}.safetensors" for e in found.epochs()]
        first = newest + 1


def test_a_folder_that_was_lost_is_free_again(tmp_path):
    """An interruption may come before anybody can close it."""
    Folder(tmp_path, 3, False)
    Folder(tmp_path, 3, False).close()
