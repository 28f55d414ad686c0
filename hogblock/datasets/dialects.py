"""How a file of separated values is written: found out, or told."""

import bz2
import codecs
import csv
import gzip
import lzma
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

SAMPLE = 1 << 16
"""Bytes from the start of a file that its dialect is found in."""
CHUNK = 1 << 20
SEPARATORS = ("\t", ";", "|", ",", " ")
"""From the rarest in other places to the commonest; a space is any white space."""
NAMES = {"\t": "tab", " ": "white space"}
MISSING = frozenset(
    ("", "?", "-", ".", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none")
)
"""Words for a missing value, in lower case."""

_MAGIC: dict[bytes, tuple[str, Callable]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bz2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
}
_ZIP = b"PK\x03\x04"
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The longer first where one starts with another."""
_SEP_LINE = re.compile(r'\ufeff?"?sep=(.)"?')
_COMMA_DECIMAL = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][+-]?\d+)?")
_POINT_DECIMAL = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_SURE_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}((,\d{3}){2,}|(,\d{3})+\.\d*)")
_NUMBER = re.compile(
    r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf(inity)?)", re.IGNORECASE
)


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
        """Arguments of ``pandas.read_csv``."""
        return {
            "sep": r"\s+" if self.sep == " " else self.sep,
            "decimal": self.decimal,
            "thousands": self.thousands or None,
            "encoding": self.encoding,
            "header": 0 if self.header else None,
            "compression": self.compression or None,
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
    OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError
        If it cannot be read or unpacked.
    """
    compression = _compression_of(path)
    encoding = given.encoding or _encoding_of(path, compression)
    with _opened(path, compression) as file:
        raw = file.read(SAMPLE)
        cut = bool(file.read(1))
    text = codecs.getincrementaldecoder(encoding)("replace").decode(raw)
    lines = re.split(r"\r\n|\r|\n", text)
    if cut and len(lines) > 1:
        del lines[-1]
    told = _SEP_LINE.fullmatch(lines[0])
    lines = lines[1:] if told else lines
    sep = given.sep or (told[1] if told else _separator_of(lines))
    rows = [row for row in _rows(lines, sep) if any(row)]
    decimal, thousands = _marks_of(rows, sep, given.decimal)
    if given.thousands is not None:
        thousands = given.thousands
    header = given.header
    if header is None:
        header = _has_names([[_plain(f, decimal, thousands) for f in r] for r in rows])
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
    return _NUMBER.fullmatch(text.strip()) is not None


# Bytes ---------------------------------------------------------------------------


def _compression_of(path) -> str:
    with open(path, "rb") as file:
        start = file.read(max(map(len, _MAGIC)))
    if start.startswith(_ZIP):
        return "zip"
    return next((n for magic, (n, _) in _MAGIC.items() if start.startswith(magic)), "")


@contextmanager
def _opened(path, compression: str):
    """The bytes of a file, unpacked; of an archive its first file."""
    if compression == "zip":
        with zipfile.ZipFile(path) as archive:
            with archive.open(archive.namelist()[0]) as file:
                yield file
        return
    unpack = {name: unpack for name, unpack in _MAGIC.values()}.get(compression, open)
    with unpack(path, "rb") as file:
        yield file


def _encoding_of(path, compression: str) -> str:
    """By its mark, else UTF-16 by its zeros, else the first that decodes all of it."""
    with _opened(path, compression) as file:
        start = file.read(SAMPLE)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    zeros = [start[k::2].count(0) for k in range(2)]
    if max(zeros) > len(start) // 4:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    for encoding in ("utf-8", "cp1252"):
        if _decodes(path, compression, encoding):
            return encoding
    return "latin-1"


def _decodes(path, compression: str, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with _opened(path, compression) as file:
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
    return True


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
    numbers = [int(name) for name in names if name.isdecimal()]
    if len(numbers) < 3 or len(numbers) < sum(map(is_number, names)):
        return False
    start = numbers[0]
    counted = numbers == list(range(start, start + len(numbers)))
    return counted and (start == 0 or 1800 <= start <= 2100)
