"""Files of separated values, good ones and damaged ones."""

from random import Random

NUMBERS = (
    *("1", "0", "-1", "1.5", "1,5", "1.234,5", "1,234", "1e999", "-1e999", "1e-999"),
    *(
        "9" * 30,
        "9" * 400,
        "1" * 5000 + "x",
        "18446744073709551616",
        "inf",
        "-Infinity",
    ),
    *("nan", "0x10", "1_000", "\u0661\u0662", "\u00b2", "\uff11", "1.", ".5", "+.5e+5"),
    *("9223372036854775808", "-9223372036854775809", "1e308", "true", "False", "--1"),
)
WORDS = (
    *("", " ", "?", "NA", "-", "red", "\0", '"', '""', '"a', 'a"b', "a\tb", "\ufeff"),
    *(
        "\u0130",
        "\ud7ff",
        "\U0001f600",
        "2024-01-01",
        "a" * 300,
        "=1+1",
        "\x1b[2J",
        "\x85",
    ),
    *(
        "Unnamed: 0",
        "index",
        "a",
        "a.1",
        " a",
        "a ",
        "\u2028",
        "\x1c",
        "\x0b",
        "__class__",
    ),
)
SEPARATORS = (",", ";", "\t", "|", " ", "  ", ", ", "\0", "\u00a7", "'", '"')
ENDS = ("\n", "\r\n", "\r", "\n\n", "\n\r", "\x0b", "\x85")
CODECS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")
TOLD = (
    "sep=;",
    "sep=,",
    "sep=\0",
    'sep="',
    "sep=\u00a7",
    '"sep=\t"',
    "sep= ",
    "sep=\\",
)


def tables() -> list[bytes]:
    """Good ones, of all dialects that are found out."""
    rows = [["size", "colour", "y"]] + [
        [f"{k * 1.5:.2f}", ("red", "blue", "")[k % 3], str(k % 2)] for k in range(12)
    ]
    texts = [sep.join(row) for sep in (",", ";", "\t", "|") for row in rows]
    whole = ["\n".join(texts[k : k + 13]) + "\n" for k in range(0, len(texts), 13)]
    numbers = "".join(f"{k},{k * k},{k % 3}\n" for k in range(9))
    german = "a;b;y\n" + "".join(f"{k},5;1.234,5;{k % 2}\n" for k in range(9))
    spaces = "".join(f" {k}.0  {k % 4}  1{k}\n" for k in range(9))
    quoted = 'a,"b ""c""",y\n' + "".join(f'"{k},1","x\ny",{k}\n' for k in range(9))
    index = ",a,y\n" + "".join(f"{k},{k % 5},{k % 2}\n" for k in range(9))
    told = "sep=;\n" + german
    alike = [numbers, "a,b,y\n" + numbers, german, spaces, quoted, index, told, "a,y\n"]
    coded = [german.replace("a", "größe €").encode(codec) for codec in CODECS]
    return [text.encode() for text in (*whole, *alike)] + coded


def field(raw: bytes, random: Random) -> bytes:
    """A field of a line is another."""
    lines = _text(raw).splitlines() or [""]
    k = random.randrange(len(lines))
    sep = max(SEPARATORS[:5], key=lines[k].count)
    fields = lines[k].split(sep)
    fields[random.randrange(len(fields))] = random.choice((*NUMBERS, *WORDS))
    lines[k] = sep.join(fields)
    return _bytes("\n".join(lines) + "\n", random)


def column(raw: bytes, random: Random) -> bytes:
    """All fields of a column are of another kind, or all lines end in another way."""
    lines = _text(raw).splitlines() or [""]
    sep = max(SEPARATORS[:5], key=lines[0].count)
    values = random.choices((*NUMBERS, *WORDS), k=random.choice((1, 2, 9)))
    at = random.randrange(lines[0].count(sep) + 1)
    for k in range(random.choice((0, 0, 1)), len(lines)):
        fields = lines[k].split(sep)
        if at < len(fields):
            fields[at] = random.choice(values)
        lines[k] = sep.join(fields)
    return _bytes("\n".join(lines) + "\n", random)


def ragged(raw: bytes, random: Random) -> bytes:
    """A line has more fields or fewer, hundreds perhaps."""
    lines = _text(raw).splitlines() or [""]
    k = random.randrange(len(lines))
    sep = random.choice(SEPARATORS)
    many = random.choice((1, 1, 2, 50, 3000))
    lines[k] = random.choice(
        (lines[k] + (sep + "1") * many, sep * many, sep.join(lines[k].split(sep)[:-1]))
    )
    return _bytes("\n".join(lines) + "\n", random)


def long_lines(raw: bytes, random: Random) -> bytes:
    """Many columns, many lines, or a long field."""
    many = random.choice((30, 300, 300, 3000, 3000, 20_000))
    unit = random.choice(
        ("1,", "a;", ",", '"', "1" * 9, "1,2\n", "\n", " ", "1.1.", "\t")
    )
    return (
        random.choice((b"", raw)) + (unit * many).encode() + random.choice((b"", raw))
    )


def separators(raw: bytes, random: Random) -> bytes:
    """Other separators, quotes or ends of lines, in all of it or in a part."""
    text = _text(raw)
    many = random.choice((1, 3, -1))
    old, new = random.choice(SEPARATORS[:5]), random.choice(SEPARATORS)
    if random.random() < 0.3:
        old, new = "\n", random.choice(ENDS)
    return _bytes(text.replace(old, new, many), random)


def told(raw: bytes, random: Random) -> bytes:
    """A first line that tells the separator."""
    return _bytes(random.choice(TOLD) + "\n" + _text(raw), random)


def recoded(raw: bytes, random: Random) -> bytes:
    """The same text in another encoding."""
    return _text(raw).encode(random.choice(CODECS), "replace")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _bytes(text: str, random: Random) -> bytes:
    codec = random.choice(("utf-8", "utf-8", "utf-8", "utf-8", "latin-1"))
    return text.encode(codec, "replace")


TEXTS = (field, field, column, ragged, long_lines, separators, told, recoded)
"""Mutators of text."""
