"""JSON that somebody has edited."""

import copy

from hypothesis import strategies as st


@st.composite
def edited(draw, packed):
    """JSON with something else in one place."""
    packed = copy.deepcopy(packed)
    places, stack = [], [packed]
    while stack:
        node = stack.pop()
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                stack.append(node[key])
    node, key = draw(st.sampled_from(places))
    node[key] = draw(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False,
            allow_infinity=False) | st.text(max_size=3) | st.just([]) | st.just({})
        | st.just({"tuple": [1, 2]}) | st.just(node[key] if node else None)
    )  # fmt: skip
    return packed
