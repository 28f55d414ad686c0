"""Times the kernels of a training step one by one, through hogblock's engine."""

import time
from statistics import median

import numpy as np

from hogblock.engines.devices import simulated
from hogblock.kernels import ops as op
from hogblock.methods import SGD
from hogblock.models.plan import make_plan
from hogblock.training.run_plan import make_run_plan
from hogblock.training.settings import Settings, TrainingData

LAUNCHES = 20  # of a phase, behind one another in a CUDA graph
REPEATS = 5
SHORTEST = 1e-8  # seconds; more is lost in the noise
LOSS = "softmax"


def phase_rates(network, batch, device):
    """Time every phase of a training step on its own.

    Parameters
    ----------
    network : hogblock.models.Network
    batch : int
    device : hogblock.Cuda
        Its ``blocks_per_worker`` is the team's size; one worker runs.

    Returns
    -------
    list of float or None
        Median seconds of each phase of ``model.phases(network, batch)``, in that
        order, beyond those of a launch that does nothing; None for one that the engine
        does in passing. In the simulator, the wall-clock time of a launch.
    """
    step = Step(network, batch, device)
    ops = make_plan(network, batch, LOSS).ops
    seconds = [None] * len(ops)
    for phase, place in step.phases:
        # A phase begins with its operation's row; a pooling or a dense layer that the
        # engine takes for something else has changed some columns of it.
        k = int((ops != phase.row[: op.OP_WIDTH]).sum(axis=1).argmin())
        seconds[k] = (seconds[k] or 0.0) + step.seconds_of(place)
    return seconds


class Step:
    """One team that has taken a training step, but for its end.

    Parameters
    ----------
    network, batch, device
        See `phase_rates`.

    Attributes
    ----------
    phases : list of (Phase, int)
        Those of the plan, and where each lies in the table.
    """

    def __init__(self, network, batch, device):
        from hogblock.engines.cuda.launches import BEGIN_STEP
        from hogblock.engines.cuda.memory import Memory
        from hogblock.engines.cuda.pack import program_of
        from hogblock.engines.cuda.training import check_shared, shape_of
        from hogblock.kernels.cuda import job
        from hogblock.kernels.cuda import phases as ph

        data, settings = _problem(network, batch)
        run_plan = make_run_plan(network, data, settings)
        shape = shape_of(run_plan, device, persistent=False)
        program = program_of(run_plan, shape, device, static=True)
        check_shared(program, device)
        params = network.initialise(np.random.RandomState(0))
        self.memory = Memory(device, program, data, params)
        self._blocks = shape.thread_blocks
        self._words = int(program.table[job.TEAMS_AT])
        table = program.table
        first = int(table[table[job.PLANS_AT] + job.PLAN_START])
        places = range(first, table.size, ph.PHASE_WIDTH)
        every = list(zip(program.phases[0], places, strict=False))
        self.memory.launch("one_phase", 1, 0, 1, BEGIN_STEP)
        for _, place in every:
            self._put(place)
        self.memory.synchronise()
        before = (ph.GATHER, ph.WEIGHT_SUM, ph.COPY_PARAMETERS)
        self.phases = [pair for pair in every if pair[0].row[ph.PHASE] not in before]
        self._idle = 0.0 if simulated() else self._seconds_of_nothing()

    def _put(self, place, stream=None):
        from hogblock.engines.cuda.launches import RUN_PHASE

        memory, blocks = self.memory, self._blocks
        memory.launch("one_phase", blocks, 0, place, RUN_PHASE, stream=stream)

    def seconds_of(self, place):
        """Time of the phase there, beyond that of a launch that does nothing."""
        if simulated():
            start = time.perf_counter()
            self._put(place)
            return time.perf_counter() - start
        return max(SHORTEST, self._seconds(place) - self._idle)

    def _seconds_of_nothing(self):
        """Time of a launch that finds no minibatch."""
        from hogblock.kernels.cuda.phases import TICKET

        words = self.memory.words
        with self.memory.current():
            ticket = words[self._words + TICKET].copy()
            words[self._words + TICKET] = -1
            spent = self._seconds(self.phases[0][1])
            words[self._words + TICKET] = ticket
        return spent

    def _seconds(self, place):
        """Median time of a launch in a CUDA graph: Python's own is longer than most."""
        from cupy.cuda import Event, Stream, get_elapsed_time

        from hogblock.kernels.cuda.launch import external_stream

        with self.memory.arrays.current():
            self.memory.synchronise()
            stream, spent = Stream(non_blocking=True), []
            launched = external_stream(stream.ptr)
            with stream:
                stream.begin_capture()
                for _ in range(LAUNCHES):
                    self._put(place, launched)
                graph = stream.end_capture()
                graph.launch(stream)
                for _ in range(REPEATS):
                    begin, end = Event(), Event()
                    begin.record()
                    graph.launch(stream)
                    end.record()
                    end.synchronize()
                    spent.append(get_elapsed_time(begin, end) / 1000 / LAUNCHES)
        return median(spent)


def _problem(network, batch):
    """A random minibatch, and settings that hardly change the parameters."""
    features, none = int(np.prod(network.input_shape)), np.zeros(0, np.float32)
    x = np.random.default_rng(0).standard_normal((batch, features), np.float32)
    settings = Settings(
        method=SGD(),
        workers=1,
        batch=batch,
        epochs=1,
        loss=LOSS,
        rate=np.full(1, 1e-9, np.float32),
        rate_points=1,
        momentum=0.9,
        nesterov=False,
        shuffle=True,
        alpha=0.0,
        seed=0,
    )
    return TrainingData(x, np.zeros(batch, np.int32), none, none, none), settings
