"""What X may look like, rows of features or images, and how it becomes rows."""

from dataclasses import dataclass
from math import isqrt, prod
from numbers import Integral

import numpy as np
from scipy.sparse import issparse

from hogblock.engines.locations import is_device_array
from hogblock.models import Network
from hogblock.training.sparse_rows import SparseRows


class Rows:
    """X is rows of features; the questions that estimators ask of every kind of X.

    "Again" is asked of an estimator that is fitted, and knows what X has to look like.
    """

    takes_sparse = True
    """Whether X may be sparse."""

    def rows(self, X):
        """X as rows of features."""
        return X

    def rows_again(self, X, estimator):
        """`rows`, of the shape that a fitted estimator takes."""
        return self.rows(X)

    def sample_shape(self, X, n_features: int) -> tuple[int, ...]:
        """Shape of a sample of X, as it was given, which has `n_features` values."""
        return (n_features,)

    def sample_shape_again(self, shape, n_features: int) -> tuple[int, ...]:
        """The same after a fit to samples of `shape`, whose X may come as rows now."""
        return shape

    def check_sample_shape(self, X, shape, name: str) -> None:
        """Refuse X, as it was given, whose samples are not of `shape`."""

    def channels(self, shape) -> int | None:
        """Channels that are standardised as one, of samples of a network's shape."""
        return None

    def scale(self, rows) -> str:
        """What later rows are compared with."""
        return ""

    def check_scale(self, rows, scale: str, name: str) -> None:
        """Refuse rows that cannot be meant as those whose `scale` is given."""


class Images(Rows):
    """X is images (n, height, width[, channels]), or flat rows."""

    takes_sparse = False

    def rows(self, X):
        if issparse(X):
            raise ValueError(
                "X is sparse, and images are not: pass X.toarray(), or sparse rows to "
                "an MLP"
            )
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

    def rows_again(self, X, estimator):
        given, fitted = image_shape_of(X), estimator.image_shape_
        if given not in (None, fitted):
            raise ValueError(
                f"X has images of shape {given}, but {type(estimator).__name__} was "
                f"fitted to images of shape {fitted}"
            )
        return self.rows(X)

    def sample_shape(self, X, n_features):
        return image_shape_of(X) or (n_features,)

    def check_sample_shape(self, X, shape, name):
        given = image_shape_of(X)
        if given not in (None, shape):
            raise ValueError(
                f"{name} has images of shape {given}, and samples of X have shape "
                f"{shape}"
            )

    def channels(self, shape):
        return shape[2] if len(shape) == 3 else None

    def scale(self, rows):
        if isinstance(rows, SparseRows):
            return ""
        return self._brightness(rows)

    def _brightness(self, rows) -> str:
        """What the pixels may be: "bytes", "fractions" of 1 (scaled bytes), or ""."""
        bright = rows.max() > 1
        if rows.dtype == np.uint8:
            return "bytes" if bright else ""
        return "fractions" if not bright and rows.min() >= 0 and rows.any() else ""

    def check_scale(self, rows, scale, name):
        """Refuse bytes where scaled pixels were seen, and the other way round."""
        now = self.scale(rows)
        if scale == "bytes" and now == "fractions" and (rows != rows.round()).any():
            raise ValueError(
                f"X was bytes (uint8, 0 to 255) in fit, and {name} holds fractions of "
                f"at most {float(rows.max()):.3g}: pass images in one scale"
            )
        if scale == "fractions" and now == "bytes":
            raise ValueError(
                f"X was scaled to [0, 1] in fit, and {name} holds bytes (uint8) up to "
                f"{int(rows.max())}: pass images in one scale"
            )


@dataclass(frozen=True)
class ShapedImages(Images):
    """Images of a shape that is given, or found: flat rows are images too.

    Attributes
    ----------
    image_shape : sequence of int, or None
        See `filled_shape`; None: rows are square images if they can be.
    """

    image_shape: object

    def sample_shape(self, X, n_features):
        wanted, given = self.image_shape, image_shape_of(X)
        if wanted is None:
            side = isqrt(n_features)
            square = side * side == n_features
            return given or ((side, side, 1) if square else (1, n_features, 1))
        filled = filled_shape(wanted, n_features)
        if given not in (None, filled):
            raise ValueError(
                f"X has images of shape {given}, which is not image_shape={wanted}"
            )
        return given or filled

    def sample_shape_again(self, shape, n_features):
        if self.image_shape is None:
            return shape
        return filled_shape(self.image_shape, n_features)


@dataclass(frozen=True)
class NetworkImages(Images):
    """Images, or rows, of the shape that a network takes.

    Attributes
    ----------
    network : Network
    """

    network: Network

    def rows(self, X):
        takes_rows = len(self.network.input_shape) == 1
        return X if issparse(X) and takes_rows else super().rows(X)

    def sample_shape(self, X, n_features):
        self._check_size(n_features)
        given, wanted = image_shape_of(X), self.network.input_shape
        if given not in (None, wanted):
            raise ValueError(
                f"X has images of shape {given}, and the network takes {wanted}"
            )
        return wanted

    def sample_shape_again(self, shape, n_features):
        self._check_size(n_features)
        return shape

    def _check_size(self, n_features: int) -> None:
        size = self.network.n_inputs
        if n_features != size:
            raise ValueError(
                f"X has {n_features} values a sample, and the network takes "
                f"samples of shape {self.network.input_shape}: {size} values"
            )


class ImageInput:
    """Mixin of estimators whose X may be images."""

    _network: Network

    def __sklearn_tags__(self):
        # Of scikit-learn's base, which comes after its mixins.
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.three_d_array = True
        return tags

    @property
    def image_shape_(self) -> tuple[int, ...]:
        """Shape of the samples that the network takes."""
        return self._network.input_shape


def shape_of(X) -> tuple[int, ...]:
    """Shape of anything that may be X; () if it is no array."""
    if not hasattr(X, "shape") and isinstance(X, (list, tuple)):
        try:
            X = np.asarray(X)
        except ValueError:  # rows of different lengths: validation will say so
            return ()
    return tuple(getattr(X, "shape", ()))


def image_shape_of(X) -> tuple[int, ...] | None:
    """Shape of an image of X, one channel if it tells none; None for flat rows."""
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
    valid = all(isinstance(n, Integral) and (int(n) > 0 or n == -1) for n in shape)
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
