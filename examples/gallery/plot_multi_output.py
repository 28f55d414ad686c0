"""
Several outputs at once
=======================

A y of several columns is one regression with several outputs, which share their hidden
layers. What one learns here: that it is one fit with one model, and how robust losses
deal with sensors that fail.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import r2_score

from hogblock import MLPRegressor
from hogblock.models import Huber

# %%
# The position of the hand of an arm with two joints, from the angles. One reading in
# twenty is rubbish.
random = np.random.default_rng(0)
angles = random.uniform([0, 0], [np.pi, np.pi], (4000, 2))
hand = np.stack(
    [
        np.cos(angles[:, 0]) + 0.7 * np.cos(angles.sum(1)),
        np.sin(angles[:, 0]) + 0.7 * np.sin(angles.sum(1)),
    ],
    axis=1,
)
y = hand + random.normal(0, 0.02, hand.shape)
broken = random.random(len(y)) < 0.05
y[broken] += random.normal(0, 6, (broken.sum(), 2))
train, test = slice(0, 3000), slice(3000, None)

# %%
# Targets are standardised, column by column, while the model trains; ``delta`` of
# Huber's loss counts in these units.
losses = {"squared_error": "squared_error", "Huber(0.05)": Huber(0.05)}
fig, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained", sharey=True)
for ax, (name, loss) in zip(axes, losses.items(), strict=True):
    model = MLPRegressor(
        hidden_layer_sizes=(64, 64),
        loss=loss,
        max_iter=30,
        learning_rate="cosine",
        random_state=0,
    )
    predicted = model.fit(angles[train], y[train]).predict(angles[test])
    each = r2_score(hand[test], predicted, multioutput="raw_values")
    print(f"{name:>14}: R^2 of x {each[0]:.3f}, of y {each[1]:.3f}")
    ax.plot(*hand[test][:400].T, ".", ms=4, color="lightgray", label="true")
    ax.plot(*predicted[:400].T, ".", ms=4, color="C0", label="predicted")
    ax.set(title=name, xlabel="x", aspect="equal")
axes[0].set_ylabel("y")
_ = axes[0].legend()
