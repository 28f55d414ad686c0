"""Random changes of the training images, made on a minibatch as it is gathered.

Every worker draws its own: the draws of a sample are hashes of (key, counter).
Images are [height, width, channels], contiguous; what has no value becomes zero, which
is the mean of standardised images.
"""

import numpy as np

from hogblock.kernels.cpu.jit import kernel
from hogblock.kernels.cpu.memory import floats
from hogblock.kernels.cpu.random import hash_bits

# Words of the description of an augmentation (int64); height 0 means none.
HEIGHT = 0
WIDTH = 1
CHANNELS = 2
PAD = 3  # pixels that are added on every side before the image is cropped again
FLIP = 4  # 1 to mirror every other image, left to right
CUTOUT = 5  # side of a square that is blanked out
AUGMENT_WIDTH = 6

DRAWS = 5  # random numbers a sample
SALT = np.uint32(0x6A09E667)  # apart from the dropout masks of the same worker


@kernel
def _draw(key, counter, below):
    """Random integer in [0, below)."""
    bits = np.uint64(hash_bits(np.uint32(counter), np.uint32(key ^ SALT)))
    return np.int64((bits * np.uint64(below)) >> np.uint64(32))


@kernel
def shift_image(image, height, width, channels, down, right):
    """Move an image in place by whole pixels; `image` is an array of its values."""
    line = width * channels
    for k in range(height):
        r = height - 1 - k if down > 0 else k  # never overwrite what is still needed
        source = r - down
        for step in range(width):
            q = width - 1 - step if right > 0 else step
            inside = 0 <= source < height and 0 <= q - right < width
            for c in range(channels):
                at = r * line + q * channels + c
                from_ = source * line + (q - right) * channels + c
                image[at] = image[from_] if inside else np.float32(0)


@kernel
def mirror_image(image, height, width, channels):
    """Swap left and right in place."""
    for r in range(height):
        for q in range(width // 2):
            a = (r * width + q) * channels
            b = (r * width + width - 1 - q) * channels
            for c in range(channels):
                image[a + c], image[b + c] = image[b + c], image[a + c]


@kernel
def blank_square(image, height, width, channels, top, left, side):
    """Write zeros into a square, as far as it lies inside the image."""
    for r in range(max(0, top), min(height, top + side)):
        for q in range(max(0, left), min(width, left + side)):
            for c in range(channels):
                image[(r * width + q) * channels + c] = np.float32(0)


@kernel
def augment_rows(x, x_row, rows, how, key, counter):
    """Change the images in the rows of x (an address) at random.

    how : int64 [AUGMENT_WIDTH]. Pad-and-crop (He et al., 2015), mirroring, cutout
    (DeVries and Taylor, "Improved regularization with cutout", 2017), in this order.
    """
    height, width, channels = how[HEIGHT], how[WIDTH], how[CHANNELS]
    for i in range(rows):
        image = floats(x + 4 * i * x_row, height * width * channels)
        base = DRAWS * (counter + i)
        if how[PAD] > 0:
            span = 2 * how[PAD] + 1
            down = _draw(key, base, span) - how[PAD]
            right = _draw(key, base + 1, span) - how[PAD]
            if down != 0 or right != 0:
                shift_image(image, height, width, channels, down, right)
        if how[FLIP] > 0 and _draw(key, base + 2, 2) == 1:
            mirror_image(image, height, width, channels)
        if how[CUTOUT] > 0:
            top = _draw(key, base + 3, height) - how[CUTOUT] // 2
            left = _draw(key, base + 4, width) - how[CUTOUT] // 2
            blank_square(image, height, width, channels, top, left, how[CUTOUT])
