"""What all estimators share: the way of a fit, and raw outputs."""

import os
from abc import abstractmethod
from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from hogblock import methods
from hogblock.engines.base import Engine
from hogblock.engines.cpu.jobs import count_jobs
from hogblock.engines.locations import check_locations, current, on_host, wrapped
from hogblock.engines.registry import engine_for, outputs_of
from hogblock.estimators.callbacks import EpochCallbacks, Listener
from hogblock.estimators.checkpoints import checkpoints_of
from hogblock.estimators.constraints import CONSTRAINTS
from hogblock.estimators.continued import standing_of
from hogblock.estimators.docs import PAGE
from hogblock.estimators.fitted import fitted_attributes
from hogblock.estimators.inputs import Rows
from hogblock.estimators.plain import plain
from hogblock.estimators.problem import Given, problem_of
from hogblock.estimators.run import run, warn_if_unfinished
from hogblock.estimators.sklearn_callbacks import (
    CallbackSupportMixin,
    sklearn_callbacks,
)
from hogblock.estimators.start import start_of
from hogblock.estimators.validation import check_X, features_restored_on_failure
from hogblock.models.losses import Loss

AUTO_BATCH = 64


class NetworkEstimator(CallbackSupportMixin, BaseEstimator):
    """Base of the estimators; subclasses say which network, and what targets are."""

    _parameter_constraints = CONSTRAINTS

    # scikit-learn's picture of an estimator links to its page.
    _doc_link_module = "hogblock"
    _doc_link_template = PAGE

    _shaping: tuple[str, ...] = ()
    """Names of the parameters that `_make_network` goes by, but for dropout."""

    @property
    def _form(self) -> Rows:
        """What X may look like."""
        return Rows()

    @abstractmethod
    def _make_network(self, shape: tuple[int, ...], n_outputs: int):
        """The network for samples of this shape."""

    def _make_coefs(self, network, params, inputs, targets):
        """`coefs_` and `intercepts_` of fitted parameters."""
        weights = [t for t in network.tensors if t.role != "bias"]
        biases = [t for t in network.tensors if t.role == "bias"]
        return tuple(
            [t.view(params).reshape(t.shape).copy() for t in tensors]
            for tensors in (weights, biases)
        )

    @abstractmethod
    def _make_targets(self, y, weights, classes):
        """The `ClassTargets` or `RealTargets` of y."""

    @abstractmethod
    def _loss_of(self, targets) -> Loss:
        """What training minimises."""

    @abstractmethod
    def _check_y(self, y):
        """y as an array of the right type and shape."""

    def _class_weights(self, y, weights, targets):
        """`ClassWeights` by the training data, or None."""
        return None

    @abstractmethod
    def _score_outputs(self, outputs, y, sample_weight, targets) -> float:
        """Score of raw outputs, as in ``score``."""

    def _store(self, parameters: dict) -> None:
        """Keep the arguments of ``__init__`` as they came."""
        for name in self._get_param_names():
            setattr(self, name, parameters[name])

    def _batch_size(self, n_samples: int) -> int:
        wanted = AUTO_BATCH if self.batch_size == "auto" else self.batch_size
        return min(wanted, n_samples)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._form.takes_sparse
        return tags

    # Fitting ---------------------------------------------------------------------

    def _fit(self, given: Given, *, incremental: bool):
        """Train on what was given, where it is asked for."""
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        X, validation = given.X, given.validation
        listeners = sklearn_callbacks(self, given, incremental)
        if self.callbacks:
            listeners.append(EpochCallbacks(self))
        chosen = None if self.method == "auto" else methods.resolve(self.method)
        engine = engine_for(self.device, chosen, X)
        check_locations(
            X,
            engine.location,
            y=given.y,
            sample_weight=given.weights,
            X_val=validation.X,
            y_val=validation.y,
            sample_weight_val=validation.weights,
        )
        if issparse(X):
            self._check_sparse(engine)
        with current(X, validation.X):
            here = validation._replace(X=wrapped(validation.X))
            return self._fit_by(
                engine,
                replace(given, X=wrapped(X), validation=here),
                incremental,
                listeners,
            )

    def _check_sparse(self, engine: Engine) -> None:
        """Refuse to train on sparse X where that is not possible."""
        name = engine.default_method if self.method == "auto" else self.method
        method = methods.resolve(name)
        if not engine.takes_sparse:
            trouble, way = f"device={self.device!r} does not", "set device='cpu'"
        elif self.schedule is not None:
            trouble, way = f"schedule={self.schedule!r} does not", "set schedule=None"
        elif method.together or method.locks or method.reads == "copy":
            trouble = f"method={self.method!r} does not"
            way = "set method='hogwild' or 'thinned'"
        else:
            return
        raise ValueError(f"X is sparse, which {trouble} take: {way}, or X.toarray()")

    def _fit_by(
        self,
        engine: Engine,
        given: Given,
        incremental: bool,
        listeners: list[Listener],
    ):
        """Train; the fitted attributes are set if there is anything of a model."""
        standing = standing_of(self, incremental)
        with (
            features_restored_on_failure(self),
            checkpoints_of(self, engine, incremental) as checkpoints,
            engine.opened(self, given, standing) as there,
        ):
            problem = problem_of(self, there, standing, checkpoints.random_state)
            start = start_of(self, problem, standing, checkpoints.random_state)
            outcome = run(self, engine, problem, start, checkpoints, listeners)
            fitted = fitted_attributes(self, engine, problem, start, outcome)
            if outcome.result.error is None:
                for each in listeners:
                    each.end(lambda: fitted)
            self.__dict__.update(fitted)
        if outcome.result.error is not None:
            raise outcome.result.error
        warn_if_unfinished(self, outcome, incremental)
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_params")

    # Predicting --------------------------------------------------------------------

    def _outputs(self, X) -> np.ndarray:
        """Raw outputs (n_samples, n_outputs) on the host.

        They are computed where X lies, whatever `device` is: float64 if X of the host
        is, else float32.
        """
        check_is_fitted(self)
        with current(X):
            X = check_X(self, self._form.rows_again(wrapped(X), self))
            self._form.check_scale(X, self._scale, "X")
            outputs = outputs_of(
                self._network,
                self._params,
                X,
                self._inputs,
                self.device,
                threads=min(count_jobs(self.n_jobs), os.cpu_count() or 1),
            )
        return outputs.astype(np.promote_types(X.dtype, np.float32), copy=False)

    def _score(self, X, y, sample_weight) -> float:
        """``score``; y and weights may lie on a device."""
        return self._score_outputs(
            self._outputs(X), plain(on_host(y)), on_host(sample_weight), self._targets
        )
