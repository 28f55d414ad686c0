"""Whose files may be run: a cache of kernels is code, kept as pickles.

Trusted are this user, root, and whoever owns this package and could change it just as
well; so is a group that one of them lets write.
"""

import contextlib
import os
import stat
from functools import cache
from pathlib import Path


@cache
def risk_of(folder: str) -> str | None:
    """What lets anybody else put files into a folder; None if nothing does.

    Others may not write to it, nor put another one into its place, but where they
    cannot even come near.
    """
    path = Path(folder)
    for place in (path.absolute(), path.resolve()):
        for each in (*reversed(place.parents), place):
            try:
                state = each.stat()
            except OSError:  # not there yet: it will be ours
                break
            if state.st_uid not in _trusted():
                return f"{each} belongs to another user"
            sticky = state.st_mode & stat.S_ISVTX and each != place
            if state.st_mode & stat.S_IWOTH and not sticky:
                return f"anybody may write to {each}"
            if not state.st_mode & stat.S_IXOTH:  # nobody else gets any further
                break
    return None


def _trusted() -> set[int]:
    """Numbers of users; root's is not 0 in every container."""
    users = {os.geteuid(), os.stat("/").st_uid}
    with contextlib.suppress(OSError):  # the package lies in an archive
        users.add(os.stat(__file__).st_uid)
    return users
