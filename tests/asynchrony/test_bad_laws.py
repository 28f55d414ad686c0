"""Impossible laws, blocks, rates and events: errors name the first wrong entry."""

import numpy as np
import pytest

from hogblock.asynchrony import (
    Adversarial,
    AgeLaw,
    EventDriven,
    Events,
    Geometric,
    Law,
    Quadratic,
    Scheduler,
    Uniform,
    simulate,
    stability_limit,
)

P = Quadratic(np.ones(4))


class Halves(AgeLaw):
    """Its probabilities are a third too few."""

    def probabilities(self):
        return np.array([0.5, 0.25])


BAD_SCHEDULERS = {
    r"workers=0 .* whole number of at least 1": lambda: Law(0),
    r"workers=2\.0 .* whole number": lambda: Adversarial(2.0, 1),
    r"workers=True": lambda: EventDriven(True),
    r"ages=-1 .* at least 0": lambda: Law(1, -1),
    r"ages=1\.5 .* whole number": lambda: Law(1, 1.5),
    r"ages='old' .* whole number": lambda: Law(1, "old"),
    r"age=-3 .* at least 0": lambda: Adversarial(1, -3),
    r"ages: entry 1 is -0\.5, and must be finite": lambda: Law(1, [0.5, -0.5, 1.0]),
    r"ages: entry 2 is nan": lambda: Law(1, [0.5, 0.5, np.nan]),
    r"ages must sum to 1, and sum to 1\.4: they pass 1 with entry 1, 0\.7": (
        lambda: Law(1, [0.5, 0.7, 0.2])
    ),
    r"ages must sum to 1, and sum to 0\.75 with the last of them, entry 1, 0\.25": (
        lambda: Law(1, [0.5, 0.25])
    ),
    r"ages=.*Halves.* sum to 0\.75": lambda: Law(1, Halves()),
    r"ages must be a row of numbers.*\(2, 1\)": lambda: Law(1, [[1], [0]]),
    r"ages must be a row of numbers.*\(0,\)": lambda: Law(1, []),
    r"ages=\['a'\] must be numbers": lambda: Law(1, ["a"]),
    r"overlap must sum to 1": lambda: Law(1, 1, overlap=[0.5]),
    r"probabilities: entry 0 is -1": lambda: Law(2, probabilities=[-1, 2]),
    r"probabilities must sum to 1, .* entry 1, 0\.4": (
        lambda: Law(2, probabilities=[0.5, 0.4])
    ),
    r"probabilities are of 3 workers, and there are workers=2": (
        lambda: Law(2, probabilities=[0.5, 0.25, 0.25])
    ),
    r"reads='both' must be one of 'inconsistent', 'consistent'": (
        lambda: Law(reads="both")
    ),
    r"low of Uniform=-1": lambda: Uniform(-1, 2),
    r"high of Uniform=2 .* at least 3": lambda: Uniform(3, 2),
    r"p of Geometric=0": lambda: Geometric(0, 5),
    r"p of Geometric=1\.5 must be at most 1": lambda: Geometric(1.5, 5),
    r"largest of Geometric=-1": lambda: Geometric(0.5, -1),
    r"mean=0 .* finite number above 0": lambda: EventDriven(2, mean=0),
    r"mean: entry 1 is -2": lambda: EventDriven(3, mean=[1, -2, 0]),
    r"mean: entry 0 is inf": lambda: EventDriven(2, mean=[np.inf, 1]),
    r"mean is of 2 workers, and there are workers=3": (
        lambda: EventDriven(3, mean=[1, 1])
    ),
    r"service='normal' must be one of 'exponential', ": (
        lambda: EventDriven(2, "normal")
    ),
    r"sigma=-1": lambda: EventDriven(2, "lognormal", sigma=-1),
    r"read=-0\.5": lambda: EventDriven(2, read=-0.5),
    r"write=nan": lambda: EventDriven(2, write=np.nan),
    r"straggler=0\.1 must be \(probability, factor\)": (
        lambda: EventDriven(2, straggler=0.1)
    ),
    r"probability of straggler=1\.5": lambda: EventDriven(2, straggler=(1.5, 2.0)),
    r"factor of straggler=0": lambda: EventDriven(2, straggler=(0.5, 0)),
}


@pytest.mark.parametrize("message", BAD_SCHEDULERS)
def test_impossible_schedulers(message):
    with pytest.raises(ValueError, match=message):
        BAD_SCHEDULERS[message]()


BAD_OPTIONS = {
    r"n_events=0": dict(n_events=0),
    r"x0 has shape \(3,\), .* n=4": dict(x0=[1, 2, 3]),
    r"x0: entry 1 is nan": dict(x0=[0, np.nan, np.inf, 0]),
    r"blocks=0 must be from 1": dict(blocks=0),
    r"blocks=5 must be from 1 to the n=4": dict(blocks=5),
    r"blocks: empty, and coordinate 0 of n=4 is left": dict(blocks=[]),
    r"block 1, \(3, 4\), leaves out coordinate 2": dict(blocks=[(0, 2), (3, 4)]),
    r"block 0, \(1, 4\), leaves out coordinate 0": dict(blocks=[(1, 4)]),
    r"block 2, \(2, 4\), overlaps .* must begin at 3": (
        dict(blocks=[(0, 2), (2, 3), (2, 4), (0, 9)])
    ),
    r"block 0, \(2, 4\), leaves out": dict(blocks=[(2, 4), (0, 2)]),
    r"block 1, \(2, 2\), is empty": dict(blocks=[(0, 2), (2, 2), (2, 4)]),
    r"block 0, \(0, 5\), goes beyond the n=4": dict(blocks=[(0, 5)]),
    r"block 0, \(0, 3\), is the last, and coordinate 3 of n=4 is left": (
        dict(blocks=[(0, 3)])
    ),
    r"block 1, 3, must be \(start, stop\)": dict(blocks=[(0, 1), 3]),
    r"block 0, \(0, 4\.0\), must be": dict(blocks=[(0, 4.0)]),
    r"block 0 is the last, .* 3 workers must own one": (
        dict(blocks=[(0, 4)], ownership="owned", scheduler=Law(3))
    ),
    r"block 3 is the last, .* 5 workers must own one": (
        dict(ownership="owned", scheduler=Law(5))
    ),
    r"ownership='mine' must be one of 'shared', 'owned'": dict(ownership="mine"),
    r"update='all'": dict(update="all"),
    r"cells='words' must be one of 'coordinates', 'blocks'": dict(cells="words"),
    r"velocity='none'": dict(velocity="none"),
    r"counter='steps'": dict(counter="steps"),
    r"writes='locked'": dict(writes="locked"),
    r"momentum=1 must be below 1": dict(momentum=1),
    r"momentum=-0\.1": dict(momentum=-0.1),
    r"noise=-1": dict(noise=-1),
    r"n_records=1 .* at least 2": dict(n_records=1),
    r"history=-1": dict(history=-1),
    r"rate='cosine' must be a number or callable": dict(rate="cosine"),
    r"rate: entry 0 is -1": dict(rate=-1),
    r"rate: entry 3 is -1, and must": dict(rate=lambda t: 2 - t),
    r"rate: entry 0 is inf": dict(rate=lambda t: 1 / np.maximum(t, 0)),
    r"rate gave shape \(1,\) for counts of shape \(10,\)": dict(rate=lambda t: t[:1]),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("message", BAD_OPTIONS)
def test_impossible_options(message):
    given = dict(problem=P, scheduler=Law(), n_events=10) | BAD_OPTIONS[message]
    with pytest.raises(ValueError, match=message):
        simulate(**given)


def test_wrong_kinds_of_objects():
    with pytest.raises(TypeError, match=r"problem=3 must be a Problem"):
        simulate(3, Law(), 10)
    with pytest.raises(TypeError, match=r"scheduler='law' must be a Scheduler"):
        simulate(P, "law", 10)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (Law(1, 5), r"event 3 reads cell 0 at age 3, and history=2 versions are kept"),
        (Law(2, [0.999, 0, 0, 0.001]), r"event \d+ reads cell \d at age 3, and hist"),
        (EventDriven(4, "deterministic"), r"event 3 reads cell 0 at age 3"),
    ],
)
def test_ages_beyond_the_history(scheduler, message):
    with pytest.raises(ValueError, match=message):
        simulate(P, scheduler, 2000, history=2, random_state=0)


class Given(Scheduler):
    """Gives what it is told to."""

    workers = 2
    largest_age = None

    def __init__(self, **changes):
        self.changes = changes

    def events(self, n_events, n_cells, random):
        right = dict(
            worker=np.zeros(n_events, int), ticket=np.arange(n_events),
            ages=np.zeros((n_events, n_cells), int), overlap=np.zeros(n_events, int),
        )  # fmt: skip
        return Events(**(right | self.changes))


def changed(shape, *entries):
    array = np.zeros(shape, int)
    for place, value in entries:
        array[place] = value
    return array


BAD_EVENTS = {
    r"worker of the events: event 4: 2 is beyond workers \(0 to 1 is allowed\)": (
        dict(worker=changed(10, (4, 2), (7, -1)))
    ),
    r"worker of the events: event 5: -1 is negative": dict(worker=changed(10, (5, -1))),
    r"ages of the events: event 2, cell 3: 3 is beyond what was before \(0 to 2": (
        dict(ages=changed((10, 4), ((2, 3), 3), ((8, 0), -1)))
    ),
    r"ages of the events: event 8, cell 1: -2 is negative": (
        dict(ages=changed((10, 4), ((8, 1), -2)))
    ),
    r"overlap of the events: event 0: 1 is beyond": dict(overlap=changed(10, (0, 1))),
    r"ages of the events must be whole numbers of shape \(10, 4\), .* \(10, 3\)": (
        dict(ages=changed((10, 3)))
    ),
    r"ticket of the events: event 1: -1 is negative": (
        dict(ticket=changed(10, (1, -1)))
    ),
    r"ticket of the events must be whole numbers .* float64": (
        dict(ticket=np.zeros(10))
    ),
    r"event 9 has an overlap of 5, and history=4": dict(overlap=changed(10, (9, 5))),
}


@pytest.mark.parametrize("message", BAD_EVENTS)
def test_impossible_events(message):
    simulate(P, Given(), 10, history=4)
    with pytest.raises(ValueError, match=message):
        simulate(P, Given(**BAD_EVENTS[message]), 10, history=4)


def test_events_that_are_not_all():
    class Three(Given):
        def events(self, n_events, n_cells, random):
            return super().events(n_events, n_cells, random)[:3]

    with pytest.raises(ValueError, match=r"worker, ticket, ages, overlap; 3 came"):
        simulate(P, Three(), 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(age=-1), r"age=-1"),
        (dict(age=0.5), r"age=0\.5"),
        (dict(age=1, momentum=1.0), r"momentum=1\.0 must be below 1"),
    ],
)
def test_impossible_stability(options, message):
    with pytest.raises(ValueError, match=message):
        stability_limit(**options)
