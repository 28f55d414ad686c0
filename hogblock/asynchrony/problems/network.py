"""A small network as a problem of the event model."""

import numpy as np

from hogblock.asynchrony.problems.arguments import finite
from hogblock.asynchrony.problems.base import Problem
from hogblock.asynchrony.problems.objective import Objective
from hogblock.kernels.events import network as kernels
from hogblock.models import Network
from hogblock.models.blocks import partition
from hogblock.models.losses import Loss, loss_of
from hogblock.scheduling.arguments import check_whole
from hogblock.training.scaling import Scaling


class NetworkProblem(Problem):
    """Training of a network of rows: its loss on given samples, and a penalty.

    The gradients are those of the engine, by its kernels. x is the flat parameter
    vector of the network, in float64; the network sees it rounded to float32. A sample
    is a minibatch: rows [i batch, (i + 1) batch). Its gradient is that of::

        (sum_i loss_i + alpha / 2 |W|^2) / rows

    as in a training step; without a sample it is their mean, in which minibatches count
    by their rows. If the last is short, drawing minibatches with equal probabilities
    gives its rows more weight than that.

    With ReLU and max-pooling the function is neither smooth nor convex. At kinks the
    derivative of ReLU is 0: the gradient of a selection, which where several kinks meet
    need not lie in the Clarke subdifferential. A loss of regression is the sum over the
    outputs of a row here.

    Parameters
    ----------
    network : hogblock.models.Network
        Of rows, without dropout.
    X : array-like of shape (n_rows, n_features)
    y : array-like
        Of shape (n_rows,), class indices, for the loss "softmax"; of shape (n_rows,
        n_outputs) for the others, numbers in [0, 1] for "logistic". Of one output the
        shape may be (n_rows,).
    loss : str, default="softmax"
        "softmax", "logistic", "squared_error", "absolute_error", "huber", or an
        instance such as ``hogblock.models.Huber(1.0)``.
    batch : int, default=32
        Rows of a minibatch.
    alpha : float, default=0.0
        Factor of the penalty on weights, not negative.

    Attributes
    ----------
    network : hogblock.models.Network
    coordinates : ndarray of int
        Those of the vector that are no padding.

    Raises
    ------
    ValueError
        If the network takes images, or drops values, or the data do not suit it.

    Notes
    -----
    Evaluations share one work space: simulate one problem in one thread at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from hogblock.asynchrony import NetworkProblem
    >>> from hogblock.models import Dense, Network
    >>> network = Network([Dense(8, "relu"), Dense(2)], (2,))
    >>> X = np.random.default_rng(0).standard_normal((64, 2))
    >>> problem = NetworkProblem(network, X, (X[:, 0] > 0).astype(int), batch=16)
    >>> x = problem.start(random_state=0)
    >>> problem.n_samples, problem.subgradient(x).shape == (network.size,)
    (4, True)
    """

    __module__ = "hogblock.asynchrony"
    name = "network"
    kernel = kernels.network

    def __init__(
        self,
        network: Network,
        X,
        y,
        loss: str | Loss = "softmax",
        *,
        batch: int = 32,
        alpha: float = 0.0,
    ):
        if not isinstance(network, Network):
            raise ValueError(f"network={network!r} must be a hogblock.models.Network")
        if len(network.input_shape) != 1:
            raise ValueError(
                f"network takes images of shape {network.input_shape}; allowed are "
                "networks of rows"
            )
        self.network = network
        x = _rows(X, network)
        penalty = float(finite(alpha, "alpha", (0,)))
        if penalty < 0:
            raise ValueError(f"alpha={alpha!r} must not be negative")
        self._objective = Objective(
            network,
            x,
            _targets(y, loss_of(loss), len(x), network.output_shape[0]),
            loss,
            weights=np.zeros(0, np.float32),
            scaling=Scaling.none(),
            alpha=penalty,
            batch=check_whole("batch", batch, 1),
        )
        self.n, self.n_samples = network.size, self._objective.batches

    @property
    def data(self):
        return self._objective.data

    @property
    def coordinates(self):
        """Coordinates of the flat vector that are no padding."""
        return self._objective.coordinates()

    def value(self, x):
        return self._objective.value(self._checked(x))

    def distance(self, x):
        """Not known: nan.

        Parameters
        ----------
        x : array-like of shape (n,)

        Returns
        -------
        float
        """
        self._checked(x)
        return float("nan")

    def start(self, random_state=None) -> np.ndarray:
        """Parameters as training would begin with them.

        Parameters
        ----------
        random_state : int or Generator, default=None

        Returns
        -------
        ndarray of shape (n,), float64
        """
        seed = np.random.default_rng(random_state).integers(2**32)
        random = np.random.RandomState(int(seed))
        return self.network.initialise(random).astype(np.float64)

    def blocks(self, workers: int) -> list[tuple[int, int]]:
        """The network's own partition: layers whole where that is possible.

        Parameters
        ----------
        workers : int

        Returns
        -------
        list of tuple of int
            Start and stop of each block.

        Raises
        ------
        ValueError
            If there are more workers than rows of parameters.
        """
        return [(b.start, b.stop) for b in partition(self.network, workers)]


def _rows(X, network: Network) -> np.ndarray:
    """X as float32 rows of the network's length."""
    x = finite(X, "X", (2,))
    if x.shape[1] != network.n_inputs:
        raise ValueError(
            f"X has {x.shape[1]} columns; the network takes {network.n_inputs}"
        )
    return np.ascontiguousarray(x, np.float32)


def _targets(y, loss: Loss, rows: int, outputs: int) -> np.ndarray:
    """y as the kernels of the loss read it."""
    given = finite(y, "y", (1, 2))
    if loss.targets == "classes":
        if given.shape != (rows,):
            raise ValueError(f"y has shape {given.shape}; it must be ({rows},)")
        _check_each(given, np.isin(given, np.arange(outputs)), f"a class < {outputs}")
        return given.astype(np.int32)
    if given.ndim == 1:
        given = given[:, None]
    if given.shape != (rows, outputs):
        raise ValueError(
            f"y has shape {np.shape(y)}; it must be ({rows}, {outputs}), for "
            f"{outputs} outputs"
        )
    if loss.link == "logistic":
        _check_each(given, (given >= 0) & (given <= 1), "in [0, 1]")
    return np.ascontiguousarray(given, np.float32)


def _check_each(values: np.ndarray, right: np.ndarray, what: str) -> None:
    wrong = np.argwhere(~right)
    if len(wrong):
        at = ", ".join(map(str, wrong[0]))
        raise ValueError(f"y[{at}]={values[tuple(wrong[0])]:g} must be {what}")
