"""Fits within others' parallel work: ``python nested.py name`` prints what came of it.

Each prints a line of JSON.
"""

import hashlib
import json
import multiprocessing
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np

from hogblock import MLPClassifier
from hogblock.engines.cpu import pool

TASKS = 4
"""Two run at once."""


def fit(n_jobs):
    """A fit: what the weights are, how many workers it used, and how many are there."""
    x = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)
    model = MLPClassifier(
        hidden_layer_sizes=(16,),
        n_jobs=n_jobs,
        batch_size=16,
        learning_rate="cosine",
        max_iter=20,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, (x[:, 0] > 0).astype(int))
    digest = hashlib.sha256(b"".join(w.tobytes() for w in model.coefs_)).hexdigest()
    return digest, model.n_workers_, len(pool.running())


def at_once():
    """Fits of one worker in two threads, and in two processes."""
    alone = fit(1)
    with ThreadPoolExecutor(2) as executor:
        threads = list(executor.map(fit, [1] * TASKS))
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
        processes = list(executor.map(fit, [1] * TASKS))
    print(json.dumps([alone, threads, processes]))


def dask():
    """Fits of two workers in workers of Dask: processes, which are daemonic."""
    from distributed import Client, LocalCluster

    options = dict(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        print(json.dumps(client.gather(client.map(fit, [2] * TASKS, pure=False))))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
