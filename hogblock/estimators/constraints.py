"""What the parameters that all estimators share may be, as scikit-learn checks it."""

import os
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from hogblock import methods, schedules
from hogblock.engines.devices import DeviceOptions
from hogblock.scheduling.base import Scheduler
from hogblock.scheduling.log import Recording

CONSTRAINTS: dict = {
    "method": [StrOptions({"auto", *methods.METHODS}), methods.Method],
    "n_jobs": [
        None,
        Interval(Integral, 1, None, closed="left"),
        Interval(Integral, None, -1, closed="right"),
    ],
    "device": [str, DeviceOptions, list, tuple],
    "schedule": [None, Recording, Scheduler],
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
    "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "checkpoint": [None, str, os.PathLike],
    "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
    "checkpoint_keep": [Interval(Integral, 1, None, closed="left")],
    "resume": ["boolean"],
    "on_divergence": [StrOptions({"raise", "restore", "reduce_lr"})],
    "max_worker_restarts": [Interval(Integral, 0, None, closed="left")],
    "memmap_dir": [None, str, os.PathLike],
    "callbacks": [None, list, tuple],
    "standardize": ["boolean"],
}
