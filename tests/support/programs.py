"""Programs in processes of their own, whose descendants can be found and ended."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import threading
import time
import uuid

import psutil
import pytest

from hogblock.kernels.cpu.warmup import warm_up
from support.segments import names

MARK = "HOGBLOCK_TEST_RUN"
END_SECONDS = 40
"""A hang lasts for ever; on an idle machine an end takes 0.1 to 2 s."""
MOST_SECONDS = 120
"""Of a whole program, whatever it does."""


class Program:
    """A process; all that it and its descendants start has its mark.

    Parameters
    ----------
    arguments : list of str
    environment : dict, default={}
        None takes a variable away.
    **options
        Of ``subprocess.Popen``.
    """

    def __init__(self, arguments, environment=(), **options):
        warm_up()  # nobody's time is for compiling
        self.mark = uuid.uuid4().hex
        wanted = {MARK: self.mark, "NUMBA_ENABLE_CUDASIM": "0"} | dict(environment)
        env = {k: v for k, v in (os.environ | wanted).items() if v is not None}
        self.process = subprocess.Popen([*map(str, arguments)], env=env, **options)

    def alive(self, word=""):
        """Processes that the program and its descendants started, by a word."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get(MARK) == self.mark
                if ours and word in " ".join(process.cmdline()):
                    found.append(process.pid)
        return found

    def workers(self):
        """Worker processes of the program."""
        return self.alive("hogblock.engines.cpu.bootstrap")

    def leaves_nothing(self, seconds=END_SECONDS):
        """All processes are gone in time, and no shared memory has a name of ours."""
        deadline = time.monotonic() + seconds
        while (left := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []
        assert names() == set()

    def kill(self):
        """End the program and whatever it left."""
        self.process.kill()
        for pid in self.alive():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if not any("resource_tracker" in word for word in process.cmdline()):
                    process.kill()  # a tracker leaves by itself, when it has tidied up
        self.process.communicate()


@contextlib.contextmanager
def killed_in_the_end(program):
    """The program, for a block; a watchdog kills it where nothing comes of it."""
    watchdog = threading.Timer(MOST_SECONDS, program.kill)
    watchdog.start()
    try:
        yield program
    finally:
        watchdog.cancel()
        program.kill()


class Heard:
    """What comes from a descriptor, read as it comes until nobody can write to it.

    Parameters
    ----------
    descriptor : int
        Taken over.
    """

    def __init__(self, descriptor):
        self.text = ""
        self._seen = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(descriptor,))
        self._thread.start()

    def _listen(self, descriptor):
        with contextlib.suppress(OSError):  # of a terminal that nobody writes to
            while not self._closing.is_set():
                if select.select([descriptor], [], [], 0.02)[0]:
                    if not (data := os.read(descriptor, 65536)):
                        break
                    self.text += data.decode(errors="replace")
        os.close(descriptor)

    def until(self, word, seconds=END_SECONDS):
        """Wait until a word comes, behind the last one that was waited for."""
        deadline = time.monotonic() + seconds
        listens = True
        while (at := self.text.find(word, self._seen)) < 0:
            if not listens or time.monotonic() > deadline:
                pytest.fail(f"no {word!r} at the end of\n{self.text[-2000:]}")
            listens = self._thread.is_alive()
            time.sleep(0.01)
        self._seen = at + len(word)

    def all(self):
        """What came, when nothing can come any more."""
        self._thread.join(END_SECONDS)
        return self.text

    def close(self):
        """Listen no more."""
        self._closing.set()
        self._thread.join()


class Terminal(Program):
    """A program at a terminal of its own, as its foreground process.

    Parameters
    ----------
    *arguments : str
        Of Python.

    Attributes
    ----------
    heard : Heard
        What it prints.
    """

    _AT_TERMINAL = (
        "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); "
        "os.execv(sys.executable, sys.argv[1:])"
    )

    def __init__(self, *arguments):
        self._ours, theirs = pty.openpty()
        start = [sys.executable, "-c", self._AT_TERMINAL, sys.executable, *arguments]
        super().__init__(
            start, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.heard = Heard(os.dup(self._ours))

    def ctrl_c(self):
        """Type it: the terminal interrupts all processes in its foreground."""
        os.write(self._ours, b"\x03")

    def hang_up(self):
        """Close the terminal."""
        self.heard.close()
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def kill(self):
        super().kill()
        self.hang_up()
