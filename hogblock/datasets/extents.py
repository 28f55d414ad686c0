"""How large the table of a text is, counted before pandas reserves its cells."""

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain, islice
from typing import IO, NamedTuple

from hogblock.datasets.archives import CHUNK
from hogblock.datasets.packing import opened

MOST_COLUMNS = 1 << 16
"""A column takes 4 KB, and a table of one line is all columns."""
MOST_CELLS, LOOSE_CELLS = 4, 1 << 20
"""Cells a character, and more than that: a whole table has at most one a character, but
some lines may be short, and some stand within quotes.
"""
MOST_ALIKE = 1000
"""Columns of one name: pandas compares each with all."""
FIRST_LINES = 10
"""In which the columns are counted: pandas takes their number from the first two."""
LONG_FIELD = 100
"""Characters; csv reads no field of 131,073."""


class Extent(NamedTuple):
    """Of a text."""

    characters: int
    lines: int


class NotDecodedError(ValueError):
    """A text is not in the encoding that it was to be in."""


def extent_of(path: str | os.PathLike, compression: str, encoding: str) -> Extent:
    """Characters and lines of a text in this encoding.

    Raises
    ------
    LookupError
        If the encoding is unknown, or none of text.
    NotDecodedError
        If it is not that of the text; names the byte.
    """
    "".encode(encoding)  # there are codecs of other things, too
    decoder = codecs.getincrementaldecoder(encoding)()
    taken = characters = feeds = returns = 0
    with opened(path, compression) as file:
        for chunk in chain(iter(lambda: file.read(CHUNK), b""), [b""]):
            begun = decoder.getstate()[0]
            try:
                text = decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                at = taken - len(begun) + error.start
                raise NotDecodedError(
                    f"byte {at:,} is no text in {encoding}: {error.reason}"
                ) from error
            taken, characters = taken + len(chunk), characters + len(text)
            feeds, returns = feeds + text.count("\n"), returns + text.count("\r")
    return Extent(characters, max(feeds, returns))


def first_rows(file: IO[bytes], encoding: str, sep: str) -> list[list[str]]:
    """Fields of the first lines that have any, however long these are.

    Long fields are told apart, but not kept.
    """
    text = io.TextIOWrapper(file, encoding, newline="")
    other = rf'[^{re.escape(sep)}"\r\n]'
    long = re.compile(rf"(?! ){other}{{{LONG_FIELD},}}")
    lines: Iterable[str] = (long.sub(_mark, line) for line in text)
    if sep == " ":
        lines = (re.sub(r"[ \t]+", " ", line) for line in lines)
    rows = csv.reader(lines, delimiter=sep, skipinitialspace=True)
    found = list(islice(filter(None, rows), FIRST_LINES))
    text.detach()  # whose the file is closes it
    return found


def _mark(field: re.Match) -> str:
    return f"{hash(field[0]):x}"


def check_extent(rows: list[list[str]], extent: Extent) -> None:
    """Refuse a table that takes memory out of proportion to its text."""
    columns = max(map(len, rows), default=0)
    if columns > MOST_COLUMNS:
        raise ValueError(
            f"a line has {columns:,} fields; at most {MOST_COLUMNS:,} columns are read"
        )
    cells = columns * extent.lines
    if cells > MOST_CELLS * extent.characters + LOOSE_CELLS:
        raise ValueError(
            f"a line has {columns:,} fields, and with {extent.lines:,} lines the text "
            f"of {extent.characters:,} characters would have {cells:,}: most lines are "
            "shorter"
        )


def check_names(rows: list[list[str]]) -> None:
    """Refuse a first row of names so much alike that pandas takes long to part them."""
    for name, times in Counter(filter(None, chain(*rows[:1]))).most_common(1):
        if times > MOST_ALIKE:
            raise ValueError(f"{times:,} columns have the name {name!r}")
