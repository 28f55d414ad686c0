"""What all estimators share: validation, the run, and the fitted attributes."""

import os
from abc import abstractmethod
from numbers import Integral, Real

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from hogblock import methods, schedules
from hogblock._engines import engine_for, outputs_of
from hogblock._places import check_places, current, on_host, opened
from hogblock._repeats import merge_repeats
from hogblock._validation import check_weights, check_X, check_X_y
from hogblock._warn import warn
from hogblock.devices import Cuda, is_device_array
from hogblock.progress import progress_bar
from hogblock.scaling import Scaling
from hogblock.settings import Settings, TrainingData
from hogblock.stopping import Progress

AUTO_BATCH = 64


class NetworkEstimator(BaseEstimator):
    """Base of the estimators; subclasses say which network, and what targets are."""

    _parameter_constraints: dict = {
        "method": [StrOptions(set(methods.METHODS)), methods.Method],
        "n_jobs": [None, Integral],
        "device": [str, Cuda, list, tuple],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [StrOptions(set(schedules.SCHEDULES)), schedules.Schedule],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "standardize": ["boolean"],
    }

    @abstractmethod
    def _make_network(self, shape: tuple[int, ...], n_outputs: int):
        """The network for samples of this shape."""

    def _sample_shape(self, X, n_features: int):
        """Shape of a sample of X, as it was given, which has `n_features` values."""
        return (n_features,)

    def _as_rows(self, X):
        """X as rows of features, if it comes as something else."""
        return X

    def _as_rows_again(self, X):
        """`_as_rows` of a fitted estimator, which knows what X has to look like."""
        return X

    def _make_scaling(self, X, weights, shape) -> Scaling:
        """The standardisation of X."""
        return Scaling.of(X, weights)

    def _make_coefs(self, network, params, inputs, targets):
        """`coefs_` and `intercepts_` of fitted parameters."""
        weights = [t for t in network.tensors if not t.name.endswith(".bias")]
        biases = [t for t in network.tensors if t.name.endswith(".bias")]
        return tuple(
            [t.view(params).reshape(t.shape).copy() for t in tensors]
            for tensors in (weights, biases)
        )

    @abstractmethod
    def _make_targets(self, y, weights, classes):
        """The `ClassTargets` or `RealTargets` of y."""

    @abstractmethod
    def _check_y(self, y, sample_weight):
        """y as an array, and sample weights with class weights multiplied in."""

    @abstractmethod
    def _score_outputs(self, outputs, y, sample_weight, targets) -> float:
        """Score of raw outputs, as in ``score``."""

    def _store(self, parameters: dict) -> None:
        """Keep the arguments of ``__init__`` as they came."""
        for name in self._get_param_names():
            setattr(self, name, parameters[name])

    # Fitting ---------------------------------------------------------------------

    def _check_data(self, X, y, sample_weight, reset):
        """Validated X, y and float32 weights (empty: all 1)."""
        X = self._as_rows(X) if reset else self._as_rows_again(X)
        X, y = check_X_y(self, X, y, reset=reset)
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, y)
        y, weights = self._check_y(y, sample_weight)
        if weights is None:
            return X, y, np.zeros(0, np.float32)
        return X, y, np.ascontiguousarray(weights, np.float32)

    def _check_validation(self, X_val, y_val, X, shape):
        """Validated validation set, or None twice; samples of X have `shape`."""
        if (X_val is None) != (y_val is None):
            missing = "y_val" if y_val is None else "X_val"
            raise ValueError(f"{missing} is missing: pass X_val and y_val together")
        if X_val is None:
            return None, None
        X_val, y_val = check_X_y(self, self._as_rows(X_val), y_val, reset=False)
        return X_val, self._check_y(y_val, None)[0]

    def _fit(self, X, y, sample_weight, X_val, y_val, *, incremental, classes=None):
        """Check what is asked for, and train where it is asked for."""
        engine = engine_for(self.device, methods.resolve(self.method), X)
        check_places(
            X,
            engine.devices,
            y=y,
            sample_weight=sample_weight,
            X_val=X_val,
            y_val=y_val,
        )
        with current(X, X_val):
            return self._fit_by(
                engine,
                opened(X),
                y,
                sample_weight,
                opened(X_val),
                y_val,
                incremental=incremental,
                classes=classes,
            )

    def _fit_by(
        self, engine, X, y, sample_weight, X_val, y_val, *, incremental, classes
    ):
        """Train on valid data; set the fitted attributes only if all went well."""
        fitted = self.__sklearn_is_fitted__()
        goes_on = fitted and incremental
        keeps_params = fitted and (incremental or self.warm_start)
        given = X
        X, y, weights = self._check_data(X, y, sample_weight, reset=not keeps_params)
        if keeps_params:
            self._compare(X)
            shape = self._network.input_shape
        else:
            shape = self._sample_shape(given, X.shape[1])
        X_val, y_val = self._check_validation(X_val, y_val, X, shape)
        targets = self._targets if goes_on else self._make_targets(y, weights, classes)
        if self.early_stopping and X_val is None and not incremental:
            X, X_val, y, y_val, weights = self._split(X, y, weights, targets)
        n_samples = len(X)
        if n_samples <= self._batch_size(n_samples) and not is_device_array(X):
            X, y, weights = merge_repeats(X, y, weights)
        random = (
            self._random_state if goes_on else check_random_state(self.random_state)
        )
        if keeps_params:
            if not targets.same_as(self._targets):
                raise ValueError(
                    "with warm_start=True y must have the classes or outputs of the "
                    "fit before"
                )
            targets, inputs, network = self._targets, self._inputs, self._network
            params = self._params
        else:
            # Merging may have dropped a class whose samples all have weight zero.
            classes = getattr(targets, "classes", None)
            targets = self._make_targets(y, weights, classes)
            network = self._make_network(shape, targets.n_outputs)
            inputs = Scaling.none()
            if self.standardize:
                inputs = self._make_scaling(X, weights, network.input_shape)
            params = network.initialise(random)
        data = TrainingData(X, targets.encode(y), weights, *inputs)
        if y_val is not None:
            targets.encode(y_val)  # raises for classes that are unknown
        settings = self._settings(
            engine,
            network,
            len(X),
            targets.loss,
            seed=int(random.randint(np.iinfo(np.int32).max)),
            epochs=1 if incremental else self.max_iter,
            past_epochs=self.t_ // len(X) if goes_on else 0,
            gated=X_val is not None,
        )
        followed = self._follow(network, inputs, X_val, y_val, targets, data, settings)
        batches = -(-len(X) // settings.batch)
        with progress_bar(self.verbose, settings.epochs, batches) as bar:
            followed.report = bar.describe
            momentum = self._momentum if goes_on else None
            result = engine.train(
                network, data, settings, params, followed, momentum, bar.update
            )
        if followed.diverged:
            raise ValueError(
                f"training diverged: the loss is not finite in epoch "
                f"{len(followed.losses) + 1}. learning_rate_init="
                f"{self.learning_rate_init} may be too large, or X needs scaling "
                "(standardize=True)"
            )
        self._targets, self._inputs, self._network = targets, inputs, network
        self._random_state, self._momentum = random, result.momentum
        self._remember(data.x)
        self._keep(result, followed, n_samples, goes_on)
        self.device_ = engine.name
        if not incremental or result.interrupted:
            self._warn_if_unfinished(result, followed)
        return self

    def _remember(self, X) -> None:
        """Keep what later X are compared with."""

    def _compare(self, X) -> None:
        """Refuse X that cannot be meant as what was remembered."""

    def _warn_if_unfinished(self, result, followed) -> None:
        if result.interrupted:
            warn("Training interrupted by user.")
        elif not followed.converged and not followed.schedule.planned:
            warn(
                f"max_iter={self.max_iter} epochs are over and the loss still falls: "
                "the optimization has not converged yet.",
                ConvergenceWarning,
            )

    def _split(self, X, y, weights, targets):
        """Set a validation part aside, stratified by class where there are classes."""
        stratify = y if targets.loss != "squared_error" and y.ndim == 1 else None
        indices = np.arange(len(X))
        kept, held = train_test_split(
            indices,
            random_state=check_random_state(self.random_state),
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        return (
            X[kept],
            X[held],
            y[kept],
            y[held],
            weights[kept] if weights.size else weights,
        )

    def _settings(
        self, engine, network, n_samples, loss, *, seed, epochs, past_epochs, gated
    ) -> Settings:
        method = methods.resolve(self.method)
        batch = self._batch_size(n_samples)
        batches = -(-n_samples // batch)
        rate, points = schedules.rate_table(
            schedules.resolve(self.learning_rate),
            self.learning_rate_init,
            self.power_t,
            epochs=epochs,
            batches=batches,
            samples=n_samples,
            first_epoch=past_epochs,
        )
        return Settings(
            method=method,
            workers=engine.usable_workers(network, method, self.n_jobs, batches),
            batch=batch,
            epochs=epochs,
            loss=loss,
            rate=rate,
            rate_points=points,
            momentum=self.momentum,
            nesterov=self.nesterovs_momentum and self.momentum > 0,
            shuffle=self.shuffle,
            alpha=self.alpha,
            seed=seed,
            gated=gated,
            augmentation=getattr(self, "augmentation", None),
        )

    def _batch_size(self, n_samples: int) -> int:
        wanted = AUTO_BATCH if self.batch_size == "auto" else self.batch_size
        return min(wanted, n_samples)

    def _follow(self, network, inputs, X_val, y_val, targets, data, settings):
        """The `Progress` of a run."""
        total = data.weights.sum() if data.weights.size else len(data.x)
        batches = -(-len(data.x) // settings.batch)

        def penalty(params):
            squares = sum(
                float(np.square(t.view(params), dtype=np.float64).sum())
                for t in network.tensors
                if t.decays
            )
            return 0.5 * self.alpha * squares * batches / float(total)

        def score(params):
            outputs = outputs_of(network, params, X_val, inputs, self.device)
            return self._score_outputs(outputs, y_val, None, targets)

        return Progress(
            schedule=schedules.resolve(self.learning_rate),
            rate=self.learning_rate_init,
            tol=self.tol,
            patience=self.n_iter_no_change,
            early_stopping=self.early_stopping and X_val is not None,
            penalty=penalty,
            score=score if X_val is not None else None,
        )

    def _keep(self, result, followed, n_samples, goes_on) -> None:
        """Set the fitted attributes."""
        best = followed.early_stopping and followed.best_params is not None
        self._params = followed.best_params if best else result.params
        network, targets = self._network, self._targets
        self.coefs_, self.intercepts_ = self._make_coefs(
            network, self._params, self._inputs, targets
        )
        self.loss_curve_ = (self.loss_curve_ if goes_on else []) + followed.losses
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.inf
        self.best_loss_ = None if best else min(self.loss_curve_, default=np.inf)
        self.validation_scores_ = followed.scores if followed.score else None
        self.best_validation_score_ = followed.best_score
        self.n_iter_ = (self.n_iter_ if goes_on else 0) + len(followed.losses)
        each = methods.resolve(self.method).epochs == "worker"
        passes = len(followed.losses) * (result.workers if each else 1)
        self.t_ = (self.t_ if goes_on else 0) + passes * n_samples
        self.n_layers_ = sum(t.decays for t in network.tensors) + 1
        self.n_outputs_ = targets.n_outputs
        self.out_activation_ = targets.out_activation
        self.n_workers_ = result.workers
        counts = {
            "staleness_": result.staleness,
            "updates_per_block_": result.updates_per_block,
            "steps_per_worker_": result.steps_per_worker,
            "training_seconds_": result.seconds,
        }
        for name, count in counts.items():
            before = getattr(self, name, 0) if goes_on else 0
            if np.shape(before) == np.shape(count):
                count = before + count
            setattr(self, name, count)

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
            X = check_X(self, self._as_rows_again(opened(X)))
            self._compare(X)
            outputs = outputs_of(
                self._network,
                self._params,
                X,
                self._inputs,
                self.device,
                threads=min(joblib.effective_n_jobs(self.n_jobs), os.cpu_count() or 1),
            )
        return outputs.astype(np.promote_types(X.dtype, np.float32), copy=False)

    def _score(self, X, y, sample_weight) -> float:
        """``score``; y and weights may lie on a device."""
        return self._score_outputs(
            self._outputs(X), on_host(y), on_host(sample_weight), self._targets
        )
