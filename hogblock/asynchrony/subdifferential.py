"""How far a point is from being stationary: distance of 0 to sampled subgradients."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

from hogblock.asynchrony.arguments import covering, even_blocks
from hogblock.asynchrony.problems.base import Problem
from hogblock.asynchrony.problems.network import NetworkProblem
from hogblock.models.blocks import partition
from hogblock.scheduling.arguments import check_whole


@dataclass(frozen=True, eq=False)
class Stationarity:
    """Distance of 0 to the sampled Clarke subdifferential; `stationarity` makes it.

    Parameters
    ----------
    distance : float
        Norm of `point`.
    point : ndarray of shape (n,), float64
        The element of least norm in the convex hull of the gradients.
    weights : ndarray of shape (n_samples + 1,), float64
        Of the gradients in `point`: that at x, then those at the drawn points.
    gradient_norm : float
        Of the gradient at x alone.
    per_block : ndarray of shape (blocks,), float64
        Distances of 0 to the gradients restricted to each block.
    blocks : list of tuple of int
        Start and stop of each.
    radius : float
        Of the ball, in the units of x.
    n_samples : int
        Points drawn.
    """

    __module__ = "hogblock.asynchrony"

    distance: float
    point: np.ndarray
    weights: np.ndarray
    gradient_norm: float
    per_block: np.ndarray
    blocks: list[tuple[int, int]]
    radius: float
    n_samples: int


class _Target(NamedTuple):
    """What is looked at: a function by its gradients, and where."""

    gradient: Callable[[np.ndarray], np.ndarray]
    x: np.ndarray
    coordinates: np.ndarray
    radius: float
    cut: Callable[[int], list[tuple[int, int]]]


def stationarity(
    what,
    x=None,
    *,
    radius: float,
    n_samples: int = 100,
    blocks=None,
    X=None,
    y=None,
    sample_weight=None,
    random_state=None,
) -> Stationarity:
    """Distance of 0 to the Clarke subdifferential around x, by gradient sampling.

    Gradients are taken at x and at points drawn uniformly from the ball around it; the
    distance is the least norm in their convex hull. In the limit of many points it is
    that of the Goldstein subdifferential: the hull of all Clarke subgradients in the
    ball. Near a kink single gradients stay large; this gets small where x is nearly
    stationary. It falls with more points, and is exact for the points that there are.

    Parameters
    ----------
    what : Problem or fitted estimator
    x : array-like of shape (n,), default=None
        Where; of an estimator, None: its parameters.
    radius : float
        Of the ball, positive. Of a problem, in the units of x; of an estimator, in
        units of the norm of its parameters, so that on average a parameter moves by
        `radius` times their root mean square. They are float32: below about 1e-6
        nothing moves.
    n_samples : int, default=100
        Points to draw, beside x itself. Fewer than the variables do not see all of a
        subdifferential; the source draws twice as many as there are variables. With
        fewer, as for networks, the distance is a bound from above.
    blocks : int or sequence of tuple of int, default=None
        To look at each block alone: how many (of networks: of their own partition), or
        start and stop of each, which have to cover the vector in its order; None: one.
    X, y : array-like, default=None
        Samples and targets, if `what` is an estimator: all of them are one gradient.
    sample_weight : array-like of shape (n_rows,), default=None
    random_state : int or Generator, default=None

    Returns
    -------
    Stationarity

    Raises
    ------
    ValueError
        For bad arguments, or gradients that are not finite.

    Notes
    -----
    Where the function has a kink exactly at x, its selection there counts as a
    gradient; for a network such a selection need not be a Clarke subgradient.
    All gradients are kept: n_samples + 1 vectors of float64.

    References
    ----------
    J. V. Burke, A. S. Lewis and M. L. Overton, "A robust gradient sampling algorithm
    for nonsmooth, nonconvex optimization", SIAM Journal on Optimization 15 (2005),
    751-779, who draw 2 n points.

    Examples
    --------
    >>> from hogblock.asynchrony import AbsoluteValue, stationarity
    >>> near = stationarity(AbsoluteValue(), [0.01], radius=0.1, random_state=0)
    >>> far = stationarity(AbsoluteValue(), [5.0], radius=0.1, random_state=0)
    >>> near.gradient_norm, round(near.distance, 6), round(far.distance, 6)
    (1.0, 0.0, 1.0)
    """
    if not isinstance(radius, Real) or not 0 < float(radius) < np.inf:
        raise ValueError(f"radius={radius!r} must be a positive number")
    if isinstance(what, Problem):
        for name, value in {"X": X, "y": y, "sample_weight": sample_weight}.items():
            if value is not None:
                raise ValueError(f"{name} is for estimators; {what.name} has its own")
        target = _of_problem(what, x, float(radius))
    else:
        target = _of_estimator(what, x, float(radius), X, y, sample_weight)
    spans = _spans(blocks, target)
    random = np.random.default_rng(random_state)
    gradients = _gradients(target, check_whole("n_samples", n_samples, 1), random)
    weights = least_norm_weights(gradients)
    point = weights @ gradients
    parts = (gradients[:, start:stop] for start, stop in spans)
    return Stationarity(
        distance=float(np.linalg.norm(point)),
        point=point,
        weights=weights,
        gradient_norm=float(np.linalg.norm(gradients[0])),
        per_block=np.array([np.linalg.norm(least_norm_weights(p) @ p) for p in parts]),
        blocks=spans,
        radius=target.radius,
        n_samples=len(gradients) - 1,
    )


def least_norm_weights(gradients: np.ndarray) -> np.ndarray:
    """Weights of the element of least norm in the convex hull of some vectors.

    Parameters
    ----------
    gradients : ndarray of shape (count, n), float64

    Returns
    -------
    ndarray of shape (count,), float64
        Not negative, with the sum 1.
    """
    columns, size = gradients.T, len(gradients)
    largest = np.linalg.norm(columns, axis=0).max()
    if largest == 0:
        return np.full(size, 1 / size)
    if len(columns) > size:  # |G lam| = |R lam|, as Q has orthonormal columns
        columns = np.asarray(np.linalg.qr(columns, mode="r"))
    # Over lam >= 0, minimise |G lam|^2 + (1 - sum lam)^2. With lam = s w, s >= 0 and
    # sum w = 1, that is s^2 d^2 + (1 - s)^2, d = |G w|. It is least at
    # s = 1 / (1 + d^2) > 0, where it is d^2 / (1 + d^2). As that rises with d, the best
    # w has the least |G w|: lam / sum lam is what is looked for.
    system = np.vstack([columns / largest, np.ones(size)])
    target = np.zeros(len(system))
    target[-1] = 1
    found, _ = nnls(system, target, maxiter=30 * size)
    return found / found.sum()


def _of_problem(problem: Problem, x, radius: float) -> _Target:
    if x is None:
        raise ValueError(f"x=None: say at which x to look at {problem.name}")
    n = problem.n

    def cut(parts):
        if isinstance(problem, NetworkProblem):
            return problem.blocks(parts)
        if parts > n:
            raise ValueError(f"blocks={parts} are more than the {n} variables")
        return even_blocks(parts, n)

    return _Target(
        problem.subgradient, problem._checked(x), problem.coordinates, radius, cut
    )


def _of_estimator(estimator: Any, x, radius: float, X, y, weights) -> _Target:
    # Only here: problems have no use for scikit-learn.
    from hogblock.asynchrony.gradients import objective_of

    objective = objective_of(estimator, X, y, weights)
    network = objective.network
    at = np.array(estimator._params if x is None else x, np.float64)
    if at.shape != (network.size,):
        raise ValueError(
            f"x has shape {at.shape}; the network has {network.size} parameters"
        )
    used = objective.coordinates()

    def cut(parts):
        return [(b.start, b.stop) for b in partition(network, parts)]

    scale = float(np.linalg.norm(at[used]))
    return _Target(objective.gradient, at, used, radius * scale, cut)


def _spans(blocks, target: _Target) -> list[tuple[int, int]]:
    n = len(target.x)
    if blocks is None:
        return [(0, n)]
    if isinstance(blocks, Real):
        return target.cut(check_whole("blocks", blocks, 1))
    return covering(blocks, n)


def _gradients(target: _Target, n_samples: int, random) -> np.ndarray:
    """At x and at points of the ball, float64 [n_samples + 1, n]."""
    x, used = target.x, target.coordinates
    gradients = np.empty((n_samples + 1, len(x)))
    gradients[0] = target.gradient(x)
    for k in range(n_samples):
        direction = random.standard_normal(len(used))
        length = target.radius * random.random() ** (1 / len(used))
        at = x.copy()
        at[used] += length / np.linalg.norm(direction) * direction
        gradients[k + 1] = target.gradient(at)
    right = np.isfinite(gradients)
    if not right.all():
        where = "near x" if right[0].all() else "at x"
        raise ValueError(f"the gradient {where} is not finite: x is too large, or nan")
    return gradients
