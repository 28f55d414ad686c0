"""The engine of several machines: every node trains by the engine of its own device."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np

from hogblock.distributed.driver import Driver
from hogblock.distributed.options import Ray
from hogblock.distributed.parts import Parts
from hogblock.distributed.remote import RemoteRows, answers, check_options
from hogblock.distributed.session import Session, ray_module, session
from hogblock.distributed.task import Reading
from hogblock.distributed.tasks import Tasks
from hogblock.engines.base import Engine
from hogblock.engines.cpu.engine import CpuEngine
from hogblock.engines.cpu.jobs import count_jobs
from hogblock.estimators.callbacks import without_callbacks
from hogblock.estimators.inputs import Images
from hogblock.training.run_plan import count_batches
from hogblock.training.settings import Result, Settings, TrainingData

MOST_ROWS = 2**31
"""That a minibatch could have."""


@dataclass(frozen=True)
class RayEngine(Engine):
    """Trains on the nodes of a cluster.

    Attributes
    ----------
    options : Ray
    """

    options: Ray

    keeps_states = True

    @classmethod
    def named(cls, device):
        options = Ray() if device == "ray" else device
        if not isinstance(options, Ray):
            return None
        ray_module()
        return cls(options)

    @property
    def name(self):
        return "ray"

    @property
    def default_method(self):
        return self._of_a_node.default_method

    @property
    def clips(self):
        return self._of_a_node.clips

    @property
    def _of_a_node(self) -> Engine:
        """Which says what a node can do; CUDA is asked for on the nodes alone."""
        if not self.options.uses_cuda:
            return CpuEngine()
        from hogblock.engines.cuda.engine import CudaEngine
        from hogblock.engines.devices import cuda_devices

        return CudaEngine(cuda_devices(self.options.device))

    def runs(self, method):
        return self._of_a_node.runs(method)

    def usable_workers(self, network, method, n_jobs, batches):
        each = max(1, batches // self.options.n_nodes)
        return self._of_a_node.usable_workers(network, method, n_jobs, each)

    def workers_of(self, settings):
        return settings.workers * self.options.n_nodes

    def train(
        self, network, data, settings, params, on_epoch, velocity, progress,
        state=None, beside=None,
    ):  # fmt: skip
        self._check(data, settings)
        if state is not None:
            params = state.params

        def run(nodes: Session, samples: list[tuple], shared: bool) -> Result:
            tasks = Tasks(self.options, network, settings, params, shared)
            return Driver(tasks, nodes, samples, on_epoch, progress, state).run()

        rows = data.x
        if isinstance(rows, RemoteRows):
            held = [(each, rows.targets, *data.scaling) for each in rows.readings]
            return run(rows.session, held, rows.shared)
        shared = self.options.sampling != "own"
        with session(
            self.options, settings.workers, network.needs_image_kernels
        ) as nodes:
            samples = _dealt(self.options, data, settings.seed, shared)
            return run(nodes, samples, shared)

    @contextmanager
    def opened(self, estimator, given, standing):
        """`Parts` are read by the nodes, which last as long as the block."""
        parts = given.X
        if not isinstance(parts, Parts):
            yield given
            return
        check_options(estimator, given)
        shared = self.options.sampling == "all"
        images = isinstance(estimator._form, Images)
        with session(self.options, count_jobs(estimator.n_jobs), images) as nodes:
            dealt = parts.dealt(self.options.n_nodes, shared)
            rows = _read(nodes, dealt, parts.target, estimator, standing, shared)
            yield replace(given, X=rows)

    def refusal_of(self, X):
        return None if isinstance(X, Parts) else super().refusal_of(X)

    def _check(self, data: TrainingData, settings: Settings) -> None:
        nodes, samples = self.options.n_nodes, len(data.x)
        batches = count_batches(samples, settings.batch)
        if batches < nodes:
            raise ValueError(
                f"nodes={nodes}, and {samples} samples are {batches} minibatches "
                f"of {settings.batch}: use fewer nodes, or a smaller batch_size"
            )


def _read(
    nodes: Session, dealt: list, target: str | None, estimator, standing, shared: bool
) -> RemoteRows:
    """Have the nodes read their parts."""
    ray = ray_module()
    there = without_callbacks(estimator)
    there.device = "cpu"  # which nobody asks for
    name = uuid4().hex
    readings = [
        ray.put(Reading(there, sources, target, standing, f"{name}-{rank}"))
        for rank, sources in enumerate(dealt)
    ]
    batch = estimator._batch_size(MOST_ROWS)
    refs = [
        handle.summary.remote(reading, batch)
        for handle, reading in zip(nodes.handles, readings, strict=True)
    ]
    return RemoteRows(nodes, readings, answers(nodes, refs), shared)


def _dealt(options: Ray, data: TrainingData, seed: int, shared: bool) -> list[tuple]:
    """What each node holds, as references."""
    ray = ray_module()
    scaling = data.shift, data.scale
    if shared:
        held = [ray.put(each) for each in (data.x, data.targets, data.weights)]
        return [(*held, *scaling)] * options.n_nodes
    order = np.random.default_rng([seed, 1]).permutation(len(data.x))
    dealt = []
    for rows in np.array_split(order, options.n_nodes):
        rows.sort()
        weights = data.weights[rows] if data.weights.size else data.weights
        parts = (data.x[rows], data.targets[rows], weights)
        dealt.append((*map(ray.put, parts), *scaling))
    return dealt
