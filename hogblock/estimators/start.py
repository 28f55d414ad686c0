"""Where a run starts: its network, parameters, scaling and random numbers."""

from dataclasses import dataclass

import numpy as np

from hogblock.estimators.continued import Standing, check_unchanged, random_of
from hogblock.estimators.problem import Problem
from hogblock.models import Network
from hogblock.training.scaling import Scaling, Standardiser
from hogblock.training.sparse_rows import SparseRows
from hogblock.training.storage import type_of_values


@dataclass(frozen=True)
class Start:
    """What a run starts from.

    Attributes
    ----------
    standing : Standing
    network : Network
    params : ndarray of shape (n_parameters,), float32
    standard : Standardiser or None
        Of X.
    random : RandomState
    seed : int
        Of the run.
    """

    standing: Standing
    network: Network
    params: np.ndarray
    standard: Standardiser | None
    random: np.random.RandomState
    seed: int

    @property
    def inputs(self) -> Scaling:
        """What the network sees of X."""
        return self.standard.scaling if self.standard else Scaling.none()


def start_of(estimator, problem: Problem, standing: Standing, random_state) -> Start:
    """From the fitted parameters if the standing is warm, else from new ones.

    Parameters
    ----------
    estimator : NetworkEstimator
    problem : Problem
    standing : Standing
    random_state : int, RandomState or None
        See ``continued.random_of``.

    Raises
    ------
    ValueError
        If the estimator's network does not suit the problem, or is not the fitted one.
    """
    random = random_of(estimator, standing, random_state)
    network = estimator._make_network(problem.shape, problem.targets.n_outputs)
    if standing.warm:
        check_unchanged(estimator, network)
        standard = estimator._standard
        if standard:
            standard = standard.refined_by(
                problem.statistics, len(problem.X), type_of_values(problem.X)
            )
        params = estimator._params
    else:
        standard = None
        if estimator.standardize:
            channels = estimator._form.channels(network.input_shape)
            standard = Standardiser.of_statistics(
                problem.statistics(channels),
                len(problem.X),
                frozenset({type_of_values(problem.X)}),
                channels,
                centred=not isinstance(problem.X, SparseRows),
            )
        params = network.initialise(random)
    seed = int(random.randint(np.iinfo(np.int32).max))
    return Start(standing, network, params, standard, random, seed)
