"""Where pictures are drawn: figures of our own, or axes as scikit-learn's displays."""

import numpy as np


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


def panels_or_new(wanted_by: str, count: int, ax=None) -> list:
    """A list of `ax`, one a panel, or the panels of a new figure of pyplot in a row.

    Raises
    ------
    ImportError
        If there is no `ax`, and matplotlib is not installed.
    ValueError
        If there are not `count` of them.
    """
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise _missing(wanted_by) from error
        size = (1 + 4.5 * count, 4.4)
        new = plt.subplots(1, count, squeeze=False, layout="constrained", figsize=size)
        return list(new[1][0])
    given = list(np.ravel(ax))
    if len(given) != count:
        raise ValueError(f"ax has {len(given)} axes, and there are {count} panels")
    return given


def _missing(wanted_by: str) -> ImportError:
    return ImportError(f"{wanted_by} needs matplotlib: pip install 'hogblock[plot]'")
