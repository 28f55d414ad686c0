"""The thread that writes beside training."""

import errno
import os
import signal
import threading
import time
import warnings

import pytest

from hogblock.saving.writer import Writer

pytestmark = pytest.mark.timeout(30)


class Slow:
    """Writes when it is let, and notes what."""

    def __init__(self, fails=()):
        self.written, self.tried, self.fails = [], [], dict(fails)
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __call__(self, state):
        self.begun.set()
        assert self.goes_on.wait(10)
        self.tried.append(state)
        if state in self.fails:
            raise self.fails[state]
        self.written.append(state)


def threads():
    return [t for t in threading.enumerate() if t.name == "hogblock checkpoints"]


def test_the_newest_is_written_and_close_waits_for_it():
    write = Slow()
    with Writer(write) as writer:
        writer.put(1)
        assert write.begun.wait(10)
        for state in 2, 3, 4:
            writer.put(state)  # nobody waits here
        assert write.written == []
        write.goes_on.set()
    assert write.written == [1, 4] and threads() == []


def test_without_a_state_it_ends():
    Writer(Slow()).close()
    assert threads() == []


def test_what_fails_is_told_once_and_later_ones_are_written():
    full = OSError(errno.ENOSPC, "No space left on device", "epoch-000001")
    write = Slow({1: full, 2: ValueError("too long")})
    write.goes_on.set()
    writer = Writer(write)
    writer.put(1)
    with pytest.warns(UserWarning, match=r"could not be .*No space.*epoch-000001"):
        while writer.failure is None:
            time.sleep(0.001)
        writer.put(2)
    while write.tried != [1, 2]:
        time.sleep(0.001)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        writer.put(3)
        writer.close()
    assert write.written == [3] and writer.failure is full


def test_what_fails_last_is_told_at_the_end():
    write = Slow({1: ValueError("the description takes too many bytes")})
    write.goes_on.set()
    writer = Writer(write)
    writer.put(1)
    with pytest.warns(UserWarning, match="training goes on: the description"):
        writer.close()


def test_a_fork_writes_nothing_and_waits_for_nothing():
    write = Slow()
    with Writer(write) as writer:
        held, forked = threading.Event(), threading.Event()

        def hold():  # as the thread of the writer may at that moment
            with writer._changed:
                held.set()
                forked.wait(10)

        holding = threading.Thread(target=hold)
        holding.start()
        assert held.wait(10)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(5)
            writer.put(1)
            writer.close()
            os._exit(len(write.written))
        forked.set()
        holding.join()
        assert os.waitpid(child, 0)[1] == 0
        write.goes_on.set()
    assert write.written == []
