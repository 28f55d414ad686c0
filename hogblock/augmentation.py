"""Random changes of training images."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from hogblock.kernels.cpu import augment


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the images of every minibatch, drawn by each worker.

    What comes in from outside the image is zero: after standardisation the mean colour.

    Parameters
    ----------
    pad : int, default=0
        Move the image by up to this many pixels along each axis (zero padding, then a
        random crop of the old size).
    flip : bool, default=False
        Mirror half of the images, left to right.
    cutout : int, default=0
        Blank out a square of this side around a random pixel.

    Raises
    ------
    ValueError
        For a value that is not allowed.
    """

    __module__ = "hogblock"

    pad: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self):
        for name in ("pad", "cutout"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 0:
                raise ValueError(
                    f"{name}={value!r} of Augmentation must be an integer >= 0"
                )
        if not isinstance(self.flip, (bool, np.bool_)):
            raise ValueError(f"flip={self.flip!r} of Augmentation must be a bool")

    def words(self, shape: tuple[int, ...]) -> np.ndarray:
        """What the kernels read.

        Parameters
        ----------
        shape : tuple of int
            Height, width and channels of the images.

        Returns
        -------
        int64 array of shape (AUGMENT_WIDTH,)

        Raises
        ------
        ValueError
            If `shape` is none of an image, or smaller than `pad` or `cutout`.
        """
        if len(shape) != 3:
            raise ValueError(
                "augmentation needs images of shape (height, width, channels), and the "
                f"network takes samples of shape {shape}"
            )
        if max(self.pad, self.cutout) > min(shape[:2]):
            raise ValueError(f"{self} is larger than images of shape {shape}")
        words = np.zeros(augment.AUGMENT_WIDTH, np.int64)
        words[[augment.HEIGHT, augment.WIDTH, augment.CHANNELS]] = shape
        words[augment.PAD] = self.pad
        words[augment.FLIP] = self.flip
        words[augment.CUTOUT] = self.cutout
        return words
