"""Options that several commands have."""

import argparse


def add_dialect(group) -> None:
    """Those that say how a table of text is written, see ``data.DIALECT``."""
    group.add_argument("--sep", type=_separator, help="a character, tab or space")
    group.add_argument("--decimal", choices=(".", ","))
    group.add_argument("--encoding", help="such as utf-8, latin-1")
    group.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the first line holds names",
    )


def _separator(text: str) -> str:
    named = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(named) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a character, tab or space")
    return named
