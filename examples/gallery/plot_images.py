"""
Images, and layers of one's own
===============================

A convolutional network on images of clothes (Fashion-MNIST), or on scikit-learn's
digits where that set is not installed. What one learns here: how images are given, how
a network is put together, and where to look for its mistakes.
"""

from hogblock import Augmentation, NetworkClassifier
from hogblock.datasets import load_digits_images, load_fashion_mnist
from hogblock.models import Conv2D, Dense, Dropout, Flatten, MaxPool2D, Network
from hogblock.report import plot_mistakes

# %%
# A set holds its images as rows of bytes, their shape, and the names of its classes.
# Bytes need no scaling: minibatches are scaled as they are read. Some thousand images
# do for an example.
try:
    data = load_fashion_mnist()
except FileNotFoundError:  # its message says where to get the set
    print("Fashion-MNIST is not installed: these are digits")
    data = load_digits_images()
n = min(8000, len(data.data))
X = data.data[:n].reshape(-1, *data.image_shape)
y = data.target[:n]
X_test = data.data_test.reshape(-1, *data.image_shape)
print(X.shape, X.dtype)

# %%
# Layers one after another; an activation or a pooling behind a convolution costs no
# pass of its own. `summary` shows shapes, parameters and the work of a sample.
network = Network(
    [
        Conv2D(16, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(32, 3, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(64, "relu"),
        Dropout(0.2),
        Dense(10),
    ],
    input_shape=data.image_shape,
)
network.summary()

# %%
# Every image is moved by up to a pixel, in another way each time that it is seen.
model = NetworkClassifier(
    network,
    augmentation=Augmentation(pad=1),
    max_iter=5,
    learning_rate="cosine",
    learning_rate_init=0.05,
    random_state=0,
)
model.fit(X, y)
print(f"test accuracy {model.score(X_test, data.target_test):.3f}")

# %%
# The mistakes that the model was surest of:
figure = plot_mistakes(model, X_test, data.target_test, class_names=data.target_names)
