"""Callbacks of scikit-learn 1.9 and later: ``set_callbacks``, progress bars, scores.

Its protocol is experimental, and nothing else of the package knows it. scikit-learn's
``_fit_context`` sees to ``teardown``, however a fit ends.
"""

from typing import Any

from hogblock.engines.locations import Elsewhere
from hogblock.estimators.callbacks import UNDER, Attributes, Listener
from hogblock.estimators.problem import Given

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Of a scikit-learn without callbacks."""


class SklearnCallbacks(Listener):
    """Tells those of ``set_callbacks``, and of a meta-estimator around.

    A fit is a task of theirs, and each epoch a task below it.

    Parameters
    ----------
    estimator : NetworkEstimator
    given : Given
        What the fit got.
    incremental : bool
        The fit is a call of ``partial_fit``: an epoch.
    """

    def __init__(self, estimator, given: Given, incremental: bool):
        self._estimator = estimator
        weights = given.weights
        elsewhere = isinstance(given.X, Elsewhere)  # nobody can score that
        self._shown: dict[str, Any] = {
            "estimator": estimator,
            "X": None if elsewhere else given.X,
            "y": None if elsewhere else given.y,
            "metadata": None if weights is None else {"sample_weight": weights},
        }
        self._most: int | None = 1 if incremental else estimator.max_iter
        if estimator.on_divergence == "reduce_lr":  # it may train epochs again
            self._most = None

    def begin(self):
        self._fit = self._estimator._init_callback_context(max_subtasks=self._most)
        self._fit.call_on_fit_task_begin(**self._shown)

    def epoch_begins(self, epoch, attributes):
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(
            **self._shown, reconstruction_attributes=attributes
        )
        return False

    def epoch_ends(self, epoch, attributes):
        return self._epoch.call_on_fit_task_end(
            **self._shown, reconstruction_attributes=attributes
        )

    def end(self, attributes: Attributes):
        self._fit.call_on_fit_task_end(
            **self._shown, reconstruction_attributes=attributes
        )


def sklearn_callbacks(estimator, given: Given, incremental: bool) -> list[Listener]:
    """Who tells scikit-learn's callbacks of a fit; nobody where there are none."""
    if not vars(estimator).get(UNDER):
        return []
    return [SklearnCallbacks(estimator, given, incremental)]
