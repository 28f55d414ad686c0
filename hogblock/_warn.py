"""Warnings that name the user's line, however many frames lie between."""

import os
import sys
import warnings
from functools import cache
from importlib.util import find_spec

INSIDE = ("hogblock", "hogblock.kernels", "hogblock.models", "sklearn", "joblib")
"""Packages whose lines are no user's."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of something in the user's call of an estimator.

    Python 3.12's ``skip_file_prefixes`` does this too.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_folders()):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@cache
def _folders() -> tuple[str, ...]:
    specifications = filter(None, map(find_spec, INSIDE))
    return tuple(
        os.path.join(folder, "")
        for specification in specifications
        for folder in specification.submodule_search_locations or ()
    )
