"""Where pictures are drawn: figures of our own, or axes as scikit-learn's displays."""


def new_figure(wanted_by: str, size: tuple[float, float]):
    """An empty figure of `size` inches, for the function named `wanted_by`.

    It is made without pyplot, which would keep it and pick a window system.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise _missing(wanted_by) from error
    return Figure(figsize=size, layout="constrained", dpi=120)


def axes_or_new(wanted_by: str, ax=None):
    """`ax`, or the axes of a new figure of pyplot, as scikit-learn's displays have it.

    Raises
    ------
    ImportError
        If there is no `ax`, and matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise _missing(wanted_by) from error
    return plt.subplots(layout="constrained")[1]


def _missing(wanted_by: str) -> ImportError:
    return ImportError(f"{wanted_by} needs matplotlib: pip install 'hogblock[plot]'")
