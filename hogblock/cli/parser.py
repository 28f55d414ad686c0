"""The command line: ``hogblock train``, ``predict``, ``bench`` and ``info``.

Everything heavy is imported by the command that needs it, so that ``--help`` is quick.
"""

import argparse
import sys
import warnings
from typing import NoReturn

from hogblock import __version__
from hogblock.cli import predict, train
from hogblock.cli.output import OutputError, drop, note, put
from hogblock.errors import DeviceUnavailableError, WorkerError

INPUT_ERRORS = (ValueError, TypeError, OSError, ImportError, DeviceUnavailableError)
BROKEN_PIPE = 141
"""Exit code, as a shell has it of a program that SIGPIPE ended."""


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing the usage, so that every error is one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file=None) -> None:
        put(message.rstrip("\n"))  # argparse's own drops errors


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, default=None
        None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, 2 for wrong input, 1 if training or writing to stdout failed, 130
        after Ctrl-C, 141 if nobody reads stdout any more.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return _run(arguments)
        except OutputError as error:
            drop()
            if isinstance(error.__cause__, BrokenPipeError):
                return BROKEN_PIPE
            return _fail(f"cannot write to stdout: {error}", 1)


def _run(arguments: list[str] | None) -> int:
    try:
        options = _parse(arguments)
        options.run(options)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    except INPUT_ERRORS as error:
        return _fail(error, 2)
    except (WorkerError, MemoryError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    return 0


def _fail(error: Exception | str, code: int) -> int:
    note("error", error)
    return code


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    note("warning", message)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    options, unknown = _make_parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hogblock", description="Asynchronous training of small neural networks."
    )
    parser.add_argument(
        "--version", action="version", version=f"hogblock {__version__}"
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    trains = commands.add_parser("train", help="train a model, and save and report it")
    train.add_arguments(trains)
    trains.set_defaults(run=train.train, parser=trains)
    predicts = commands.add_parser("predict", help="predict by a model that was saved")
    predict.add_arguments(predicts)
    predicts.set_defaults(run=predict.predict, parser=predicts)
    bench = commands.add_parser("bench", help="a quick check of this machine's speed")
    bench.add_argument("--batch", type=_positive, default=64, help="default: 64")
    bench.add_argument("--epochs", type=_positive, default=3, help="default: 3")
    bench.add_argument("--jobs", type=int, default=2, help="default: 2; -1: all cores")
    bench.add_argument("--samples", type=_positive, help="default: all 60,000")
    bench.set_defaults(run=_bench, parser=bench)
    info = commands.add_parser(
        "info", help="processor, kernels, memory, GPUs, versions; or a network's plan"
    )
    info.add_argument(
        "--plan",
        choices=train.READY_NETWORKS,
        help="print the operations of a training step of this network instead",
    )
    info.set_defaults(run=_info, parser=info)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _bench(options: argparse.Namespace) -> None:
    from hogblock.cli.bench import bench

    bench(options)


def _info(options: argparse.Namespace) -> None:
    from hogblock.cli.info import info

    info(options)


if __name__ == "__main__":
    sys.exit(main())
