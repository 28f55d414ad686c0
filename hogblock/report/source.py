"""What a display is made from, told by its attributes."""

from collections.abc import Callable, Mapping
from typing import Any


def needed(display: str, source, name: str, what: str):
    value = getattr(source, name, None)
    if value is None:
        raise ValueError(
            f"{display} needs {what} with {name!r}, and "
            f"{type(source).__name__} has none"
        )
    return value


def by_name(given, name_of: Callable[[Any], str]) -> dict[str, Any]:
    """Several things by their names, or one by the name that it gives itself."""
    named = dict(given) if isinstance(given, Mapping) else {name_of(given): given}
    return {str(name): each for name, each in named.items()}
