"""What estimators for images share: arrays of images as rows, and their shape."""

from math import isqrt, prod
from numbers import Integral

import numpy as np

from hogblock.engines.locations import is_device_array


class ImageInput:
    """X as images (n, height, width[, channels]) or as flat rows of one shape."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def image_shape_(self) -> tuple[int, ...]:
        """Shape of the samples that the network takes."""
        return self._network.input_shape

    def _as_rows(self, X):
        shape = shape_of(X)
        if len(shape) < 3:
            return X
        if len(shape) > 4 or 0 in shape:
            raise ValueError(
                f"X has shape {shape}; images are (n_samples, height, width) or "
                "(n_samples, height, width, channels), and may be flat rows"
            )
        images = X if is_device_array(X) else np.asarray(X)
        return images.reshape(shape[0], -1)

    def _as_rows_again(self, X):
        given = image_shape_of(X)
        if given is not None and given != self.image_shape_:
            raise ValueError(
                f"X has images of shape {given}, but {type(self).__name__} was fitted "
                f"to images of shape {self.image_shape_}"
            )
        return self._as_rows(X)

    def _sample_shape(self, X, n_features):
        wanted = getattr(self, "image_shape", None)
        given = image_shape_of(X)
        if given is not None:
            if wanted is not None and given != filled_shape(wanted, n_features):
                raise ValueError(
                    f"X has images of shape {given}, which is not image_shape={wanted}"
                )
            return given
        if wanted is not None:
            return filled_shape(wanted, n_features)
        side = isqrt(n_features)
        return (side, side, 1) if side * side == n_features else (1, n_features, 1)

    def _channels_of(self, shape):
        return shape[2] if len(shape) == 3 else None

    def _sample_shape_again(self):
        wanted = getattr(self, "image_shape", None)
        if wanted is None:
            return self._shape
        return filled_shape(wanted, self._network.n_inputs)

    def _check_validation(self, given, X, shape):
        of_val = image_shape_of(given.X)
        if of_val not in (None, shape):
            raise ValueError(
                f"X_val has images of shape {of_val}, and samples of X have shape "
                f"{shape}"
            )
        held = super()._check_validation(given, X, shape)
        if held is not None:
            check_scale(held.X, scale_of(X), "X_val")
        return held

    def _remember(self, X):
        self._scale = scale_of(X)

    def _compare(self, X):
        check_scale(X, self._scale, "X")


def scale_of(X) -> str:
    """What the pixels may be: "bytes", "fractions" of 1 (scaled bytes), or ""."""
    bright = X.max() > 1
    if X.dtype == np.uint8:
        return "bytes" if bright else ""
    return "fractions" if not bright and X.min() >= 0 and X.any() else ""


def check_scale(X, fitted: str, name: str) -> None:
    """Refuse bytes where `fit` had scaled pixels, and the other way round.

    fitted : `scale_of` X in `fit`.
    """
    now = scale_of(X)
    if fitted == "bytes" and now == "fractions" and (X != X.round()).any():
        raise ValueError(
            f"X was bytes (uint8, 0 to 255) in fit, and {name} holds fractions of at "
            f"most {float(X.max()):.3g}: pass images in one scale"
        )
    if fitted == "fractions" and now == "bytes":
        raise ValueError(
            f"X was scaled to [0, 1] in fit, and {name} holds bytes (uint8) up to "
            f"{int(X.max())}: pass images in one scale"
        )


def shape_of(X) -> tuple[int, ...]:
    """Shape of anything that may be X; () if it is no array."""
    if not hasattr(X, "shape") and isinstance(X, (list, tuple)):
        try:
            X = np.asarray(X)
        except ValueError:  # rows of different lengths: validation will say so
            return ()
    return tuple(getattr(X, "shape", ()))


def image_shape_of(X) -> tuple[int, int, int] | None:
    """Height, width and channels of an array of images; None for flat rows."""
    shape = shape_of(X)
    return shape[1:] + (1,) * (4 - len(shape)) if len(shape) > 2 else None


def filled_shape(wanted, n_features: int) -> tuple[int, int, int]:
    """`wanted` as (height, width, channels), one -1 of it filled in.

    Raises
    ------
    ValueError
        If it is no shape of an image, or not one of `n_features` values.
    """
    shape = tuple(wanted) if np.iterable(wanted) else ()
    valid = all(isinstance(n, Integral) and (n > 0 or n == -1) for n in shape)
    if len(shape) not in (2, 3) or not valid or shape.count(-1) > 1:
        raise ValueError(
            f"image_shape={wanted!r} must be (height, width) or (height, width, "
            "channels), positive integers, one of which may be -1"
        )
    shape += (1,) * (3 - len(shape))
    known = prod(n for n in shape if n != -1)
    if -1 in shape and n_features % known == 0:
        shape = tuple(n_features // known if n == -1 else int(n) for n in shape)
    if prod(shape) != n_features:
        raise ValueError(
            f"image_shape={wanted!r} does not match X, which has {n_features} values a "
            "sample"
        )
    return shape
