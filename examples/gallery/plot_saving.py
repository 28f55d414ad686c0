"""
Saving a model, and going on with it
====================================

What one learns here: how a fitted model goes into a file without pickle, what comes
back, and that training goes on with new data where it had stopped.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hogblock import MLPClassifier, load_model, save_model

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
first, later = np.split(np.arange(len(X_train)), [300])

model = MLPClassifier(hidden_layer_sizes=(64,), random_state=0)
for _ in range(10):
    model.partial_fit(X_train[first], y_train[first], classes=np.arange(10))

# %%
# The file is one of safetensors: arrays, and a header that anybody can read. Loading it
# runs no code of the file. What a later ``partial_fit`` needs is in it too: the
# velocity of momentum, the scaling of the columns, the count of the samples.
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "model.safetensors"
    save_model(model, file)
    print(f"{file.stat().st_size / 1e3:.0f} kB")
    copy = load_model(file)
print(copy)
print("same predictions:", np.array_equal(copy.predict(X_test), model.predict(X_test)))

# %%
# Both go on with all of the data. The copy takes the very steps that the model takes.
scores = [copy.score(X_test, y_test)]
for _ in range(10):
    for each in (model, copy):
        each.partial_fit(X_train, y_train)
    scores.append(copy.score(X_test, y_test))
print("same after more training:", np.array_equal(copy.coefs_[0], model.coefs_[0]))

fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.plot(range(10, 21), scores, "o-")
ax.axvline(10, color="gray", ls="--", lw=1)
_ = ax.set(
    xlabel="calls of partial_fit; saved and loaded after the tenth",
    ylabel="test accuracy",
)
