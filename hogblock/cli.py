"""The command line: ``hogblock train``, ``hogblock bench`` and ``hogblock info``.

Everything heavy is imported by the command that needs it, so that ``--help`` is quick.
"""

import argparse
import json
import os
import shutil
import sys
import timeit
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from hogblock.errors import WorkerError

BUILT_IN = {
    "fashion-mnist": "classification",
    "digits": "classification",
    "iris": "classification",
    "wine": "classification",
    "breast-cancer": "classification",
    "diabetes": "regression",
}
TABLES = (".csv", ".parquet")
MOST_CLASSES = 50
"""A target of more distinct numbers than this is taken for a regression's."""

BENCH_HIDDEN = (256, 128)
BENCH_RATE = 0.01
BENCH_ROUNDS = 2
"""Each is measured so often, in turns: other load on the machine comes in bursts."""
SKLEARN_SAMPLES = 20_000
FASHION_SHAPE = (60_000, 784)
BATCH, N_IN, N_OUT = 64, 784, 256  # of the matrix product that info times


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing the usage, so that every error is one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


class Data(NamedTuple):
    """What to train on; without a test set of its own, a part is split off."""

    X: Any
    y: np.ndarray
    task: str
    X_test: Any = None
    y_test: np.ndarray | None = None


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
        except (ValueError, TypeError, OSError, ImportError) as error:
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
    parser = _Parser(prog="hogblock", description="Asynchronous training of MLPs.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    train = commands.add_parser("train", help="train a model, and save and report it")
    _add_train_arguments(train)
    train.set_defaults(run=train_command)
    bench = commands.add_parser("bench", help="a quick check of this machine's speed")
    bench.add_argument("--batch", type=_positive, default=64, help="default: 64")
    bench.add_argument("--epochs", type=_positive, default=3, help="default: 3")
    bench.add_argument("--jobs", type=int, default=2, help="default: 2; -1: all cores")
    bench.add_argument("--samples", type=_positive, help="default: all 60,000")
    bench.set_defaults(run=bench_command)
    info = commands.add_parser("info", help="processor, kernels, memory, versions")
    info.set_defaults(run=info_command)
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

    def add_option(flag, name, kind, text):
        model.add_argument(
            flag, dest=name, type=kind, help=text, default=argparse.SUPPRESS
        )

    add_option("--hidden", "hidden_layer_sizes", _sizes, "units, such as 256,128")
    add_option("--activation", "activation", str, "relu, tanh, logistic, ...")
    add_option("--method", "method", str, "sgd, sync, hogwild, assm, passm, passm+")
    add_option("--jobs", "n_jobs", int, "worker processes; -1: all cores")
    add_option("--epochs", "max_iter", int, "at most")
    add_option("--batch-size", "batch_size", int, "samples a minibatch")
    add_option("--learning-rate", "learning_rate", str, "constant, cosine, step, ...")
    add_option("--learning-rate-init", "learning_rate_init", float, "initial rate")
    add_option("--alpha", "alpha", float, "L2 penalty")
    add_option("--dropout", "dropout", float, "share of the hidden units")
    add_option("--momentum", "momentum", float, "in [0, 1)")
    add_option("--seed", "random_state", int, "of the split and the training")
    model.add_argument(
        "--early-stopping", action="store_true", default=argparse.SUPPRESS
    )


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of whole numbers such as 256,128"
        ) from None


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
        data = Data(X, y, _task_of(y))
    return data if task == "auto" else data._replace(task=task)


def _load_built_in(name: str) -> Data:
    if name == "fashion-mnist":
        from hogblock.datasets import load_fashion_mnist

        fashion = load_fashion_mnist()
        return Data(
            fashion.data,
            fashion.target,
            BUILT_IN[name],
            fashion.data_test,
            fashion.target_test,
        )
    import sklearn.datasets

    load = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")
    return Data(*load(return_X_y=True), BUILT_IN[name])


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
    return Data(X, y, data.task, X_test, y_test)


# Train ----------------------------------------------------------------------------


def train_command(options: argparse.Namespace) -> None:
    """Train a model, print how it went, and save it."""
    import joblib

    from hogblock import MLPClassifier, MLPRegressor
    from hogblock.report import format_report, plot_training, training_report

    data = _load(options.data, options.target, options.task)
    estimator = MLPClassifier if data.task == "classification" else MLPRegressor
    chosen = {k: v for k, v in vars(options).items() if k in estimator().get_params()}
    if data.X_test is None:
        data = _split(data, options.test_fraction, chosen.get("random_state"))
    options.out.mkdir(parents=True, exist_ok=True)
    model = estimator(**chosen, verbose=not options.quiet).fit(data.X, data.y)
    report = training_report(model, data.X_test, data.y_test)
    report |= {"data": options.data, "parameters": model.get_params()}
    print(format_report(report))
    text = json.dumps(report, indent=2)
    _save(options.out / "model.joblib", lambda path: joblib.dump(model, path))
    _save(options.out / "report.json", lambda path: path.write_text(text))
    try:
        _save(options.out / "training.png", lambda path: plot_training(model, path))
    except ImportError as error:
        print(f"hogblock: no training.png: {error}", file=sys.stderr)


def _save(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file so that a reader sees the old one or the whole new one."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
        print(f"saved {path}")
    finally:
        temporary.unlink(missing_ok=True)


# Bench ----------------------------------------------------------------------------


def bench_command(options: argparse.Namespace) -> None:
    """Print the training speed of every method, and of scikit-learn."""
    import joblib

    from hogblock.methods import METHODS

    cores = sorted({1, joblib.effective_n_jobs(options.jobs)})
    runs = [
        (method.name, workers, _hogblock_speed)
        for method in METHODS.values()
        for workers in ((1,) if method.one_worker else cores)
    ]
    runs += [("scikit-learn", threads, _sklearn_speed) for threads in cores]
    X, y = _bench_data(options.samples)
    best = [(0, 0.0)] * len(runs)
    for round_ in range(BENCH_ROUNDS):
        for k, (name, workers, speed) in enumerate(runs):
            print(f"\rround {round_ + 1}: {name:<16}", end="", file=sys.stderr)
            best[k] = max(best[k], speed(name, workers, X, y, options))
    print("\r" + " " * 32, end="\r", file=sys.stderr)
    print(
        f"784-256-128-10, batch {options.batch}, {options.epochs} epochs, best of "
        f"{BENCH_ROUNDS} rounds\n"
    )
    print(f"{'method':<16}{'workers':>8}{'samples/s':>14}{'to sgd':>10}")
    base = best[0][1]  # METHODS starts with sgd
    for (name, *_), (workers, rate) in zip(runs, best, strict=True):
        print(f"{name:<16}{workers:>8}{rate:>14,.0f}{rate / base:>9.2f}x")
    print(
        "scikit-learn: MLPClassifier(solver='sgd'), partial_fit for one epoch of up to "
        f"{SKLEARN_SAMPLES:,} samples; workers are BLAS threads"
    )


def _bench_data(samples: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Fashion-MNIST, or random pixels of its shape."""
    from hogblock.datasets import load_fashion_mnist

    try:
        X, y = load_fashion_mnist(return_X_y=True)
        name = "Fashion-MNIST"
    except FileNotFoundError:
        random = np.random.default_rng(0)
        X = random.integers(0, 256, FASHION_SHAPE, np.uint8)
        y = random.integers(0, 10, len(X))
        name = "random pixels in the shape of Fashion-MNIST, which is not installed"
    X, y = X[:samples], y[:samples]
    print(f"{len(X):,} samples of {name}")
    return X, y


def _hogblock_speed(method, workers, X, y, options) -> tuple[int, float]:
    """Workers used and samples per second."""
    from hogblock import MLPClassifier

    model = MLPClassifier(
        BENCH_HIDDEN,
        method=method,
        n_jobs=workers,
        batch_size=min(options.batch, len(X)),
        learning_rate="cosine",  # planned: never stops early
        learning_rate_init=BENCH_RATE,
        max_iter=options.epochs,
        random_state=0,
    ).fit(X, y)
    if model.n_iter_ < options.epochs:  # fit answers Ctrl-C with the model that it has
        raise KeyboardInterrupt
    return model.n_workers_, model.t_ / model.training_seconds_


def _sklearn_speed(name, threads, X, y, options) -> tuple[int, float]:
    """BLAS threads and samples per second."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    X, y = X[:SKLEARN_SAMPLES].astype(np.float32) / 255, y[:SKLEARN_SAMPLES]
    model = MLPClassifier(
        BENCH_HIDDEN,
        solver="sgd",
        batch_size=min(options.batch, len(X)),
        learning_rate_init=BENCH_RATE,
        random_state=0,
    )
    train = partial(model.partial_fit, X, y, classes=np.unique(y))
    with threadpool_limits(threads, user_api="blas"):
        return threads, len(X) / timeit.timeit(train, number=1)


# Info -----------------------------------------------------------------------------


def info_command(options: argparse.Namespace) -> None:
    """Print what matters for speed, and for a bug report."""
    for label, text in _facts():
        print(f"{label:<20}{text}", flush=True)


def _facts():
    """Pairs of label and text, the slow ones last."""
    import llvmlite.binding as llvm
    import loky
    import numba
    import sklearn

    import hogblock
    from hogblock.kernels.cpu.host import TILE
    from hogblock.kernels.cpu.warmup import cache_state

    yield "hogblock", hogblock.__version__
    yield "numba", numba.__version__
    yield "numpy", np.__version__
    yield "scikit-learn", sklearn.__version__
    yield "processor", _processor()
    yield "LLVM name", llvm.get_host_cpu_name()
    yield "cores usable", str(loky.cpu_count())
    yield "vectors", f"{32 * TILE.lanes} bits ({TILE.lanes} float32)"
    yield "tile", f"{TILE.rows} rows x {TILE.vectors} vectors"
    state = cache_state()
    yield "kernel cache", state.path or "none writable; set NUMBA_CACHE_DIR"
    yield "kernels compiled", "yes" if state.complete else "no: the first fit will"
    yield "/dev/shm", _shared_memory_room()
    yield "GPU", "the GPU engine is not part of this version"
    tile, blas = _matmul_rates()
    yield (
        f"{BATCH}x{N_IN} . {N_IN}x{N_OUT}",
        f"tile {tile:.0f} GF/s, numpy's BLAS {blas:.0f} GF/s, one thread each",
    )


def _processor() -> str:
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def _shared_memory_room() -> str:
    try:
        room = shutil.disk_usage("/dev/shm").free
    except OSError:
        return "not there"
    return f"{room / 2**20:,.0f} MiB free"


def _matmul_rates() -> tuple[float, float]:
    """GF/s of the register tile and of numpy's BLAS, on one thread."""
    from threadpoolctl import threadpool_limits

    from hogblock.kernels.cpu.dense import dense_forward
    from hogblock.kernels.optable import LINEAR
    from hogblock.shared import private_arrays

    arrays = private_arrays(
        {
            "x": ((BATCH, N_IN), "f4"),
            "w": ((N_IN, N_OUT), "f4"),
            "b": ((N_OUT,), "f4"),
            "y": ((BATCH, N_OUT), "f4"),
        }
    )
    random = np.random.default_rng(0)
    for name in ("x", "w"):
        random.standard_normal(out=arrays[name], dtype=np.float32)
    x, w, b, y = (arrays[name].ctypes.data for name in "xwby")
    one = np.float32(1)
    tile = _gigaflops(
        lambda: dense_forward(x, N_IN, w, b, y, N_OUT, BATCH, N_IN, LINEAR, one)
    )
    with threadpool_limits(1, user_api="blas"):
        blas = _gigaflops(lambda: np.matmul(arrays["x"], arrays["w"], out=arrays["y"]))
    return tile, blas


def _gigaflops(product: Callable[[], Any]) -> float:
    product()  # compiles or loads, and warms the caches
    calls = 20
    seconds = min(timeit.repeat(product, number=calls, repeat=20)) / calls
    return 2e-9 * BATCH * N_IN * N_OUT / seconds


if __name__ == "__main__":
    sys.exit(main())
