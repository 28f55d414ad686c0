"""
Intervals by quantile regression
================================

The quantile loss makes a network predict a quantile of y in place of its mean. What one
learns here: how two fits make an interval that is narrow where y is sure and wide where
it is not, and how to check that it holds what it promises.
"""

import matplotlib.pyplot as plt
import numpy as np

from hogblock import MLPRegressor

# %%
# The noise grows with x, and is lopsided: outliers lie above. A mean and a standard
# deviation would describe it badly.
random = np.random.default_rng(0)
x = np.sort(random.uniform(0, 10, 4000))
y = np.sin(x) + 0.1 * x + random.exponential(0.05 + 0.1 * x)
X = x[:, np.newaxis]
train = random.random(len(x)) < 0.7
test = ~train

# %%
# A fit a quantile; with ``quantile=0.5`` it is the median, as "absolute_error".
models = {}
for quantile in (0.05, 0.5, 0.95):
    models[quantile] = MLPRegressor(
        hidden_layer_sizes=(64, 64),
        loss="quantile",
        quantile=quantile,
        max_iter=40,
        learning_rate="cosine",
        random_state=0,
    ).fit(X[train], y[train])

# %%
# Of the samples that no fit has seen, about so many should lie below each curve. If
# many more or fewer do, the models are too large for the data, or have not trained for
# long enough.
for quantile, model in models.items():
    below = np.mean(y[test] <= model.predict(X[test]))
    print(f"quantile {quantile}: {below:.3f} of the test samples are below")
low, high = (models[q].predict(X) for q in (0.05, 0.95))
inside = np.mean((low[test] <= y[test]) & (y[test] <= high[test]))
print(f"in the interval: {inside:.3f}, promised are 0.9")

# %%
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(x[test], y[test], ".", color="gray", ms=3, alpha=0.5)
ax.fill_between(x, low, high, alpha=0.3, label="90% interval")
ax.plot(x, models[0.5].predict(X), color="C1", label="median")
ax.set(xlabel="x", ylabel="y")
_ = ax.legend()
