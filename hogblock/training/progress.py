"""Progress of a fit: a bar in a terminal or notebook, some lines elsewhere."""

import contextlib
import sys
import time
from contextlib import contextmanager
from typing import Any

SECONDS_A_LINE = 1.0
SHARE_A_LINE = 0.05
"""Lines are at least so far apart: seconds, and share of the time until then."""


class _Silent:
    """Shows nothing."""

    def update(self, samples) -> None:
        """Show that so many samples are done."""

    def describe(self, text: str) -> None:
        """Show a text with it."""

    def close(self) -> None:
        """The run is over."""


class _Bar(_Silent):
    """A tqdm bar, from the first minibatches on: before them kernels are compiled."""

    def __init__(self, make, total: int):
        self._make, self._total = make, total
        self._bar: Any = None
        self._text = ""

    def update(self, samples) -> None:
        samples = int(samples)
        if self._bar is None:
            if not samples:
                return
            self._bar = self._make(
                total=self._total, initial=samples, unit=" samples", unit_scale=True
            )
        self._bar.set_postfix_str(self._text, refresh=False)
        self._bar.update(samples - self._bar.n)

    def describe(self, text: str) -> None:
        self._text = text

    def close(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()


class _Lines(_Silent):
    """Lines for a file or a pipe, ever fewer of them, and one at the end."""

    def __init__(self, stream, total: int):
        self._stream, self._total = stream, total
        self._text = ""
        self._done = self._written = self._first = 0
        self._start: float | None = None
        self._next = SECONDS_A_LINE

    def update(self, samples) -> None:
        self._done = int(samples)
        if self._done and self._start is None:
            self._start, self._first = time.monotonic(), self._done
        if self._done and self._elapsed() >= self._next:
            self._write()

    def describe(self, text: str) -> None:
        self._text = text

    def close(self) -> None:
        if self._done > self._written:
            self._write(over=True)

    def _elapsed(self) -> float:
        return 0.0 if self._start is None else time.monotonic() - self._start

    def _write(self, over: bool = False) -> None:
        elapsed = self._elapsed()
        self._next = elapsed + max(SECONDS_A_LINE, SHARE_A_LINE * elapsed)
        self._written = self._done
        parts = [f"{self._done:,} of {self._total:,} samples", f"{elapsed:,.1f} s"]
        since = self._done - self._first
        if elapsed > 0 and since > 0:
            parts.append(f"{since / elapsed:,.0f} samples/s")
            left = elapsed * (self._total - self._done) / since
            if not over:
                parts.append(f"{left:,.1f} s left")
        self._stream.write(f"{', '.join(filter(None, [*parts, self._text]))}\n")
        self._stream.flush()


class _Forgiving:
    """A stream that nobody has to read: what cannot be written is dropped."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            return self._stream.isatty()
        return False

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _make_shown(total: int) -> _Silent:
    """What shows the progress of `total` samples to whoever reads stderr."""
    from tqdm.auto import tqdm

    notebook = sys.modules.get("tqdm.notebook")  # tqdm imports it in a notebook only
    if notebook is not None and issubclass(tqdm, notebook.tqdm_notebook):
        return _Bar(tqdm, total)
    if sys.stderr is None or getattr(sys.stderr, "closed", False):
        return _Silent()
    stream = _Forgiving(sys.stderr)
    if not stream.isatty():
        return _Lines(stream, total)
    return _Bar(lambda **options: tqdm(file=stream, **options), total)


@contextmanager
def progress_bar(verbose, samples: int):
    """Shows a run over so many samples at most; nothing unless `verbose`.

    Time, and samples by it, count from the first ones that are done.
    """
    shown = _make_shown(samples) if verbose else _Silent()
    try:
        yield shown
    finally:
        shown.close()
