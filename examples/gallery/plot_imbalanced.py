"""
Rare classes
============

Where one sample in fifty is of the class that matters, accuracy says nothing, and a
model may do well by never naming that class. What one learns here: what
``class_weight="balanced"`` changes and what it does not, and how to choose a threshold.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.metrics import (
    PrecisionRecallDisplay,
    accuracy_score,
    balanced_accuracy_score,
    precision_score,
    recall_score,
)
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split

from hogblock import MLPClassifier

X, y = make_classification(
    12000,
    n_features=20,
    n_informative=6,
    n_clusters_per_class=2,
    weights=[0.98],
    flip_y=0.004,
    random_state=0,
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, test_size=0.5, random_state=0
)
print(f"{y_train.mean():.1%} of {len(y_train)} samples are of class 1")

# %%
# ``class_weight`` multiplies the weights of the samples in the loss ("balanced": both
# classes have the same sum), in the validation score of early stopping too.
# scikit-learn's MLP has no such parameter. ``TunedThresholdClassifierCV`` leaves the
# fit as it is, and moves the threshold of `predict` instead.
options = dict(
    hidden_layer_sizes=(64,),
    max_iter=20,
    learning_rate="cosine",
    random_state=0,
)
models = {
    "as it is": MLPClassifier(**options),
    "balanced": MLPClassifier(class_weight="balanced", **options),
    "own threshold": TunedThresholdClassifierCV(
        MLPClassifier(**options), scoring="balanced_accuracy", cv=3
    ),
}
for name, model in models.items():
    predicted = model.fit(X_train, y_train).predict(X_test)
    print(
        f"{name:>13}: finds {recall_score(y_test, predicted):.2f} of class 1, "
        f"{precision_score(y_test, predicted):.2f} of its alarms are right, "
        f"accuracy {accuracy_score(y_test, predicted):.3f}, "
        f"balanced {balanced_accuracy_score(y_test, predicted):.3f}"
    )

# %%
# Each point of a curve is a threshold; the dots are those of `predict`. Weights move
# the dot far along the curve, to more of the class found and more false alarms, and
# change the curve itself much less: what a model can tell apart is another matter than
# where it draws the line.
fig, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
for name in ("as it is", "balanced"):
    model = models[name]
    display = PrecisionRecallDisplay.from_estimator(
        model, X_test, y_test, name=name, ax=ax
    )
    predicted = model.predict(X_test)
    ax.plot(
        recall_score(y_test, predicted),
        precision_score(y_test, predicted),
        "o",
        color=display.line_.get_color(),
        markersize=9,
    )
_ = ax.set(xlim=(0, 1), ylim=(0, 1.02))
