"""A worker process's first code: light, so that it is watched while the rest loads."""

import errno
import os
import signal
import threading
import time
from multiprocessing.connection import Connection

from hogblock.engines.cpu.system import Identity
from hogblock.kernels import child

WATCH_SECONDS = 0.5


def command(descriptor: int, ancestor: Identity | None) -> list[str]:
    """Arguments of a process that is a worker of this one.

    Parameters
    ----------
    descriptor : int
        The worker's end of a connection.
    ancestor : Identity, optional
        The worker leaves when this process or the ancestor is gone.

    Raises
    ------
    OSError
        If there is no interpreter, as in a program that is frozen.
    """
    call = f"start({descriptor}, {os.getpid()}, {ancestor and tuple(ancestor)})"
    found = child.command(f"from hogblock.engines.cpu.bootstrap import start; {call}")
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "there is no Python interpreter")
    return found


def start(descriptor: int, parent: int, ancestor: tuple | None) -> None:
    """Serve runs for `parent`; the end of file on the connection ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent, ancestor), daemon=True).start()
    from hogblock.engines.cpu.worker import main

    main(Connection(descriptor))


def _watch(parent: int, ancestor: tuple | None) -> None:
    """End this process, whatever it does, as soon as nobody wants it any more.

    The end of file is not enough: a fork of the parent may hold the connection open.
    """
    while os.getppid() == parent and (ancestor is None or _lives(ancestor)):
        time.sleep(WATCH_SECONDS)
    os._exit(0)


def _lives(ancestor: tuple) -> bool:
    try:
        return Identity.of(ancestor[0]) == ancestor
    except OSError:
        return True
