"""Chains of ifs over a table of device functions, as a card has no switch of them."""

import math

from numba import float32

from hogblock.kernels.cuda.jit import part


@part
def _unknown(code, *arguments):
    return float32(math.nan)


def make_choice(functions):
    """Device function ``f(code, *arguments)`` that calls the function with this code.

    It returns NaN for a code without a function, which no plan has.

    Parameters
    ----------
    functions : dict of int to device function, all with the same arguments
    """
    chosen = _unknown
    for code, function in reversed(functions.items()):
        chosen = _make_link(code, function, chosen)
    return chosen


def _make_link(code, function, others):
    @part
    def link(wanted, *arguments):
        if wanted == code:
            return function(*arguments)
        return others(wanted, *arguments)

    return link
