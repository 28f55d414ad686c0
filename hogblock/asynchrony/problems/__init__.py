"""Problems with known subgradients."""

from hogblock.asynchrony.problems.base import Problem
from hogblock.asynchrony.problems.smooth import Quadratic

__all__ = ["Problem", "Quadratic"]
