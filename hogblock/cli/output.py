"""What the commands print: results to stdout, words to stderr."""

import contextlib
import os
import sys

from hogblock.kernels.say import say


class OutputError(Exception):
    """stdout cannot be written to; `__cause__` is the OSError that says why."""


def put(text: str = "") -> None:
    """Print a line of results, now.

    Raises
    ------
    OutputError
        If it cannot be written. A stdout that is not there is none of our business.
    """
    if getattr(sys.stdout, "closed", False):
        return
    try:
        print(text, flush=True)
    except OSError as error:
        raise OutputError(str(error)) from error


def drop() -> None:
    """Let nothing more go to stdout, nor what is left in its buffer."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def note(kind: str, message: object) -> None:
    """A line on stderr: an error, a warning, or the name of a file and a word on it."""
    say(f"hogblock: {kind}: {' '.join(str(message).split())}")


def at_work(text: str) -> None:
    """What is being done, in place of what was done before; in a terminal only."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text:<32}\r")
            sys.stderr.flush()
