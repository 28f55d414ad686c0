"""Mixed: which mixes there are, and where a worker's turns lie."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hogblock.methods import From, Mixed, Stretch

TURNS = 100  # after which the shares come again
SCOPES = ["full", "own", "suffix", From(0), From(1), From(-1)]
NAN = float("nan")


def one(shares):
    return [(0.0, shares)]


FULL = {"full": 1.0}


@pytest.mark.parametrize(
    ("mix", "told"),
    [
        (one({"full": 0.5}), "{'full': 0.5} from 0.0 on add up to 0.5"),
        (one({"full": 0.5, "own": 0.75}), "'own': 0.75} from 0.0 on add up to 1.25"),
        (one({}), "{} from 0.0 on add up to 0"),
        ([*one(FULL), (0.5, {"own": 2.0})], "{'own': 2.0} from 0.5 on add up to 2"),
        (
            one({"full": 1.5, "own": -0.5}),
            "share -0.5 of 'own' must be 0 or at least 0.01",
        ),
        (one({"full": 1.0, From(1): NAN}), "share nan of From(layer=1) must be 0 or"),
        (one({"full": 0.996, "own": 0.004}), "share 0.004 of 'own' must be 0 or"),
        ([], "fractions [] of mix must rise from 0"),
        ([(0.1, FULL)], "fractions [0.1] of mix"),
        ([*one(FULL), (0.5, FULL), (0.5, FULL)], "fractions [0.0, 0.5, 0.5] of mix"),
        ([*one(FULL), (0.5, FULL), (0.2, FULL)], "fractions [0.0, 0.5, 0.2] of mix"),
        ([*one(FULL), (1.0, FULL)], "fractions [0.0, 1.0] of mix"),
        ([*one(FULL), (NAN, FULL)], "fractions [0.0, nan] of mix"),
        ([*one(FULL), (NAN, FULL), (0.5, FULL)], "fractions [0.0, nan, 0.5] of mix"),
        ([(NAN, FULL)], "fractions [nan] of mix"),
        ([(-0.5, FULL), (0.5, FULL)], "fractions [-0.5, 0.5] of mix"),
        (one({"upper": 1.0}), "'upper' is no scope of mix; allowed are ('full', 'own'"),
        (one({1: 1.0}), "1 is no scope of mix"),
    ],
)
def test_what_is_no_mix_is_named(mix, told):
    with pytest.raises(ValueError) as error:
        Mixed(mix=mix)
    assert told in str(error.value)


def test_shares_add_up_to_one_as_floats_do():
    Mixed(mix=one({"full": 0.1, "own": 0.2, "suffix": 0.7}))
    third = 1 / 3
    Mixed(mix=one({"full": third, "own": third, "suffix": third}))


def test_lists_and_tuples_are_one_mix():
    mix = ((0, {"full": 0.5, From(1): 0.5}), (0.5, FULL))
    assert Mixed(mix=mix) == Mixed(mix=list(mix)) == Mixed(mix=Mixed(mix=mix).mix)
    assert Mixed(mix=mix) != Mixed(mix=mix[:1])


def test_stretches_start_at_fractions_of_the_plan():
    mix = Mixed(mix=[(0.0, FULL), (0.25, {"own": 1}), (0.5, {From(1): 1})])
    full, own, later = ("full",), ("own",), (From(1),)
    assert mix.stretches(6, 8) == [
        Stretch(0, full),
        Stretch(12, own),
        Stretch(24, later),
    ]
    # The plan is of the model: epochs that were trained before have been its first.
    assert mix.stretches(6, 8, 2) == [Stretch(0, own), Stretch(12, later)]
    assert mix.stretches(6, 8, 3) == [Stretch(0, own), Stretch(6, later)]
    assert mix.stretches(6, 8, 7) == [Stretch(0, later)]
    assert mix.stretches(3, 5)[1:] == [Stretch(4, own), Stretch(8, later)]


@st.composite
def mixes(draw):
    """Up to four scopes with shares of whole hundredths."""
    scopes = draw(
        st.lists(st.sampled_from(SCOPES), unique=True, min_size=1, max_size=4)
    )
    cuts = sorted(draw(st.lists(st.integers(0, TURNS), min_size=len(scopes) - 1,
                                max_size=len(scopes) - 1)))  # fmt: skip
    ends = [*cuts, TURNS]
    return {
        scope: (end - start) / TURNS
        for scope, start, end in zip(scopes, [0, *cuts], ends, strict=True)
    }


@given(mixes(), st.integers(0, 3 * TURNS))
def test_every_scope_has_its_share_of_any_hundred_turns(shares, first):
    (stretch,) = Mixed(mix=one(shares)).stretches(7, 9)
    taken = [stretch.turns[k % len(stretch.turns)] for k in range(first, first + TURNS)]
    counts = Counter(taken)
    assert set(counts) <= set(shares)
    for scope, share in shares.items():
        assert abs(counts[scope] - share * TURNS) <= 1


@given(mixes())
def test_turns_of_a_scope_are_spread(shares):
    """After any number of turns none is more than about a turn ahead or behind."""
    (stretch,) = Mixed(mix=one(shares)).stretches(7, 9)
    counts = Counter()
    for k in range(2 * TURNS):
        counts[stretch.turns[k % len(stretch.turns)]] += 1
        for scope, share in shares.items():
            assert abs(counts[scope] - share * (k + 1)) < 1.1


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=len(SCOPES)))
def test_no_share_is_too_small_for_a_turn(parts):
    """Shares that are no hundredths are kept as nearly as a hundred turns can."""
    shares = [part / sum(parts) for part in parts]
    shares = dict(zip(SCOPES, shares, strict=False))
    assume(min(shares.values()) >= 0.01)
    (stretch,) = Mixed(mix=one(shares)).stretches(7, 9)
    assert set(stretch.turns) == set(shares)


def test_two_halves_alternate():
    (stretch,) = Mixed().stretches(7, 9)
    assert stretch.turns == ("full", "suffix") * (TURNS // 2)


def test_a_quarter_is_every_fourth_turn():
    (stretch,) = Mixed(mix=one({"full": 0.25, From(1): 0.75})).stretches(7, 9)
    at = [k for k, scope in enumerate(stretch.turns) if scope == "full"]
    assert {b - a for a, b in pairwise(at)} == {4}
