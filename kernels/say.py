"""Words for whoever watches; somebody who does not is no reason to fail."""

import contextlib
import sys


def say(text: str) -> None:
    """Write a line to stderr, if there is one that can be written to.

    It is None where there is no console (``pythonw``, services); print would then write
    to stdout instead.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
