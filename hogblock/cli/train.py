"""``hogblock train``: trains a model, saves it with a report, and prints that."""

import argparse
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hogblock.cli.data import BUILT_IN, DIALECT, Loaded, load, prepare, split
from hogblock.cli.models import OF_A_RUN, SAVED, check_savable, save, save_model_as
from hogblock.cli.options import add_dialect
from hogblock.cli.output import OutputError, note, put

READY_NETWORKS = ("small_convnet", "lenet5", "resnet8")
MODELS = ("mlp", "cnn", *READY_NETWORKS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell the parser of the command what there is to say."""
    add = parser.add_argument
    add(
        "data",
        help=f"{', '.join(BUILT_IN)}, or a file: .csv, .tsv, .txt (also packed: .gz, "
        ".bz2, .xz, .zip), .parquet, .npz (X, y)",
    )
    add("--task", choices=("classification", "regression", "auto"), default="auto")
    add("--test-fraction", type=_fraction, default=0.2, help="default: 0.2")
    add("--out", type=Path, default=Path("hogblock-run"), help="folder of the results")
    add(
        "--save",
        type=_model_file,
        metavar="FILE",
        help=f"the model in a file of its own: {', '.join(SAVED)}",
    )
    add("--quiet", action="store_true", help="no progress")
    add("--no-plot", dest="plot", action="store_false", help="no training.png")
    table = parser.add_argument_group("table (default: found out)")
    table.add_argument("--target", metavar="COLUMN", help="default: the last")
    add_dialect(table)
    table.add_argument(
        "--strict",
        action="store_true",
        default=None,
        help="refuse words and missing values; default: encode them, fill them in",
    )
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
    lasting = parser.add_argument_group("long runs")
    lasting.add_argument(
        "--checkpoint-every",
        type=int,
        metavar="EPOCHS",
        default=argparse.SUPPRESS,
        help="save where training is, in OUT/checkpoints; without --seed, that is 0",
    )
    lasting.add_argument(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint in OUT/checkpoints, if there is one",
    )
    lasting.add_argument(
        "--on-divergence",
        choices=("raise", "restore", "reduce_lr"),
        default=argparse.SUPPRESS,
        help="default: raise",
    )
    lasting.add_argument(
        "--memmap-dir",
        metavar="FOLDER",
        default=argparse.SUPPRESS,
        help="for what workers share, where memory has no room",
    )


METHODS = "auto, sgd, sync, hogwild, assm, passm, passm+, mixed, thinned"


def _model_options() -> tuple[tuple[str, str, Callable[[str], Any], str], ...]:
    """Options that are an estimator's parameters: flag, parameter, type, help."""
    return (
        ("--hidden", "hidden_layer_sizes", _sizes, "units, such as 256,128 (mlp, cnn)"),
        ("--activation", "activation", str, "relu, tanh, logistic, ... (mlp, cnn)"),
        ("--method", "method", str, METHODS),
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


def _model_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in SAVED:
        raise argparse.ArgumentTypeError(f"{text!r} does not end in {', '.join(SAVED)}")
    return path


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def train(options: argparse.Namespace) -> None:
    """Train a model, save it, and print how it went."""
    from hogblock.report import format_report, training_report

    wanted = {name: getattr(options, name) for name in ("task", "target", "strict")}
    wanted |= {name: getattr(options, name) for name in DIALECT}
    data = load(options.data, wanted)
    model = _make_model(options, data)
    if options.model != "mlp":
        data = _as_images(options, data)
    if data.X_test is None:
        data = split(data, options.test_fraction, model.random_state)
    data = prepare(data)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.save is not None:
        check_savable(options.save, data)
    model.fit(data.X, data.y)
    report = training_report(model, data.X_test, data.y_test)
    report |= {"data": options.data, "model": options.model}
    if data.about is not None:
        report["table"] = data.about
    report["parameters"] = {
        name: options.model if name == "network" else value
        for name, value in model.get_params().items()
    }
    lines = [format_report(report)]
    try:
        for path in _save_all(options, data, model, report):
            lines.append(f"saved {path}")
    except BaseException:  # what is known is told; why something is missing comes after
        with contextlib.suppress(OutputError):
            put("\n".join(lines))
        raise
    put("\n".join(lines))


def _save_all(options, data: Loaded, model, report: dict) -> Iterator[Path]:
    """Save what there is to keep; yields the files."""
    text = json.dumps(report, indent=2)
    out = options.out
    yield save_model_as(out / OF_A_RUN, model, data)
    yield save(out / "report.json", lambda path: path.write_text(text))
    if options.save is not None:
        yield save_model_as(options.save, model, data)
    if not options.plot:
        return
    from hogblock.report import plot_training

    try:
        yield save(out / "training.png", lambda path: plot_training(model, path))
    except ImportError as error:
        note("no training.png", error)


def _make_model(options: argparse.Namespace, data: Loaded):
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
    model.set_params(**{k: v for k, v in given.items() if k in known})
    if options.resume or "checkpoint_every" in given:
        model.set_params(checkpoint=str(options.out / "checkpoints"))
        if model.random_state is None:  # the test part has to be the same
            model.set_params(random_state=0)
    return model


def _ready_network(name: str) -> Callable:
    """The function that makes the network of this name."""
    from hogblock import models

    return getattr(models, name)


def _as_images(options: argparse.Namespace, data: Loaded) -> Loaded:
    """The same data with X of shape (n_samples, height, width, channels)."""
    shape = data.image_shape
    if shape is None:
        sets = [name for name, known in BUILT_IN.items() if known.image_shape]
        raise ValueError(
            f"--model {options.model} needs images, and {options.data} holds rows of "
            f"features: take {', '.join(sets)}, or an .npz file with X "
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
