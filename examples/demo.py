"""Train a classifier on images, print how it went, and draw it to results/demo.png.

Takes Fashion-MNIST if it is installed (``apt-get install dataset-fashion-mnist``), else
the digits that come with scikit-learn::

    python examples/demo.py
"""

from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hogblock import MLPClassifier
from hogblock.datasets import load_fashion_mnist
from hogblock.report import format_report, plot_training, training_report

PICTURE = Path("results/demo.png")
COMMON = {
    "n_jobs": 2,
    "learning_rate": "cosine",
    "verbose": True,
    "random_state": 0,
}


def fashion_mnist():
    """Fashion-MNIST, and a model that fits it."""
    data = load_fashion_mnist()
    print("Fashion-MNIST: 28 x 28 pixels, 10 kinds of clothes")
    model = MLPClassifier(hidden_layer_sizes=(256, 128), max_iter=10, **COMMON)
    return model, data.data, data.data_test, data.target, data.target_test


def digits():
    """The digits of scikit-learn, and a model that fits them."""
    print("Fashion-MNIST is not installed: training on scikit-learn's 8 x 8 digits")
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier(hidden_layer_sizes=(100,), max_iter=30, **COMMON)
    return model, *train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)


def main() -> None:
    """Train, report, draw."""
    try:
        model, X_train, X_test, y_train, y_test = fashion_mnist()
    except FileNotFoundError:
        model, X_train, X_test, y_train, y_test = digits()
    model.fit(X_train, y_train)

    report = training_report(model, X_test, y_test)
    print()
    print(format_report(report))
    print(f"\ntest accuracy {report['test_score']:.2%}")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    plot_training(model, PICTURE)
    print(f"picture in {PICTURE}")


if __name__ == "__main__":
    main()
