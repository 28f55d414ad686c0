"""The command line: ``hogblock train``, ``hogblock bench`` and ``hogblock info``.

Everything heavy is imported by the command that needs it, so that ``--help`` is quick.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from hogblock.errors import DeviceUnavailableError, WorkerError

BUILT_IN = {
    "fashion-mnist": "classification",
    "digits": "classification",
    "cifar-10": "classification",
    "iris": "classification",
    "wine": "classification",
    "breast-cancer": "classification",
    "diabetes": "regression",
}
IMAGE_SETS = {"fashion-mnist": "load_fashion_mnist", "cifar-10": "load_cifar10"}
"""Those with a test set of their own, and what loads them."""
DIGITS_SHAPE = (8, 8, 1)
MODELS = ("mlp", "cnn", "small_convnet", "lenet5", "resnet8")
TABLES = (".csv", ".parquet")
MOST_CLASSES = 50
"""A target of more distinct numbers than this is taken for a regression's."""


INPUT_ERRORS = (ValueError, TypeError, OSError, ImportError, DeviceUnavailableError)


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing the usage, so that every error is one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


class Data(NamedTuple):
    """What to train on; without a test set of its own, a part is split off.

    X and X_test are rows; `image_shape` is (height, width, channels) of rows of pixels.
    """

    X: Any
    y: np.ndarray
    task: str
    X_test: Any = None
    y_test: np.ndarray | None = None
    image_shape: tuple[int, int, int] | None = None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, default=None
        None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, 2 for wrong input, 1 if training failed, 130 after Ctrl-C.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            options = _make_parser().parse_args(arguments)
            options.run(options)
        except INPUT_ERRORS as error:
            return _fail(error, 2)
        except (WorkerError, MemoryError) as error:
            return _fail(error, 1)
        except KeyboardInterrupt:
            return _fail("interrupted", 130)
    return 0


def _fail(error: Exception | str, code: int) -> int:
    print(f"hogblock: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    print(f"hogblock: warning: {' '.join(str(message).split())}", file=sys.stderr)


# Arguments ------------------------------------------------------------------------


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hogblock", description="Asynchronous training of small neural networks."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    train = commands.add_parser("train", help="train a model, and save and report it")
    _add_train_arguments(train)
    train.set_defaults(run=train_command)
    bench = commands.add_parser("bench", help="a quick check of this machine's speed")
    bench.add_argument("--batch", type=_positive, default=64, help="default: 64")
    bench.add_argument("--epochs", type=_positive, default=3, help="default: 3")
    bench.add_argument("--jobs", type=int, default=2, help="default: 2; -1: all cores")
    bench.add_argument("--samples", type=_positive, help="default: all 60,000")
    bench.set_defaults(run=_bench_command)
    info = commands.add_parser(
        "info", help="processor, kernels, memory, GPUs, versions"
    )
    info.set_defaults(run=_info_command)
    return parser


def _add_train_arguments(parser) -> None:
    add = parser.add_argument
    add("data", help=f"{', '.join(BUILT_IN)}, or a file: .csv, .parquet, .npz (X, y)")
    add("--target", metavar="COLUMN", help="of a table; default: the last")
    add("--task", choices=("classification", "regression", "auto"), default="auto")
    add("--test-fraction", type=_fraction, default=0.2, help="default: 0.2")
    add("--out", type=Path, default=Path("hogblock-run"), help="folder of the results")
    add("--quiet", action="store_true", help="no progress bar")
    model = parser.add_argument_group("model (defaults: those of the estimator)")
    model.add_argument(
        "--model", choices=MODELS, default="mlp", help="default: mlp; others: of images"
    )
    for flag, name, kind, text in _model_options():
        model.add_argument(
            flag, dest=name, type=kind, help=text, default=argparse.SUPPRESS
        )
    model.add_argument(
        "--early-stopping", action="store_true", default=argparse.SUPPRESS
    )


def _model_options() -> tuple[tuple[str, str, Callable[[str], Any], str], ...]:
    """Options that are an estimator's parameters: flag, parameter, type, help."""
    return (
        ("--hidden", "hidden_layer_sizes", _sizes, "units, such as 256,128 (mlp, cnn)"),
        ("--activation", "activation", str, "relu, tanh, logistic, ... (mlp, cnn)"),
        ("--method", "method", str, "sgd, sync, hogwild, assm, passm, passm+"),
        ("--jobs", "n_jobs", int, "worker processes, or teams of a GPU; -1: all"),
        ("--device", "device", _device, "cpu, auto, cuda, cuda:1, or cuda:0,cuda:1"),
        ("--epochs", "max_iter", int, "at most"),
        ("--batch-size", "batch_size", int, "samples a minibatch"),
        ("--learning-rate", "learning_rate", str, "constant, cosine, step, ..."),
        ("--learning-rate-init", "learning_rate_init", float, "initial rate"),
        ("--alpha", "alpha", float, "L2 penalty"),
        ("--dropout", "dropout", float, "share of the hidden units (mlp, cnn)"),
        ("--momentum", "momentum", float, "in [0, 1)"),
        ("--seed", "random_state", int, "of the split and the training"),
    )


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of whole numbers such as 256,128"
        ) from None


def _device(text: str) -> str | list[str]:
    return text.split(",") if "," in text else text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


# Data -----------------------------------------------------------------------------


def _load(name: str, target: str | None, task: str) -> Data:
    """Data from the name of a data set or of a file."""
    suffix = Path(name).suffix.lower()
    if target is not None and (name in BUILT_IN or suffix not in TABLES):
        raise ValueError(
            f"--target is for tables ({', '.join(TABLES)}), not for {name}"
        )
    if name in BUILT_IN:
        data = _load_built_in(name)
    elif suffix not in (*TABLES, ".npz"):
        raise ValueError(
            f"{name!r} is neither a data set ({', '.join(BUILT_IN)}) nor a file .csv, "
            ".parquet or .npz"
        )
    elif not Path(name).is_file():
        raise FileNotFoundError(f"there is no file {name}")
    else:
        from hogblock.datasets import read_npz, read_table

        X, y = read_npz(name) if suffix == ".npz" else read_table(name, target)
        shape = _image_shape_of(X)
        data = Data(_rows(X) if shape else X, y, _task_of(y), image_shape=shape)
    return data if task == "auto" else data._replace(task=task)


def _load_built_in(name: str) -> Data:
    if name in IMAGE_SETS:
        from hogblock import datasets

        images = getattr(datasets, IMAGE_SETS[name])()
        return Data(
            _rows(images.data),
            images.target,
            BUILT_IN[name],
            _rows(images.data_test),
            images.target_test,
            images.image_shape,
        )
    import sklearn.datasets

    load = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")
    shape = DIGITS_SHAPE if name == "digits" else None
    return Data(*load(return_X_y=True), BUILT_IN[name], image_shape=shape)


def _image_shape_of(X) -> tuple[int, int, int] | None:
    """Height, width and channels of an array of images, None for rows."""
    return (*X.shape[1:], 1)[:3] if X.ndim in (3, 4) and X.size else None


def _rows(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _task_of(y: np.ndarray) -> str:
    """Regression for numbers that are not whole, or of many values."""
    if y.dtype.kind not in "fiu":
        return "classification"
    values = np.unique(y)
    few = values.size <= (2 if y.ndim > 1 else MOST_CLASSES)
    whole = bool(np.all(values == np.round(values)))
    return "classification" if few and whole else "regression"


def _split(data: Data, fraction: float, seed: int | None) -> Data:
    from sklearn.model_selection import train_test_split

    by_class = data.task == "classification" and data.y.ndim == 1
    rarest = np.unique(data.y, return_counts=True)[1].min(initial=1) if by_class else 0
    X, X_test, y, y_test = train_test_split(
        data.X,
        data.y,
        test_size=fraction,
        random_state=seed,
        stratify=data.y if rarest * min(fraction, 1 - fraction) >= 1 else None,
    )
    return data._replace(X=X, y=y, X_test=X_test, y_test=y_test)


# Train ----------------------------------------------------------------------------


def _bench_command(options: argparse.Namespace) -> None:
    from hogblock._bench import bench

    bench(options)


def _info_command(options: argparse.Namespace) -> None:
    from hogblock._info import info

    info(options)


def train_command(options: argparse.Namespace) -> None:
    """Train a model, print how it went, and save it."""
    import joblib

    from hogblock.report import format_report, plot_training, training_report

    data = _load(options.data, options.target, options.task)
    model = _make_model(options, data)
    if options.model != "mlp":
        data = _as_images(options, data)
    if data.X_test is None:
        data = _split(data, options.test_fraction, model.random_state)
    options.out.mkdir(parents=True, exist_ok=True)
    model.fit(data.X, data.y)
    report = training_report(model, data.X_test, data.y_test)
    report |= {"data": options.data, "model": options.model}
    report["parameters"] = {
        name: options.model if name == "network" else value
        for name, value in model.get_params().items()
    }
    print(format_report(report))
    text = json.dumps(report, indent=2)
    _save(options.out / "model.joblib", lambda path: joblib.dump(model, path))
    _save(options.out / "report.json", lambda path: path.write_text(text))
    try:
        _save(options.out / "training.png", lambda path: plot_training(model, path))
    except ImportError as error:
        print(f"hogblock: no training.png: {error}", file=sys.stderr)


def _make_model(options: argparse.Namespace, data: Data):
    """The estimator that the options ask for, not fitted."""
    import hogblock

    family = {"mlp": "MLP", "cnn": "CNN"}.get(options.model, "Network")
    task = "Classifier" if data.task == "classification" else "Regressor"
    ready = (_ready_network(options.model),) if family == "Network" else ()
    model = getattr(hogblock, family + task)(*ready, verbose=not options.quiet)
    given, known = vars(options), model.get_params()
    for flag, name, *_ in _model_options():
        if name in given and name not in known:
            raise ValueError(
                f"{flag} is not for --model {options.model}, which has a fixed form"
            )
    return model.set_params(**{k: v for k, v in given.items() if k in known})


def _ready_network(name: str) -> Callable:
    """The function that makes the network of this name."""
    from hogblock import models

    return getattr(models, name)


def _as_images(options: argparse.Namespace, data: Data) -> Data:
    """The same data with X of shape (n_samples, height, width, channels)."""
    shape = data.image_shape
    if shape is None:
        raise ValueError(
            f"--model {options.model} needs images, and {options.data} holds rows of "
            f"features: take {', '.join(IMAGE_SETS)}, digits, or an .npz file with X "
            "of shape (n, height, width) or (n, height, width, channels)"
        )

    if options.model != "cnn":
        try:
            _ready_network(options.model)(shape)
        except ValueError as error:
            raise ValueError(
                f"--model {options.model} takes no images of shape {shape}: {error}"
            ) from error

    def images(X):
        return None if X is None else X.reshape(-1, *shape)

    return data._replace(X=images(data.X), X_test=images(data.X_test))


def _save(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file so that a reader sees the old one or the whole new one."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
        print(f"saved {path}")
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
