"""
How old is what workers read?
=============================

Workers that share a model without locks read parameters that others have changed since.
What one learns here: how old they are on this machine, for two methods, and how to
replay the same schedule in a simulation.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification

from hogblock import MLPClassifier
from hogblock.asynchrony import EventDriven, Recording, Replay
from hogblock.report import StalenessDisplay

X, y = make_classification(
    6000, n_features=40, n_informative=15, n_classes=4, random_state=0
)
options = dict(
    hidden_layer_sizes=(64, 32), max_iter=4, learning_rate="cosine", random_state=0
)

# %%
# Two workers. An *age* is the number of writes by the other worker to a block between
# the start of a step and its end. Under ``hogwild`` both write everything; under
# ``passm`` each writes only the block that it owns, so what it reads of that block is
# never old, and nothing it writes is lost.
models = {
    method: MLPClassifier(method=method, n_jobs=2, schedule=Recording(), **options).fit(
        X, y
    )
    for method in ("hogwild", "passm")
}
fig, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
for row, (method, model) in zip(axes, models.items(), strict=True):
    for ax, kind in zip(row, ("read", "written"), strict=True):
        StalenessDisplay.from_estimator(model, kind=kind, ax=ax)
        ax.set_title(f"{method}: ages of what steps have {kind}")

# %%
# ``schedule=Recording()`` kept a log: who ended a step when, and what it had read. A
# `Replay` takes the same steps on the same ages in this process, the same bit for bit
# each time; an `EventDriven` scheduler simulates workers that this machine does not
# have.
log = models["passm"].events_
print(log)
again = MLPClassifier(method="passm", schedule=Replay(log), **options).fit(X, y)
many = MLPClassifier(method="passm", schedule=EventDriven(workers=8), **options)
many.fit(X, y)
for name, model in {
    "real": models["passm"],
    "replayed": again,
    "8 workers": many,
}.items():
    print(f"{name:>9}: loss by epoch", [round(loss, 3) for loss in model.loss_curve_])

# %%
# Eight workers take as many steps as two, and each block gets an eighth of them in
# place of a half: ``passm`` learns slower by the epoch, the more workers there are.
# Ages grow with the number of workers too.
_ = StalenessDisplay.from_estimator(many)
