"""Data sets of images, and files of other data: IDX, NPZ and tables.

Each loader of images returns a Bunch of the same form: a training and a test part, the
shape of an image, the names of the classes.
"""

from hogblock.datasets.cifar import load_cifar10
from hogblock.datasets.digits import load_digits_images
from hogblock.datasets.idx import load_fashion_mnist, load_idx, read_idx
from hogblock.datasets.images import DATA_VARIABLE
from hogblock.datasets.npz import read_npz
from hogblock.datasets.tables import read_table

__all__ = [
    "DATA_VARIABLE",
    "load_cifar10",
    "load_digits_images",
    "load_fashion_mnist",
    "load_idx",
    "read_idx",
    "read_npz",
    "read_table",
]
