"""An engine from outside the package: one worker, float64, the twin of the kernels."""

import re
import time

import numpy as np

from hogblock.engines.base import Engine
from hogblock.training.run_plan import make_run_plan
from hogblock.training.settings import Epoch, Result
from support import naive


class ToyEngine(Engine):
    """Plain momentum, samples in their order."""

    def __init__(self, number):
        self.number = number

    @classmethod
    def named(cls, device):
        match = isinstance(device, str) and re.fullmatch(r"toy:(\d+)", device)
        return cls(int(match[1])) if match else None

    @property
    def name(self):
        return f"toy:{self.number}"

    def runs(self, method):
        return not method.owns_blocks

    def usable_workers(self, network, method, n_jobs, batches):
        return 1

    def train(self, network, data, settings, params, on_epoch, velocity, progress):
        run, start = make_run_plan(network, data, settings), time.perf_counter()
        x, targets = data.scaling.scaled(data.x), data.targets
        params = params.astype(float)
        velocity = np.zeros(network.size) if velocity is None else velocity[0]
        rate, losses = float(settings.rate[0]), []
        for index in range(settings.epochs):
            found = []
            for k in range(run.batches):
                rows = slice(k * settings.batch, (k + 1) * settings.batch)
                loss, gradient = naive.network_gradient(
                    network, params, x[rows], targets[rows], settings.loss.name,
                    alpha=settings.alpha,
                )  # fmt: skip
                velocity = settings.momentum * velocity + gradient
                params = params - rate * velocity
                found.append(loss)
            losses.append(float(np.mean(found)))
            progress((index + 1) * run.epoch_samples)
            now = np.float32(params), time.perf_counter() - start
            if on_epoch(Epoch(index, losses[-1], *now, 1.0)):
                break
        steps = len(losses) * run.batches
        return Result(
            params=np.float32(params),
            velocity=np.float32(velocity)[None],
            losses=losses,
            loss_so_far=None,
            workers=1,
            steps=steps,
            samples=len(losses) * run.n_samples,
            steps_per_worker=np.array([steps]),
            updates_per_block=np.array([steps]),
            staleness=np.array([[steps]]),
            overlap=np.array([[steps]]),
            seconds=time.perf_counter() - start,
        )
