"""A worker process's first code: light, so that it is watched while the rest loads."""

import os
import signal
import threading
import time
from multiprocessing.connection import Connection

from hogblock.engines.cpu.system import Identity
from hogblock.errors import WorkerError
from hogblock.kernels import child

WATCH_SECONDS = 0.5
FOR_ALL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
"""What terminals and batch systems send to all processes: the parent decides."""


def command(descriptor: int, ancestor: Identity | None) -> list[str]:
    """Arguments of the interpreter that make it a worker of this process.

    Parameters
    ----------
    descriptor : int
        The worker's end of a connection.
    ancestor : Identity, optional
        The worker leaves when this process or the ancestor is gone.

    Raises
    ------
    WorkerError
        If this program is no Python interpreter.
    """
    call = f"start({descriptor}, {os.getpid()}, {ancestor and tuple(ancestor)})"
    arguments = child.command(f"from {__name__} import start; {call}")
    if arguments is None:
        raise WorkerError(
            "this program is no Python interpreter that could be started once more, as "
            "a worker process: use n_jobs=1"
        )
    return arguments


def start(descriptor: int, parent: int, ancestor: tuple | None) -> None:
    """Serve runs for `parent`; the end of file on the connection ends it."""
    for number in FOR_ALL:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent, ancestor), daemon=True).start()
    from hogblock.engines.cpu.worker import main

    main(Connection(descriptor))
    os._exit(0)  # Python's own way out takes half a second, for nothing


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
