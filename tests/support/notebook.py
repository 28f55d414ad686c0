"""A notebook whose cells fit: ``python notebook.py`` prints what came of them."""

import json
import queue
import time

from jupyter_client.manager import KernelManager

CELL_SECONDS = 100

FIRST = """
import os
import numpy as np
from hogblock import MLPClassifier
from hogblock.engines.cpu import pool
x = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)
options = dict(n_jobs=2, random_state=0, batch_size=16, hidden_layer_sizes=(8,))
def pids():
    return sorted(worker.process.pid for worker in pool.running())
"""
INTERRUPTED = """
for_ever = dict(max_iter=10**6, tol=0.0, n_iter_no_change=np.inf, verbose=True)
model = MLPClassifier(**options, **for_ever).fit(x, y)
before = pids()
model.n_workers_, 0 < model.n_iter_ < 10**6, bool(model.score(x, y) > 0.9)
"""
NEXT = """
model = MLPClassifier(**options, max_iter=3, learning_rate="cosine").fit(x, y)
model.n_iter_, pids() == before
"""


class Notebook:
    """A kernel, and what its cells print and return."""

    def __init__(self):
        self.manager = KernelManager()
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(CELL_SECONDS)

    def run(self, code, interrupt_at=None):
        """Run a cell, interrupted when it says a word; returns what it said, and is."""
        wanted = self.client.execute(code)
        said, value, deadline = "", None, time.monotonic() + CELL_SECONDS
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != wanted:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                said += content["text"]
                if interrupt_at is not None and interrupt_at in said:
                    self.manager.interrupt_kernel()
                    interrupt_at = None
            elif kind == "execute_result":
                value = content["data"]["text/plain"]
            elif kind == "error":
                value = "\n".join(content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                break
        return said, value


def main():
    """Three cells, and the end of the kernel."""
    notebook = Notebook()
    notebook.run(FIRST)
    said, interrupted = notebook.run(INTERRUPTED, "loss")
    _, after = notebook.run(NEXT)
    warned = said.count("interrupted by user")
    print(json.dumps([warned, interrupted, after]), flush=True)
    notebook.manager.shutdown_kernel()


if __name__ == "__main__":
    main()
