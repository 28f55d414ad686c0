"""How a file of separated values is written: found out, or told."""

import codecs
import csv
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hogblock.datasets.extents import (
    Extent,
    NotDecodedError,
    check_extent,
    check_names,
    extent_of,
    first_rows,
)
from hogblock.datasets.packing import compression_of, opened

SAMPLE = 1 << 16
"""Bytes from the start of a file that its dialect is found in."""
SEPARATORS = ("\t", ";", "|", ",", " ")
"""From the rarest in other places to the commonest; a space is any white space."""
NAMES = {"\t": "tab", " ": "white space"}
MISSING = frozenset(
    ("", "?", "-", ".", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none")
)
"""Words for a missing value, in lower case."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The longer first where one starts with another."""
_SEP_LINE = re.compile(r'\ufeff?"?sep=(.)"?')
_COMMA_DECIMAL = re.compile(
    r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][+-]?\d+)?", re.ASCII
)
_POINT_DECIMAL = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", re.ASCII)
_POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+", re.ASCII)
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
_SURE_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}((,\d{3}){2,}|(,\d{3})+\.\d*)", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?((\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|inf(inity)?)",
    re.IGNORECASE | re.ASCII,
)
LONGEST_NUMBER = 1000
"""Characters: Python makes no integers of 4,301 digits."""
_COUNT = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class Dialect:
    """How to read a file; None: to be found out.

    Attributes
    ----------
    sep : str
        Between fields; " " is any white space.
    decimal : str
        "." or ",".
    thousands : str
        Between groups of digits; "" if there are none.
    encoding : str
    header : bool
        Whether the first line holds the names of the columns.
    compression : str
        As pandas names it; "" if there is none.
    skip : int
        Lines at the start that are no part of the table: Excel's ``sep=;``.
    open_end : bool
        Lines end in a separator, that of the names does not.
    """

    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    header: bool | None = None
    compression: str | None = None
    skip: int = 0
    open_end: bool = False

    def __str__(self) -> str:
        """What is not as in a plain CSV file, in words; empty if nothing is."""
        words = []
        if self.sep != ",":
            words.append(f"separator {NAMES.get(self.sep or '', repr(self.sep))}")
        if self.decimal != ".":
            words.append(f"decimal {self.decimal!r}")
        if self.thousands:
            words.append(f"groups of digits by {self.thousands!r}")
        if self.encoding not in ("utf-8", "utf-8-sig"):
            words.append(f"encoding {self.encoding}")
        if not self.header:
            words.append("no line of names")
        if self.compression:
            words.append(f"compressed by {self.compression}")
        return ", ".join(words)

    @property
    def options(self) -> dict:
        """Arguments of ``pandas.read_csv`` for what `packing.opened` gives."""
        return {
            "sep": r"\s+" if self.sep == " " else self.sep,
            "decimal": self.decimal,
            "thousands": self.thousands or None,
            "encoding": self.encoding,
            "header": 0 if self.header else None,
            "skiprows": self.skip,
            # Else pandas takes the first column for names of the rows.
            "index_col": False if self.open_end else None,
            "skipinitialspace": True,
        }


def find_dialect(path: str | os.PathLike, given: Dialect) -> Dialect:
    """The dialect of a file, where `given` does not say it.

    Raises
    ------
    LookupError
        If the given encoding is unknown.
    ValueError
        If it cannot be decoded or unpacked; if lines or columns are so many that it
        would take memory out of proportion.
    OSError
        If it cannot be read.
    """
    compression = compression_of(path)
    encoding, extent = _encoding_of(path, compression, given.encoding)
    with opened(path, compression) as file:
        raw = file.read(SAMPLE)
        cut = bool(file.read(1))
    text = codecs.getincrementaldecoder(encoding)("replace").decode(raw)
    lines = re.split(r"\r\n|\r|\n", text)
    if cut and len(lines) > 1:
        del lines[-1]
    told = _SEP_LINE.fullmatch(lines[0])
    lines = lines[1:] if told else lines
    sep = given.sep
    if sep is None:
        sep = told[1] if told else _separator_of(lines)
    if len(sep) != 1 or not sep.isascii() or sep in '"\r\n\0':
        raise ValueError(f"the separator {sep!r} is no ASCII character between values")
    rows = [row for row in _rows(lines, sep) if any(row)]
    decimal, thousands = _marks_of(rows, sep, given.decimal)
    if given.thousands is not None:
        thousands = given.thousands
    header = given.header
    if header is None:
        header = _has_names([[_plain(f, decimal, thousands) for f in r] for r in rows])
    with opened(path, compression) as file:
        first = first_rows(file, encoding, sep)
    check_extent(first, extent)
    if header:
        check_names(first[bool(told) :])
    return replace(
        given,
        sep=sep,
        decimal=decimal,
        thousands=thousands,
        encoding=encoding,
        header=header,
        compression=compression,
        skip=int(told is not None),
        open_end=len(rows) > 1
        and all(len(r) == len(rows[0]) + 1 and not r[-1] for r in rows[1:]),
    )


def is_number(text: str) -> bool:
    """Whether a field with a decimal point is a number."""
    text = text.strip()
    return len(text) <= LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


# Bytes ---------------------------------------------------------------------------


def _encoding_of(path, compression: str, given: str | None) -> tuple[str, Extent]:
    """By its mark, else UTF-16 by its zeros, else the first that decodes all of it."""
    sure = given or _marked_encoding(path, compression)
    for encoding in (sure,) if sure else ("utf-8", "cp1252"):
        try:
            return encoding, extent_of(path, compression, encoding)
        except NotDecodedError:
            if sure:
                raise
    return "latin-1", extent_of(path, compression, "latin-1")


def _marked_encoding(path, compression: str) -> str | None:
    with opened(path, compression) as file:
        start = file.read(SAMPLE)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    zeros = [start[k::2].count(0) for k in range(2)]
    if max(zeros) > len(start) // 4:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    return None


# Lines ---------------------------------------------------------------------------


def _rows(lines: list[str], sep: str) -> Iterator[list[str]]:
    """Fields of each line, without the white space around them."""
    if sep == " ":
        rows = csv.reader((" ".join(line.split()) for line in lines), delimiter=" ")
    else:
        rows = csv.reader(lines, delimiter=sep, skipinitialspace=True)
    return ([field.strip() for field in row] for row in rows)


def _separator_of(lines: list[str]) -> str:
    """The one that cuts most lines into equally many fields, two and more.

    Commas stand in the place of decimal points, and spaces in text: they are taken
    only if they cut more lines alike than what is rarer.
    """
    best, most = ",", 0
    for sep in SEPARATORS:
        rows = [row for row in _rows(lines, sep) if any(row)]
        counts = Counter(len(row) for row in rows if not any(map(_is_torn, row)))
        fields, alike = max(counts.items(), key=lambda c: c[1], default=(0, 0))
        if fields > 1 and alike > most:
            best, most = sep, alike
    return best


def _is_torn(field: str) -> bool:
    """Whether a field starts or ends within quotes."""
    return field.count('"') % 2 == 1


def _marks_of(rows, sep: str, decimal: str | None) -> tuple[str, str]:
    """Decimal mark, and what stands between groups of digits."""
    fields = [field for row in rows for field in row]

    def of(pattern) -> list[str]:
        return [field for field in fields if pattern.fullmatch(field)]

    if decimal is None:
        commas, points = of(_COMMA_DECIMAL), of(_POINT_DECIMAL)
        # Between commas 1,234 is a group of digits, elsewhere a decimal number.
        sure = sep != "," or len(commas) > len(of(_COMMA_GROUPS))
        sure &= len(commas) > len(points) and not of(_SURE_COMMA_GROUPS)
        decimal = "," if sure or of(_POINT_GROUPS) else "."
    if decimal == ",":
        return ",", "." if of(_POINT_GROUPS) else ""
    return decimal, "," if of(_COMMA_GROUPS) else ""


def _plain(field: str, decimal: str, thousands: str) -> str:
    """A field as it would be with a decimal point."""
    changed = field.replace(thousands, "") if thousands else field
    changed = changed.replace(decimal, ".")
    return changed if is_number(changed) else field


def _has_names(rows: list[list[str]]) -> bool:
    """Whether the first row holds names.

    It does if a word stands over numbers, and does not if only numbers do. Where no
    column holds numbers nothing can be told, and names are what is usual.
    """
    if len(rows) < 2:
        return not rows or not all(map(is_number, rows[0]))
    first, *others = rows
    if len(first) == len(others[0]) - 1:  # R leaves out the name of the row names
        return True
    numbers = 0
    for name, *values in zip(first, *_alike(others, len(first)), strict=True):
        values = [v for v in values if v.lower() not in MISSING]
        if not values or not all(map(is_number, values)):
            continue
        if not name:  # of an index
            return True
        if name.lower() in MISSING:
            continue
        if not is_number(name):
            return True
        numbers += 1
    return not numbers or _are_counted(first)


def _alike(rows: list[list[str]], length: int) -> list[list[str]]:
    return [row for row in rows if len(row) == length]


def _are_counted(names: list[str]) -> bool:
    """Whether numbers are names all the same: 0, 1, 2 as of pandas, or years."""
    numbers = [int(name) for name in names if _COUNT.fullmatch(name)]
    if len(numbers) < 3 or len(numbers) < sum(map(is_number, names)):
        return False
    start = numbers[0]
    counted = numbers == list(range(start, start + len(numbers)))
    return counted and (start == 0 or 1800 <= start <= 2100)
