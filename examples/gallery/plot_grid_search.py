"""
In place of scikit-learn's MLP, in a grid search
================================================

`MLPClassifier` takes the place of ``sklearn.neural_network.MLPClassifier`` in pipelines
and searches: same names, same contracts. What one learns here: what stays as it was,
which two parameters are new, and whose ``n_jobs`` is whose.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from hogblock import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# The import is all that changes in such a program. No scaler is needed: an estimator
# standardises the columns while it trains, and folds the scaling into its weights. A
# pipeline reaches its parameters as always.
#
# ``n_jobs`` of the estimator is the number of worker processes of *one* fit, and 1
# unless it is given; ``n_jobs`` of the search is the number of fits at a time. Small
# data are done sooner with one worker a fit and several fits at a time.
model = make_pipeline(
    PCA(0.95),
    MLPClassifier(max_iter=15, learning_rate="cosine", random_state=0),
)
grid = {
    "mlpclassifier__hidden_layer_sizes": [(50,), (100,)],
    "mlpclassifier__learning_rate_init": [0.001, 0.01, 0.1],
}
search = GridSearchCV(model, grid, cv=3, n_jobs=1).fit(X_train, y_train)
print(search.best_params_)
print(f"test accuracy {search.score(X_test, y_test):.3f}")

# %%
# A plan such as ``learning_rate="cosine"`` fits a search well: every candidate trains
# for the same number of epochs, and none is cut off at a high rate.
results = pd.DataFrame(search.cv_results_)
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for units, part in results.groupby("param_mlpclassifier__hidden_layer_sizes"):
    ax.errorbar(
        part["param_mlpclassifier__learning_rate_init"].astype(float),
        part["mean_test_score"],
        part["std_test_score"],
        marker="o",
        capsize=3,
        label=f"{units[0]} hidden units",
    )
ax.set(xscale="log", xlabel="learning_rate_init", ylabel="accuracy, 3 folds")
_ = ax.legend()
