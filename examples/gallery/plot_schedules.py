"""
Learning-rate schedules
=======================

A rate that is right in the beginning is too high in the end. What one learns here: what
the schedules do, and why the first thing to try is ``learning_rate="cosine"`` with as
many epochs as one has time for.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from hogblock import MLPClassifier
from hogblock.schedules import Step, resolve

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
epochs = 20
schedules = {
    "constant": "constant",
    "invscaling": "invscaling",
    "cosine": "cosine",
    "step at 10 and 15": Step(milestones=(0.5, 0.75)),
}

# %%
# Names or instances of ``hogblock.schedules``. "step" and "cosine" are planned over
# `max_iter` epochs and are not stopped by `tol`; for the others it is put off here, so
# that all train for the same number of epochs. That they have not converged then is
# known.
warnings.simplefilter("ignore", ConvergenceWarning)
fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for name, schedule in schedules.items():
    model = MLPClassifier(
        hidden_layer_sizes=(64,),
        learning_rate=schedule,
        learning_rate_init=0.2,
        max_iter=epochs,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    model.fit(X_train, y_train)
    print(f"{name:>18}: test accuracy {model.score(X_test, y_test):.3f}")
    ax.plot(np.arange(1, epochs + 1), model.loss_curve_, marker=".", label=name)
ax.set(xlabel="epoch", ylabel="training loss", yscale="log")
_ = ax.legend()

# %%
# The rates themselves, as factors of ``learning_rate_init``. "invscaling" counts
# samples, not epochs, and is small at once where a fit begins with thousands of them.
fig, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
times = np.linspace(0, epochs, 400, endpoint=False)
seen = len(X_train) * np.floor(times).astype(int)
for name, schedule in schedules.items():
    ax.plot(times, resolve(schedule).factors(times, epochs, seen, 0.5), label=name)
ax.set(xlabel="epoch", ylabel="factor of the rate")
_ = ax.legend()
