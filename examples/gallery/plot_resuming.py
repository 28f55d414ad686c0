"""
Going on after a crash
======================

A fit with ``checkpoint=`` saves where it is; the same program, started again with
``resume=True``, goes on from there. What one learns here: that with one worker the
outcome is the same to the last bit, and what a checkpoint folder looks like.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from hogblock import MLPClassifier

X, y = load_digits(return_X_y=True)
options = dict(max_iter=12, learning_rate="cosine", random_state=0)
whole = MLPClassifier(**options).fit(X, y)

# %%
# The power fails in the middle of the fit. Here that is played: a fit saves where it
# is, and then the later checkpoints are deleted, so that the folder is what a machine
# would find when it is back. Files are written beside the training: where epochs take
# milliseconds, as here, some are left out rather than waited for.
folder = tempfile.TemporaryDirectory()
checkpoints = Path(folder.name) / "checkpoints"
MLPClassifier(
    **options, checkpoint=checkpoints, checkpoint_every=2, checkpoint_keep=10
).fit(X, y)
files = sorted(checkpoints.glob("*.safetensors"))
for file in files:
    print(file.name, f"{file.stat().st_size / 1e3:.0f} kB")
half = (len(files) + 1) // 2
for file in files[half:]:
    file.unlink()
reached = int(files[half - 1].stem.split("-")[1])  # epochs that were saved in time

# %%
# The same program again, now with ``resume=True`` (which may stand there from the
# beginning: where there is no checkpoint, a fit begins).
resumed = MLPClassifier(
    **options,
    checkpoint=checkpoints,
    checkpoint_every=2,
    checkpoint_keep=10,
    resume=True,
).fit(X, y)
same = all(
    np.array_equal(a, b) for a, b in zip(whole.coefs_, resumed.coefs_, strict=True)
)
print("the same bits as without the crash:", same)

# %%
fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
epochs = np.arange(1, len(whole.loss_curve_) + 1)
ax.plot(epochs, whole.loss_curve_, lw=6, alpha=0.3, label="in one go")
ax.plot(epochs, resumed.loss_curve_, "o-", ms=4, label=f"resumed after epoch {reached}")
ax.axvline(reached + 0.5, color="gray", ls="--", lw=1)
ax.set(xlabel="epoch", ylabel="training loss", yscale="log")
ax.legend()
folder.cleanup()
