"""Figures without pyplot, which would keep them all and pick a window system."""


def new_figure(wanted_by: str, size: tuple[float, float]):
    """An empty figure of `size` inches, for the function named `wanted_by`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"{wanted_by} needs matplotlib: pip install 'hogblock[plot]'"
        ) from error
    return Figure(figsize=size, layout="constrained", dpi=120)
