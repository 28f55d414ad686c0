"""
Text, as a sparse matrix
========================

A vectorizer of scikit-learn makes text a matrix that is nearly empty; a network takes
it as it is. What one learns here: what a pipeline for text looks like, what stays
sparse, and which words speak for which class.
"""

import inspect

import matplotlib.pyplot as plt
import numpy as np
from scipy import linalg, optimize, signal, stats
from sklearn import datasets, linear_model, metrics, utils
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from hogblock import MLPClassifier

# %%
# Texts that are at hand: paragraphs of the documentation of functions. Which library
# are they from?
modules = {
    "numpy": [np, np.linalg, np.fft, np.ma],
    "scipy": [stats, signal, optimize, linalg],
    "sklearn": [metrics, datasets, linear_model, utils],
}
names = list(modules)
texts, target = [], []
for label, name in enumerate(names):
    objects = (vars(module).values() for module in modules[name])
    docs = {inspect.getdoc(each) or "" for some in objects for each in some}
    for doc in sorted(docs):
        parts = [" ".join(part.split()) for part in doc.split("\n\n")]
        parts = [part for part in parts if len(part) > 120 and ">>>" not in part]
        texts += parts
        target += [names[label]] * len(parts)
print(len(texts), "paragraphs, such as:", texts[0][:90])

# %%
# The names of the libraries themselves would be too easy.
texts_train, texts_test, y_train, y_test = train_test_split(
    texts, target, stratify=target, random_state=0
)
words = TfidfVectorizer(
    sublinear_tf=True,
    min_df=3,
    token_pattern=r"(?!(?:numpy|np|scipy|sklearn|scikit)\b)\b[a-z]{2,}\b",
)
model = make_pipeline(
    words,
    MLPClassifier(
        hidden_layer_sizes=(32,),
        max_iter=10,
        learning_rate="cosine",
        class_weight="balanced",
        random_state=0,
    ),
)
model.fit(texts_train, y_train)
X = words.transform(texts_train)
print(
    f"{X.shape[0]} rows, {X.shape[1]} words, {X.nnz / np.prod(X.shape):.2%} are not 0"
)
print(f"test accuracy {model.score(texts_test, y_test):.3f}")

# %%
# What single words say: each is given to the model alone. Bars are the lead of the
# class over the next one, in logarithms of probability.
vocabulary = words.get_feature_names_out()
alone = model.predict_log_proba(vocabulary)
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), layout="constrained")
for k, (ax, name) in enumerate(zip(axes, model.classes_, strict=True)):
    lead = alone[:, k] - np.delete(alone, k, axis=1).max(axis=1)
    best = np.argsort(lead)[-10:]
    ax.barh(vocabulary[best], lead[best], color=f"C{k}")
    ax.set(title=name, xlabel="lead")
