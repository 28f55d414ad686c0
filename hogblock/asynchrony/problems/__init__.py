"""Problems with known subgradients."""

from hogblock.asynchrony.problems.base import Problem
from hogblock.asynchrony.problems.kinks import AbsoluteValue, Kink, L1Norm
from hogblock.asynchrony.problems.max_affine import MaxAffine
from hogblock.asynchrony.problems.network import NetworkProblem
from hogblock.asynchrony.problems.phase_retrieval import PhaseRetrieval
from hogblock.asynchrony.problems.smooth import Quadratic

__all__ = [
    "AbsoluteValue",
    "Kink",
    "L1Norm",
    "MaxAffine",
    "NetworkProblem",
    "PhaseRetrieval",
    "Problem",
    "Quadratic",
]
