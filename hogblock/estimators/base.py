"""What all estimators share: validation, the run, and the fitted attributes."""

import os
from abc import abstractmethod
from dataclasses import replace

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from hogblock import methods, schedules
from hogblock._warn import warn
from hogblock.engines.locations import (
    check_locations,
    current,
    is_device_array,
    on_host,
    opened,
)
from hogblock.engines.registry import engine_for, outputs_of
from hogblock.estimators.constraints import CONSTRAINTS
from hogblock.estimators.continued import (
    Carried,
    check_unchanged,
    random_of,
    standing_of,
    values_of,
)
from hogblock.estimators.repeats import merge_repeats
from hogblock.estimators.validation import (
    check_weights,
    check_X,
    check_X_y,
    training_weights,
)
from hogblock.estimators.validation_set import ValidationSet, set_aside
from hogblock.training.progress import progress_bar
from hogblock.training.run_plan import count_batches
from hogblock.training.scaling import Scaling, Standardiser
from hogblock.training.settings import Settings, TrainingData
from hogblock.training.stopping import Progress, gate_of

AUTO_BATCH = 64


class NetworkEstimator(BaseEstimator):
    """Base of the estimators; subclasses say which network, and what targets are."""

    _parameter_constraints = CONSTRAINTS

    _shaping: tuple[str, ...] = ()
    """Names of the parameters that `_make_network` goes by, but for dropout."""

    @abstractmethod
    def _make_network(self, shape: tuple[int, ...], n_outputs: int):
        """The network for samples of this shape."""

    def _sample_shape(self, X, n_features: int):
        """Shape of a sample of X, as it was given, which has `n_features` values."""
        return (n_features,)

    def _sample_shape_again(self) -> tuple[int, ...]:
        """`_sample_shape` of a fitted estimator whose samples have come as rows."""
        return self._shape

    def _as_rows(self, X):
        """X as rows of features, if it comes as something else."""
        return X

    def _as_rows_again(self, X):
        """`_as_rows` of a fitted estimator, which knows what X has to look like."""
        return X

    def _channels_of(self, shape: tuple[int, ...]) -> int | None:
        """Channels that are standardised as one, of samples of a network's shape."""
        return None

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

    # Fitting ---------------------------------------------------------------------

    def _check_data(self, X, y, sample_weight, reset):
        """Validated X, y and weights (float64, or None)."""
        X = self._as_rows(X) if reset else self._as_rows_again(X)
        X, y = check_X_y(self, X, y, reset=reset)
        if sample_weight is not None:
            sample_weight = check_weights(sample_weight, y)
        return X, self._check_y(y), sample_weight

    def _check_validation(self, given: ValidationSet, X, shape):
        """Validated validation set, or None; samples of X have `shape`."""
        given.check_complete()
        if given.X is None:
            return None
        X_val, y_val = check_X_y(self, self._as_rows(given.X), given.y, reset=False)
        weights = given.weights
        if weights is not None:
            weights = check_weights(weights, y_val, "sample_weight_val")
        return ValidationSet(X_val, self._check_y(y_val), weights)

    def _fit(self, X, y, sample_weight, validation, *, incremental, classes=None):
        """Check what is asked for, and train where it is asked for."""
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        engine = engine_for(self.device, methods.resolve(self.method), X)
        check_locations(
            X,
            engine.location,
            y=y,
            sample_weight=sample_weight,
            X_val=validation.X,
            y_val=validation.y,
            sample_weight_val=validation.weights,
        )
        with current(X, validation.X):
            return self._fit_by(
                engine,
                opened(X),
                y,
                sample_weight,
                validation._replace(X=opened(validation.X)),
                incremental=incremental,
                classes=classes,
            )

    def _fit_by(self, engine, X, y, sample_weight, validation, *, incremental, classes):
        """Train on valid data; set the fitted attributes only if all went well."""
        fitted = self.__sklearn_is_fitted__()
        goes_on = fitted and incremental
        keeps_params = fitted and (incremental or self.warm_start)
        given = X
        X, y, weights = self._check_data(X, y, sample_weight, reset=not keeps_params)
        if keeps_params:
            self._compare(X)
            shape = self._sample_shape_again()
        else:
            shape = self._sample_shape(given, X.shape[1])
        held = self._check_validation(validation, X, shape)
        targets = (
            self._targets
            if goes_on
            else self._make_targets(y, training_weights(weights), classes)
        )
        by_class = self._class_weights(y, weights, targets)
        if held is not None:
            targets.encode(held.y, "y_val")  # raises for classes that are unknown
            held = held.weighted(by_class)
            held.check_scorable(targets, "the validation set (X_val)")
        weights = training_weights(weights, by_class, y)
        if self.early_stopping and held is None:
            X, y, weights, held = set_aside(
                X, y, weights, targets, self.validation_fraction, self.random_state
            )
        n_samples = len(X)
        if n_samples <= self._batch_size(n_samples) and not is_device_array(X):
            X, y, weights = merge_repeats(X, y, weights)
        random = random_of(self, goes_on)
        if keeps_params:
            if not targets.same_as(self._targets):
                raise ValueError(
                    "with warm_start=True y must have the classes or outputs of the "
                    "fit before"
                )
            network = self._make_network(shape, targets.n_outputs)
            check_unchanged(self, network, self._network, self._values)
            targets, params = self._targets.refined(y, weights), self._params
            standard = self._standard and self._standard.refined(X, weights)
        else:
            # Merging may have dropped a class whose samples all have weight zero.
            classes = getattr(targets, "classes", None)
            targets = self._make_targets(y, weights, classes)
            network = self._make_network(shape, targets.n_outputs)
            standard = None
            if self.standardize:
                channels = self._channels_of(network.input_shape)
                standard = Standardiser.of(X, weights, channels)
            params = network.initialise(random)
        inputs = standard.scaling if standard else Scaling.none()
        data = TrainingData(X, targets.encode(y), weights, *inputs)
        standing = standing_of(self, keeps_params, goes_on)
        settings = self._settings(
            engine,
            network,
            len(X),
            targets.loss,
            standing,
            n_samples=n_samples,
            seed=int(random.randint(np.iinfo(np.int32).max)),
            epochs=1 if incremental else self.max_iter,
            scored=held is not None,
        )
        if standing.planned >= self.max_iter and not settings.rate.any():
            self._warn_of_rest()
        followed = self._follow(
            network, inputs, held, targets, data, settings, standing
        )
        batches = count_batches(len(X), settings.batch)
        momentum = standing.momentum(settings, engine.workers_of(settings))
        with progress_bar(self.verbose, settings.epochs, batches) as bar:
            followed.report = bar.describe
            result = engine.train(
                network, data, settings, params, followed, momentum, bar.update
            )
        if followed.diverged:
            raise ValueError(self._divergence(len(followed.losses) + 1))
        if not incremental:
            targets, standard = targets.settled(), standard and standard.settled()
        self._targets, self._standard, self._network = targets, standard, network
        self._inputs = inputs
        self._shape, self._values = shape, values_of(self)
        self._random_state, self._seed = random, self.random_state
        self._carried = Carried(
            result.momentum,
            rate=settings.rate_after(len(followed.losses)) * followed.rate_factor,
            rate_factor=standing.rate_factor * followed.rate_factor,
            stalled=followed.stalled,
        )
        self._remember(data.x)
        # Merged samples count as often as they were given.
        seen = result.samples * n_samples // len(data.x)
        self._keep(result, followed, seen, keeps_params, goes_on)
        self.device_ = engine.name
        if not incremental or result.interrupted:
            self._warn_if_unfinished(result, followed)
        return self

    def _divergence(self, epoch: int) -> str:
        """What to say, and to advise, when the loss of an epoch is not finite."""
        scaling = "" if self.standardize else ", or standardize=True"
        momentum = f" or momentum={self.momentum}" if self.momentum else ""
        return (
            f"training diverged: the loss is not finite in epoch {epoch}. Try a "
            f"smaller learning_rate_init={self.learning_rate_init}{momentum}{scaling}"
        )

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

    def _warn_of_rest(self) -> None:
        warn(
            f"learning_rate={self.learning_rate!r} was planned over max_iter="
            f"{self.max_iter} epochs, which are over: the rate is 0 and nothing is "
            "learnt. Set a larger max_iter, or fit anew"
        )

    def _settings(
        self,
        engine,
        network,
        n_rows,
        loss,
        standing,
        *,
        n_samples,
        seed,
        epochs,
        scored,
    ) -> Settings:
        """Settings of a run over `n_rows` samples, merged from `n_samples`."""
        method = methods.resolve(self.method)
        schedule = schedules.resolve(self.learning_rate)
        batch = self._batch_size(n_rows)
        batches = count_batches(n_rows, batch)
        workers = engine.usable_workers(network, method, self.n_jobs, batches)
        passes = workers if method.epochs == "worker" else 1
        rate, points = schedules.rate_table(
            schedule,
            self.learning_rate_init * self._factor_of(schedule, standing),
            self.power_t,
            epochs=epochs,
            batches=batches,
            samples=passes * n_samples,
            plan=self.max_iter,
            first_epoch=standing.planned,
            seen=standing.samples,
        )
        settings = Settings(
            method=method,
            workers=workers,
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
            gate=gate_of(method, schedule, self.n_iter_no_change, scored),
            augmentation=getattr(self, "augmentation", None),
            plan=self.max_iter
            if schedule.planned
            else int(min(self.max_iter, self.n_iter_no_change + 2)),
            trained=standing.epochs,
        )
        alone = engine.workers_of(settings) == 1
        return replace(settings, keeps_velocity=schedule.keeps_velocity and alone)

    @staticmethod
    def _factor_of(schedule, standing) -> float:
        adapts = isinstance(schedule, schedules.Adaptive)
        return standing.rate_factor if adapts else 1.0

    def _batch_size(self, n_samples: int) -> int:
        wanted = AUTO_BATCH if self.batch_size == "auto" else self.batch_size
        return min(wanted, n_samples)

    def _follow(self, network, inputs, held, targets, data, settings, standing):
        """The `Progress` of a run."""
        schedule = schedules.resolve(self.learning_rate)
        total = data.weights.sum() if data.weights.size else len(data.x)
        batches = count_batches(len(data.x), settings.batch)

        def penalty(params):
            squares = sum(
                float(np.square(t.view(params), dtype=np.float64).sum())
                for t in network.tensors
                if t.decays
            )
            return 0.5 * self.alpha * squares * batches / float(total)

        def score(params):
            outputs = outputs_of(network, params, held.X, inputs, self.device)
            return self._score_outputs(outputs, held.y, held.weights, targets)

        return Progress(
            schedule=schedule,
            rate=self.learning_rate_init * self._factor_of(schedule, standing),
            tol=self.tol,
            patience=self.n_iter_no_change,
            early_stopping=self.early_stopping,
            penalty=penalty,
            score=score if held is not None else None,
            best_loss=standing.best_loss,
            stalled=standing.stalled,
        )

    def _keep(self, result, followed, seen, keeps_params, goes_on) -> None:
        """Set the fitted attributes."""
        best = followed.early_stopping and followed.best_params is not None
        self._params = followed.best_params if best else result.params
        network, targets = self._network, self._targets
        self.coefs_, self.intercepts_ = self._make_coefs(
            network, self._params, self._inputs, targets
        )
        self.loss_curve_ = (self.loss_curve_ if keeps_params else []) + followed.losses
        self.loss_ = (
            self.loss_curve_[-1] if self.loss_curve_ else followed.loss_of(result)
        )
        self.best_loss_ = None if best else min(self.loss_curve_, default=np.inf)
        before = getattr(self, "validation_scores_", None) if keeps_params else None
        scores = (before or []) + followed.scores
        self.validation_scores_ = scores if followed.score else None
        self.best_validation_score_ = followed.best_score
        self.n_iter_ = (self.n_iter_ if goes_on else 0) + len(followed.losses)
        self.t_ = (self.t_ if keeps_params else 0) + seen
        self.n_layers_ = sum(t.decays for t in network.tensors) + 1
        self.n_outputs_ = targets.n_outputs
        self.out_activation_ = targets.out_activation
        self.n_workers_ = result.workers
        counts = {
            "staleness_": result.staleness,
            "overlap_": result.overlap,
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
