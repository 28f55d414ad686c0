"""
Early stopping on a validation set of one's own
===============================================

Rows that belong together (a patient, a user, a day) should not be split at random
between training and validation. What one learns here: how to give `fit` the validation
set, and what is kept when the score stalls.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.model_selection import GroupShuffleSplit

from hogblock import MLPClassifier

X, y = make_classification(
    3000, n_features=30, n_informative=6, flip_y=0.2, random_state=0
)
groups = np.arange(len(X)) // 10  # ten rows of each "patient"
split = GroupShuffleSplit(1, test_size=0.3, random_state=0)
train, valid = next(split.split(X, y, groups))

# %%
# With ``early_stopping=True`` alone a tenth of the rows is set aside at random, as in
# scikit-learn. With ``X_val`` and ``y_val`` all rows are for training, and the score is
# that of the set that was given. What is kept are the parameters of the best epoch, not
# of the last.
model = MLPClassifier(
    hidden_layer_sizes=(100,),
    learning_rate_init=0.02,
    early_stopping=True,
    n_iter_no_change=8,
    random_state=0,
)
model.fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
best = int(np.argmax(model.validation_scores_))
print(f"stopped after {model.n_iter_} epochs; the best was number {best + 1}")
print(f"score of the model that is kept: {model.score(X[valid], y[valid]):.3f}")

# %%
# The loss goes on falling where the score no longer rises: the model begins to learn
# its training set by heart.
epochs = np.arange(1, model.n_iter_ + 1)
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(epochs, model.loss_curve_, color="C0")
ax.set(xlabel="epoch", ylim=(0, None))
ax.set_ylabel("training loss", color="C0")
right = ax.twinx()
right.plot(epochs, model.validation_scores_, color="C1")
right.set_ylabel("validation accuracy", color="C1")
_ = ax.axvline(best + 1, color="gray", ls="--", lw=1)
