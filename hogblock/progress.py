"""Progress bar of a fit."""

from contextlib import contextmanager

from tqdm.auto import tqdm


class _Bar:
    """A tqdm bar over minibatches that shows the epoch's loss."""

    def __init__(self, bar):
        self._bar = bar

    def update(self, steps) -> None:
        """Show that `steps` minibatches are done."""
        if self._bar is not None:
            self._bar.update(int(steps) - self._bar.n)

    def describe(self, text: str) -> None:
        """Show a text behind the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)


@contextmanager
def progress_bar(verbose, epochs: int, batches: int):
    """Bar of a run of `epochs` times `batches` minibatches; silent unless `verbose`."""
    if not verbose:
        yield _Bar(None)
        return
    with tqdm(total=epochs * batches, unit=" minibatches", leave=True) as bar:
        yield _Bar(bar)
