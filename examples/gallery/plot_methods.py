"""
The methods, side by side
=========================

``method=`` says how workers share the model. What one learns here: what each takes, in
samples a second and in loss, for one model on this machine; on another machine and
another model the order may differ.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

from hogblock import MLPClassifier
from hogblock.report import format_report, training_report

X, y = make_classification(
    12000,
    n_features=60,
    n_informative=20,
    n_classes=5,
    n_clusters_per_class=2,
    random_state=0,
)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# Two workers each, but for ``sgd``, which is the sequential reference.
reports = {}
for method in ("sgd", "sync", "hogwild", "passm", "passm+", "thinned"):
    model = MLPClassifier(
        hidden_layer_sizes=(128, 64),
        method=method,
        n_jobs=1 if method == "sgd" else 2,
        max_iter=8,
        learning_rate="cosine",
        learning_rate_init=0.05,
        random_state=0,
    )
    model.fit(X_train, y_train)
    reports[method] = training_report(model, X_test, y_test)
print(format_report(reports["thinned"]))

# %%
# ``passm`` is fast because each worker's backward pass goes only as far as its own
# block, and learns less from each sample; ``thinned``, the default, leaves out the
# samples that have little to say instead. `tuning and timing <../benchmarks.html>`_
# proper is another matter: one short fit each, on a machine that does other things,
# shows the way, not the size, of a difference.
fig, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for method, report in reports.items():
    ax.plot(report["samples_per_second"] / 1e3, report["test_score"], "o", ms=9)
    ax.annotate(
        method,
        (report["samples_per_second"] / 1e3, report["test_score"]),
        xytext=(7, 4),
        textcoords="offset points",
    )
_ = ax.set(xlabel="thousand samples a second", ylabel="test accuracy", xlim=(0, None))
