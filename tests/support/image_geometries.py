"""How kernels may lie on images, and networks whose outputs are all pixels."""

from hogblock.models import Flatten, Network

GEOMETRIES = [  # image, kernel, stride, padding
    ((1, 1), 1, 1, "valid"),
    ((1, 1), 3, 1, "same"),
    ((1, 1), (5, 4), 2, "same"),
    ((1, 1), 2, 3, "same"),
    ((7, 5), 3, 1, "same"),
    ((7, 5), 3, 1, "valid"),
    ((6, 7), (2, 3), 1, "same"),
    ((6, 7), (4, 2), 1, "valid"),
    ((5, 11), (1, 5), 1, "same"),
    ((11, 4), (5, 1), 1, "valid"),
    ((1, 9), 3, 1, "same"),
    ((9, 1), (3, 1), 2, "valid"),
    ((13, 17), 3, (2, 3), "same"),
    ((13, 8), 3, (2, 3), "valid"),
    ((10, 9), 5, 2, "same"),
    ((9, 10), (5, 2), (3, 2), "valid"),
    ((8, 7), 4, 4, "same"),
    ((11, 9), 1, 2, "same"),
    ((11, 9), 1, (3, 2), "valid"),
    ((11, 9), 2, 3, "same"),
    ((11, 10), 2, 3, "valid"),
    ((7, 8), (2, 1), (5, 4), "same"),
    ((7, 8), (3, 1), (1, 3), "valid"),
    ((5, 5), 2, 9, "same"),
    ((3, 4), (7, 6), 1, "same"),
    ((2, 3), 5, 2, "same"),
    ((2, 2), (4, 9), 3, "same"),
    ((4, 5), (4, 5), 1, "valid"),
]


def flattened(layers, shape):
    """A network that ends in its pixels."""
    return Network([*layers, Flatten()], shape)
