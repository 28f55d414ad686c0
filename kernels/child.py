"""Python processes of our own, which import what this process would."""

import os
import sys
from multiprocessing import process, spawn

_FLAGS = {
    "isolated": "-I",
    "ignore_environment": "-E",
    "no_user_site": "-s",
    "no_site": "-S",
    "safe_path": "-P",
    "dont_write_bytecode": "-B",
}
"""What this interpreter was told of where modules come from, and how to say it."""


def command(code: str) -> list[str] | None:
    """Arguments of a Python process that runs some code; None if there is no Python.

    Modules are found where this process finds them: a folder that was relative to the
    current one is still the same after a change of the current folder.

    Parameters
    ----------
    code : str
        Statements; `sys` is imported.
    """
    executable = spawn.get_executable()
    if not executable or getattr(sys, "frozen", False):  # a program that is no Python
        return None
    flags = [flag for name, flag in _FLAGS.items() if getattr(sys.flags, name)]
    flags += ["-O"] * sys.flags.optimize  # without docstrings kernels have other bytes
    here = process.ORIGINAL_DIR or ""  # None if it was gone when Python started
    paths = ascii([os.path.join(here, path) for path in map(str, sys.path)])
    return [
        os.fsdecode(executable),
        *flags,
        "-c",
        f"import sys; sys.path[:] = {paths}; {code}",
    ]
