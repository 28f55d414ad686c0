"""The seven assumptions of convergence, each judged by what a run shows.

A verdict is whether one holds (True by construction, False if the configuration
breaks it or it was seen broken, None if no finite run can say), numbers, and sentences.
"""

from collections.abc import Callable
from typing import NamedTuple

from hogblock.asynchrony.evidence import Evidence

Verdict = tuple[bool | None, dict, str]


def ages_are_bounded(seen: Evidence) -> Verdict:
    numbers = {
        "largest_age_by_block": seen.largest_ages,
        "mean_age_by_block": seen.mean_ages,
        "bound": seen.age_bound,
        "unit": seen.unit,
        "largest_is_or_more": seen.open_ended,
    }
    if seen.age_bound is not None:
        words = f"{seen.age_source} bounds all ages by {seen.age_bound}."
        return True, numbers, words
    more = " or more" if seen.open_ended else ""
    return (
        None,
        numbers,
        f"{seen.age_source} bounds no age; the largest seen is "
        f"{max(seen.largest_ages)}{more}, in {seen.unit}. A schedule such as Law or "
        "Adversarial has a bound.",
    )


def blocks_are_updated(seen: Evidence) -> Verdict:
    total, least = max(1, seen.events), min(seen.updates)
    numbers = {
        "smallest_share": least / total,
        "updates_by_block": seen.updates,
        "p_min": None if seen.chances is None else min(seen.chances),
        "within": None if seen.within is None else max(seen.within),
    }
    block = seen.updates.index(least)
    if seen.chances is not None:
        p_min = min(seen.chances)
        if p_min > 0:
            words = (
                "Whatever the past, the next event updates any block with a "
                f"probability of {p_min:.4g} or more."
            )
            return True, numbers, words
        block = seen.chances.index(p_min)
        words = (
            f"Block {block} is never updated: the law gives those who write it the "
            "probability 0. Give all workers a positive one."
        )
        return False, numbers, words
    if seen.within is not None:
        words = (
            f"Of {max(seen.within)} events in a row one surely updates the block, but "
            "not of each event by itself: where turns are fixed, the probability is 0 "
            "just after an update. Drawn turns (Law) have one at every event."
        )
        return None, numbers, words
    if least == 0:
        words = (
            f"Block {block} was never updated in {seen.events} events: train longer."
        )
        return (False if seen.events else None), numbers, words
    words = (
        f"No law says so; block {block} has the smallest share of updates, "
        f"{least / total:.4g} of all events."
    )
    return None, numbers, words


def own_blocks_are_fresh(seen: Evidence) -> Verdict:
    numbers = {"largest_own_age": seen.own_age, "lost_updates": seen.lost}
    if seen.fresh and seen.own_age == 0:
        return True, numbers, seen.sharing
    found = (
        f" Others' updates of what a step wrote, during it: up to {seen.own_age}."
        if seen.own_age
        else " None was late in this run."
    )
    return False, numbers, seen.sharing + found


def subgradients_are_unbiased(seen: Evidence) -> Verdict:
    draws = seen.draws
    numbers = {"variance": draws.variance, "drawn_among": draws.samples}
    holds, words = {
        "none": (True, "Every step takes the whole function: nothing is random."),
        "independent": (
            True,
            "Each step draws by itself: unbiased whatever the past. The variance is "
            "bounded where x is.",
        ),
        "epochs": (
            None,
            "Minibatches are drawn without replacement: unbiased over the draw of an "
            "epoch's order, not given those of the epoch that are over.",
        ),
        "in order": (
            False,
            "shuffle=False takes the samples in the same order in every epoch; "
            "shuffle=True draws them.",
        ),
    }[draws.kind]
    if seen.diverged and draws.kind == "independent" and draws.samples != 1:
        holds, words = None, words + " x was not: see A7."
    words = " ".join([words, *draws.notes, *filter(None, [draws.missing])])
    return holds, numbers, words


def steps_fall_as_they_should(seen: Evidence) -> Verdict:
    rates = seen.rates
    numbers = {
        "first_rate": rates.first,
        "last_rate": rates.last,
        "sum": rates.total,
        "sum_of_squares": rates.squares,
        "power": rates.power,
    }
    mend = " A rate of k^-p with p in (1/2, 1] would hold."
    if rates.rule == "power" and rates.power is not None:
        p = rates.power
        if 0.5 < p <= 1:
            words = f"{rates.name}: the power is in (1/2, 1]."
            return True, numbers, words
        why = (
            "the sum of squares is infinite"
            if p <= 0.5
            else "the sum of all steps is finite"
        )
        return False, numbers, f"{rates.name}: {why}. Take power_t in (1/2, 1]."
    if rates.rule == "unknown":
        if rates.power is None:
            return None, numbers, f"{rates.name} has no power that could be fitted."
        inside = "inside" if 0.5 < rates.power <= 1 else "outside"
        words = (
            f"{rates.name} looks like k^-{rates.power:.3g} over its last nine tenths, "
            f"{inside} (1/2, 1]; a finite run does not say how it goes on."
        )
        return None, numbers, words
    why = {
        "constant": "does not tend to 0.",
        "plan": "ends after finitely many steps, so that their sum is finite.",
        "adaptive": "falls where the loss stalls, and training ends at a least rate: "
        "the sum is finite.",
    }[rates.rule]
    return False, numbers, f"{rates.name} {why}{mend}"


def updates_come_again(seen: Evidence) -> Verdict:
    total = seen.events
    numbers = {
        "longest_gap_by_block": seen.gaps,
        "mean_gap_by_block": [total / max(1, count) for count in seen.updates],
        "bound": None if seen.within is None else max(seen.within),
    }
    if seen.within is not None:
        words = (
            f"No block waits longer than {max(seen.within)} events, by construction."
        )
        return True, numbers, words
    if seen.chances is not None and min(seen.chances) == 0:
        return False, numbers, "A block is never updated: see A2."
    found = (
        f"the longest gap seen is {max(seen.gaps)} events"
        if seen.gaps
        else "gaps are seen with schedule=Recording()"
    )
    words = (
        f"Nothing bounds the events between two updates of a block; {found}. Only "
        "turns that are fixed have a bound, such as Adversarial's."
    )
    return None, numbers, words


def iterates_are_bounded(seen: Evidence) -> Verdict:
    numbers = {"largest_norm": seen.norm, "diverged": seen.diverged}
    if seen.diverged:
        words = f"The run diverged after {seen.events} events: take smaller steps."
        return False, numbers, words
    words = (
        f"Nothing is projected, so nothing bounds them; the largest norm of "
        f"{seen.norm_of} is {seen.norm:.4g}."
    )
    return None, numbers, words


class Predicate(NamedTuple):
    """An assumption: its statement, and how it is judged."""

    statement: str
    judge: Callable[[Evidence], Verdict]


PREDICATES = {
    "A1": Predicate("Ages are bounded by some delta.", ages_are_bounded),
    "A2": Predicate(
        "Whatever the past, each block is next with a probability of p_min > 0.",
        blocks_are_updated,
    ),
    "A3": Predicate(
        "What a step reads of what it writes is fresh.", own_blocks_are_fresh
    ),
    "A4": Predicate(
        "Subgradients are unbiased and of bounded variance.", subgradients_are_unbiased
    ),
    "A5": Predicate(
        "Steps tend to 0; their sum is infinite, that of their squares finite.",
        steps_fall_as_they_should,
    ),
    "A6": Predicate(
        "Times between updates of a block are bounded.", updates_come_again
    ),
    "A7": Predicate("Iterates stay bounded.", iterates_are_bounded),
}
