"""Warnings that name the user's line, whatever lies between it and here."""

import sys
import threading
import warnings
from types import FrameType

LIBRARIES = frozenset(
    ("hogblock", "joblib", "numba", "sklearn")
    # What calls a fit for somebody, or waits for one in another thread.
    + ("asyncio", "concurrent", "contextlib", "functools", "multiprocessing", "queue")
    + ("runpy", "selectors", "threading")
)
"""Packages whose lines are no user's."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of something in the user's call.

    The line is that of the innermost frame outside `LIBRARIES`, by the names of
    modules: neither how many frames there are nor where files lie says whose a line is.
    Where the user has none, as in a process of joblib, it is line 1 of ``sys``, which
    is what Python says.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    frame = _users(sys._getframe(1)) or _users(_waiting())
    names = frame.f_globals if frame else vars(sys)
    warnings.warn_explicit(
        message,
        category,
        filename=frame.f_code.co_filename if frame else "sys",
        lineno=frame.f_lineno if frame else 1,
        module=names.get("__name__") or "<string>",
        registry=names.setdefault("__warningregistry__", {}),
    )


def _users(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of a user, from this one outwards."""
    while frame is not None and _package_of(frame) in LIBRARIES:
        frame = frame.f_back
    return frame


def _waiting() -> FrameType | None:
    """Where the main thread is, if it waits in a library: for this thread, it seems."""
    main = threading.main_thread().ident
    if main == threading.get_ident():
        return None
    frame = sys._current_frames().get(main)
    return frame if frame is not None and _package_of(frame) in LIBRARIES else None


def _package_of(frame: FrameType) -> str:
    """Top-level package of the module whose code a frame runs."""
    # By its specification, a module that runs as ``__main__`` has its own name still.
    module = getattr(frame.f_globals.get("__spec__"), "name", None)
    return str(module or frame.f_globals.get("__name__")).partition(".")[0]
