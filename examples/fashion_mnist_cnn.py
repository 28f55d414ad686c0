"""Train a convolutional network on Fashion-MNIST, and draw what it has learnt.

Prints the network, the scores of every epoch and of every class, and a report of the
asynchronous training; saves the loss curve, the first filters, the confusions and the
worst mistakes as pictures to results/::

    python examples/fashion_mnist_cnn.py
    python examples/fashion_mnist_cnn.py --data digits --epochs 20
"""

import argparse
from pathlib import Path

from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split

from hogblock import Augmentation, NetworkClassifier
from hogblock.datasets import load_digits_images, load_fashion_mnist
from hogblock.models import small_convnet
from hogblock.report import (
    format_report,
    plot_confusion,
    plot_filters,
    plot_mistakes,
    plot_training,
    training_report,
)

EPOCHS = 10
WORKERS = 2
BATCH_SIZE = 64
LEARNING_RATE = 0.05
SCHEDULE = "cosine"
METHOD = "passm+"
AUGMENTATION: Augmentation | None = None  # such as Augmentation(pad=2, flip=True)
VALIDATION_SHARE = 0.1
SEED = 0
OUT = Path("results")

LOADERS = {"fashion-mnist": load_fashion_mnist, "digits": load_digits_images}


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", choices=LOADERS, default="fashion-mnist")
    add("--epochs", type=positive, default=EPOCHS, help=f"default: {EPOCHS}")
    add("--workers", type=positive, default=WORKERS, help=f"default: {WORKERS}")
    add("--samples", type=positive, help="of the training set; default: all")
    add("--out", type=Path, default=OUT, help=f"folder of the pictures; default: {OUT}")
    return parser.parse_args(arguments)


def load(name: str):
    """A data set, or the end of the program with advice on where to get it."""
    try:
        return LOADERS[name]()
    except FileNotFoundError as error:
        advice = "Or train on what is always there: --data digits"
        raise SystemExit(f"{error}\n{advice}") from None


def print_epochs(model: NetworkClassifier) -> None:
    """Loss and validation accuracy of each epoch."""
    print(f"{'epoch':>5}{'loss':>10}{'validation':>12}")
    scores = zip(model.loss_curve_, model.validation_scores_, strict=True)
    for epoch, (loss, score) in enumerate(scores, start=1):
        print(f"{epoch:>5}{loss:>10.4f}{score:>12.4f}")


def main() -> None:
    """Train, report, draw."""
    options = parse()
    data = load(options.data)
    X, X_test = (
        part.reshape(-1, *data.image_shape) for part in (data.data, data.data_test)
    )
    X_train, X_val, y_train, y_val = train_test_split(
        X[: options.samples],
        data.target[: options.samples],
        test_size=VALIDATION_SHARE,
        random_state=SEED,
        stratify=data.target[: options.samples],
    )
    network = small_convnet(data.image_shape, len(data.target_names))
    network.summary(options.workers)

    print(f"\ntraining on {len(X_train):,} images, validating on {len(X_val):,}")
    model = NetworkClassifier(
        network,
        method=METHOD,
        n_jobs=options.workers,
        batch_size=BATCH_SIZE,
        learning_rate=SCHEDULE,
        learning_rate_init=LEARNING_RATE,
        max_iter=options.epochs,
        augmentation=AUGMENTATION,
        random_state=SEED,
        verbose=True,
    )
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    print_epochs(model)

    report = training_report(model, X_test, data.target_test)
    print(f"\n{format_report(report)}")
    print("\ntest accuracy by class")
    by_class = recall_score(data.target_test, model.predict(X_test), average=None)
    for name, accuracy in zip(data.target_names, by_class, strict=True):
        print(f"  {name:<14}{accuracy:.3f}")
    print(f"\ntest accuracy {report['test_score']:.2%}")

    options.out.mkdir(parents=True, exist_ok=True)
    test = (model, X_test, data.target_test)
    names = {"class_names": data.target_names}
    plot_training(model, options.out / "cnn_training.png")
    plot_filters(model, options.out / "cnn_filters.png")
    plot_confusion(*test, options.out / "cnn_confusion.png", **names)
    plot_mistakes(*test, options.out / "cnn_mistakes.png", **names)
    print("pictures:", *sorted(options.out.glob("cnn_*.png")))


if __name__ == "__main__":
    main()
