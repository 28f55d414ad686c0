"""
Probabilities that can be believed
==================================

A network that has trained for long is surer of itself than it should be.
``CalibratedClassifierCV`` of scikit-learn mends that after the fit, as for any
classifier. What one learns here: how to see it, and what mends it.
"""

import matplotlib.pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from hogblock import MLPClassifier

X, y = make_classification(
    6000, n_features=20, n_informative=8, flip_y=0.3, class_sep=0.7, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

# %%
# Many epochs at a high rate on 3,000 noisy samples, and hardly a penalty: the model
# comes to know its training set by heart.
options = dict(
    hidden_layer_sizes=(100,),
    max_iter=60,
    learning_rate="cosine",
    learning_rate_init=0.05,
    random_state=0,
)
models = {
    "plain": MLPClassifier(**options),
    "calibrated": CalibratedClassifierCV(MLPClassifier(**options), cv=3),
    "alpha=0.3": MLPClassifier(alpha=0.3, **options),
}

# %%
# The Brier score and the log loss judge probabilities (lower is better), the area under
# the ROC curve only the order of the samples.
fig, ax = plt.subplots(figsize=(5.4, 4.6), layout="constrained")
for name, model in models.items():
    model.fit(X_train, y_train)
    p = model.predict_proba(X_test)[:, 1]
    print(
        f"{name:>10}: accuracy {model.score(X_test, y_test):.3f}, "
        f"Brier {brier_score_loss(y_test, p):.3f}, "
        f"log loss {log_loss(y_test, p):.3f}, AUC {roc_auc_score(y_test, p):.3f}"
    )
    CalibrationDisplay.from_predictions(y_test, p, n_bins=10, name=name, ax=ax)

# %%
# The plain model's curve is flatter than the diagonal: where it says 0.95, fewer are of
# the class. Calibration on folds that a fit has not seen mends that, and leaves the
# order of the samples nearly as it was. A penalty that keeps the model from knowing its
# samples by heart does too, and here it is better for everything: it is the first thing
# to try, and what is left is for calibration.
_ = ax.set_title("share of positives where a model says so")
