"""Names that come from files, in messages."""

from collections.abc import Sequence

MOST_SHOWN, LONGEST_SHOWN = 50, 200
"""Names in a message, and characters of one."""


def listed(names: Sequence[str]) -> str:
    """The first names, in one line that does nothing to a terminal."""
    shown = [str(name)[:LONGEST_SHOWN] for name in names[:MOST_SHOWN]]
    shown = [name if name.isprintable() else repr(name) for name in shown]
    more = f" and {len(names) - MOST_SHOWN:,} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(shown) + more
