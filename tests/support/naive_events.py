"""Twins of the event model in plain NumPy and Python, float64.

They draw the same numbers as the kernels, in the same order.
"""

import heapq
import math

import numpy as np


def number(probabilities, random):
    """Index of an entry by the cumulative sums; only one that is possible: no draw."""
    (possible,) = np.nonzero(probabilities)
    if len(possible) == 1:
        return int(possible[0])
    low, high = possible[0], possible[-1] + 1
    cumulative = np.cumsum(probabilities[low:high])
    cumulative[-1] = 1
    return int(low + np.searchsorted(cumulative, random.random(), side="right"))


def law(workers, ages, overlaps, one_age, n_events, n_cells, random):
    """Events by probabilities of the workers, of ages and of overlaps 0, 1, ..."""
    ended = [0] * len(workers)
    for k in range(n_events):
        worker = number(workers, random)
        drawn = [number(ages, random) for _ in range(1 if one_age else n_cells)]
        found = [min(age, k) for age in drawn] * (n_cells if one_age else 1)
        overlap = min(number(overlaps, random), *found, k - ended[worker])
        ended[worker] = k + 1
        yield worker, k, found, overlap


def by_time(service, read, write, one_age, workers, n_events, n_cells, random):
    """Events of workers that take time; `service(worker, random)` is how long."""
    doings, seen, found, tickets = [], {}, dict.fromkeys(range(workers), 0), {}
    ended = 0

    def begin(worker, time):
        tickets[worker] = begin.tickets
        begin.tickets += 1
        computes = service(worker, random)
        one = one_age or read == 0
        times = [time + (0 if one else read * j / n_cells) for j in range(n_cells)]
        seen[worker] = [ended] * n_cells
        stages = [] if one else [(times[j], ("read", j)) for j in range(1, n_cells)]
        if write:
            stages.append((time + (read + computes), ("write", None)))
        stages.append((time + (read + computes + write), ("end", None)))
        heapq.heappush(doings, (stages[0][0], worker, stages))

    begin.tickets = 0
    for worker in range(workers):
        begin(worker, 0.0)
    while ended < n_events:
        time, worker, stages = heapq.heappop(doings)
        (_, (what, cell)), *rest = stages
        if what == "read":
            seen[worker][cell] = ended
        elif what == "write":
            found[worker] = ended
        else:
            ages = [ended - version for version in seen[worker]]
            overlap = ended - found[worker] if write else 0
            yield worker, tickets[worker], ages, overlap
            ended += 1
            begin(worker, time)
            continue
        heapq.heappush(doings, (rest[0][0], worker, rest))


def service(kind, mean, sigma=1.0, slow=0.0, factor=1.0):
    """How long a worker computes, as a function of worker and generator."""

    def time(worker, random):
        found = mean[worker]
        if kind == "exponential":
            found = mean[worker] * random.standard_exponential()
        elif kind == "lognormal":
            z = random.standard_normal()
            found = mean[worker] * math.exp(sigma * z - sigma * sigma / 2)
        if slow and random.random() < slow:
            found *= factor
        return found

    return time


def sgd(gradient, x, rates, momentum=0.0, nesterov=False):
    """Sequential subgradient steps: all versions of x."""
    x, u, versions = np.array(x), np.zeros(len(x)), [np.array(x)]
    for rate in rates:
        g = gradient(x)
        u = momentum * u + g
        x = x - rate * (g + momentum * u if nesterov else u)
        versions.append(x)
    return np.array(versions)


def simulate(
    problem, events, x, streams, *, bounds, owned, own, random_block, momentum,
    nesterov, private, rate, own_count, racy, noise,
):  # fmt: skip
    """All versions of a run, and its facts, from the definition of the model.

    events : iterable of (worker, ticket, ages, overlap)
    streams : generators of samples, noise and blocks
    bounds : ends of the blocks; owned : blocks of each worker
    own : whether they have one writer each
    """
    sampling, noising, choosing = streams
    n, blocks = problem.n, len(bounds) - 1
    versions, velocity = [np.array(x)], np.zeros((len(owned), n))
    writes = []  # of each event: worker, blocks
    contains = [[frozenset()] * blocks]  # events whose writes of a block are in there
    steps, issued, ages_read = [0] * len(owned), np.array(x), []
    own_age, rates = 0, []
    for k, (worker, _, ages, overlap) in enumerate(events):
        mine = [j for b in owned[worker] for j in range(bounds[b], bounds[b + 1])]
        ages = [0 if own and j in mine else age for j, age in enumerate(ages)]
        xhat = np.array([versions[k - age][j] for j, age in enumerate(ages)])
        ages_read += ages
        sample = None
        if problem.n_samples > 1:
            sample = int(sampling.random() * problem.n_samples)
        g = problem.subgradient(xhat, sample)
        written = list(owned[worker])
        if random_block:
            written = [written[int(choosing.random() * len(written))]]
        part = [j for b in written for j in range(bounds[b], bounds[b + 1])]
        if noise:
            g = np.array(g)
            g[part] += noise * noising.standard_normal(len(part))
        u = velocity[worker if private else 0]
        u[part] = momentum * u[part] + g[part]
        s = g + momentum * u if nesterov else u
        r = rate(steps[worker] if own_count else k)
        back = overlap if racy and not own else 0
        new = versions[k].copy()
        new[part] = versions[k - back][part] - r * s[part]
        issued[part] -= r * s[part]
        inside = list(contains[k])
        for b in written:
            inside[b] = contains[k - back][b] | {k}
            oldest = max(ages[bounds[b] : bounds[b + 1]])
            others = [w for w, bs in writes[k - oldest : k] if w != worker and b in bs]
            own_age = max(own_age, len(others))
        versions.append(new)
        contains.append(inside)
        writes.append((worker, written))
        steps[worker] += 1
        rates.append(r)
    at = [[k + 1 for k, (_, bs) in enumerate(writes) if b in bs] for b in range(blocks)]
    sizes = np.diff(bounds)
    return {
        "x": versions[-1],
        "trajectory": np.array(versions),
        "updates_per_block": [len(each) for each in at],
        "steps_per_worker": steps,
        "age_counts": np.bincount(ages_read),
        "largest_age": max(ages_read),
        "own_age": own_age,
        "longest_gap": [int(np.diff([0, *each, len(writes)]).max()) for each in at],
        "largest_norm": np.sqrt(max(np.cumsum(v * v)[-1] for v in versions)),
        "sum_of_rates": np.cumsum(rates)[-1],
        "sum_of_squares": np.cumsum(np.square(rates))[-1],
        "first_rate": rates[0],
        "last_rate": rates[-1],
        "issued": issued - x,
        "applied": versions[-1] - x,
        "lost": sum(
            int(sizes[b]) * (len(at[b]) - len(contains[-1][b])) for b in range(blocks)
        ),
    }
