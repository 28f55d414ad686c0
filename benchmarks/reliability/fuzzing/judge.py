"""What came of an input: it was read, it was refused, or something is wrong."""

import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

from benchmarks.reliability.fuzzing.arrays import SPRUNG
from benchmarks.reliability.fuzzing.targets import Target

READ, REFUSED = "read", "refused"


class Outcome(NamedTuple):
    """Of an input.

    Attributes
    ----------
    kind : str
        `READ`, `REFUSED` or the kind of fault.
    place : str
        Where it was refused: file and line.
    words : str
        The message, or what is wrong.
    """

    kind: str
    place: str
    words: str

    @property
    def is_fault(self) -> bool:
        return self.kind not in (READ, REFUSED)


def judge(target: Target, path: Path) -> Outcome:
    """Load the file of an input; the working directory is to be that of the path.

    Parameters
    ----------
    target : Target
    path : Path
        Absolute; alone in its folder, or with what `target.read` has put there.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = _outcome(target, path)
    if SPRUNG.exists():
        SPRUNG.unlink()
        return outcome._replace(kind="code was run")
    foreign = [str(w.message) for w in caught if not _is_ours(w, path)]
    if foreign and not outcome.is_fault:
        return Outcome("warning", outcome.place, foreign[0])
    return outcome


def _outcome(target: Target, path: Path) -> Outcome:
    try:
        target.read(path)
    except ValueError as error:
        place, words = _place(error), f"{type(error).__name__}: {error}"
        if any(isinstance(cause, MemoryError) for cause in _causes(error)):
            return Outcome("asks for memory", place, words)
        if str(path.parent) not in str(error):
            return Outcome("does not name the file", place, _trace(error))
        return Outcome(REFUSED, place, words)
    except AssertionError as error:
        return Outcome("not valid", _place(error), _trace(error))
    except Exception as error:
        return Outcome(type(error).__name__, _place(error), _trace(error))
    return Outcome(READ, "", "")


def _causes(error: BaseException | None):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error, limit=-12))


def _place(error: Exception) -> str:
    """The line of hogblock where it began, else of anybody."""
    *_, first = _causes(error)
    frames = traceback.extract_tb(first.__traceback__)
    ours = [f for f in frames if "/hogblock/" in f.filename]
    frame = (ours or frames or traceback.extract_tb(error.__traceback__))[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _is_ours(warning: warnings.WarningMessage, path: Path) -> bool:
    """Whether hogblock said it of this file."""
    said = str(warning.message)
    return warning.category is UserWarning and said.startswith(str(path))
