"""Largest stable step of the scalar model with a constant age."""

import numpy as np

from hogblock.scheduling.arguments import check_real, check_whole

BISECTIONS = 60


def stability_limit(age, momentum=0.0, nesterov=False) -> float:
    """Largest stable rate * a on f(x) = a x^2 / 2 if all reads have the same age.

    The recursion x^(k+1) = x^k - rate s_k with the gradient at x^(k - age) is linear.
    With h = rate * a, m the momentum and t the age, its characteristic polynomial is ::

        z^(t+2) - (1 + m) z^(t+1) + m z^t + h z                    heavy ball
        z^(t+2) - (1 + m) z^(t+1) + m z^t + h ((1 + m) z - m)      Nesterov's

    and it is stable while all roots lie inside the unit circle: from h = 0 to the
    limit, which bisection finds. Without momentum it is 2 sin(pi / (2 (2 t + 1))).

    Parameters
    ----------
    age : int
        Not negative.
    momentum : float, default=0.0
        In [0, 1). Not multiplied by 1 - m: the velocity is u <- m u + g.
    nesterov : bool, default=False
        Step by g + m u in place of u.

    Returns
    -------
    float
        The limit of rate * a.

    Raises
    ------
    ValueError
        If `age` is no whole number or negative, or `momentum` is not in [0, 1).

    Examples
    --------
    >>> from hogblock.asynchrony import stability_limit
    >>> [round(stability_limit(age), 4) for age in (0, 1, 2)]
    [2.0, 1.0, 0.618]
    """
    age = check_whole("age", age, 0)
    m = check_real("momentum", momentum)
    if m >= 1:
        raise ValueError(f"momentum={momentum!r} must be below 1")
    stable, unstable = 0.0, 4.0  # without age and Nesterov it is 2 (1 + m), the most
    for _ in range(BISECTIONS):
        h = (stable + unstable) / 2
        if _radius(h, age, m, nesterov) < 1:
            stable = h
        else:
            unstable = h
    return (stable + unstable) / 2


def _radius(h: float, age: int, m: float, nesterov: bool) -> float:
    """Largest absolute value of a root."""
    polynomial = np.zeros(age + 3)
    polynomial[:3] = 1.0, -(1.0 + m), m
    polynomial[-2:] += (h * (1 + m), -h * m) if nesterov else (h, 0.0)
    return float(np.abs(np.roots(polynomial)).max())
