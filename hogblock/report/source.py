"""What a display is made from, told by its attributes."""


def needed(display: str, source, name: str, what: str):
    value = getattr(source, name, None)
    if value is None:
        raise ValueError(
            f"{display} needs {what} with {name!r}, and "
            f"{type(source).__name__} has none"
        )
    return value
