"""Initial weights.

Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
networks" (2010); He et al., "Delving deep into rectifiers" (2015).
"""

import numpy as np


def glorot_uniform(random, shape, fan_in, fan_out, gain):
    """Uniform within sqrt(gain / (fan_in + fan_out)): scikit-learn's rule."""
    bound = np.sqrt(gain / (fan_in + fan_out))
    return random.uniform(-bound, bound, shape)


def glorot_normal(random, shape, fan_in, fan_out, gain):
    """Normal of the same variance as `glorot_uniform`."""
    return random.normal(0.0, np.sqrt(gain / 3 / (fan_in + fan_out)), shape)


def he_uniform(random, shape, fan_in, fan_out, gain):
    """Uniform within sqrt(gain / fan_in)."""
    bound = np.sqrt(gain / fan_in)
    return random.uniform(-bound, bound, shape)


def he_normal(random, shape, fan_in, fan_out, gain):
    """Normal of variance 2 / fan_in (with the usual gain of 6)."""
    return random.normal(0.0, np.sqrt(gain / 3 / fan_in), shape)


def zeros(random, shape, fan_in, fan_out, gain):
    """All zero."""
    return np.zeros(shape)


def ones(random, shape, fan_in, fan_out, gain):
    """All one."""
    return np.ones(shape)


INITIALISERS = {
    f.__name__: f for f in (glorot_uniform, glorot_normal, he_uniform, he_normal)
}
"""The rules that a layer's weights may follow."""

FIRST_VALUES = INITIALISERS | {f.__name__: f for f in (zeros, ones)}
"""These, and what scales and biases start from."""


def check_initialiser(name: str) -> None:
    """Raise ValueError for an unknown initialiser."""
    if name not in INITIALISERS:
        raise ValueError(
            f"initialiser={name!r} is unknown; allowed are {sorted(INITIALISERS)}"
        )
