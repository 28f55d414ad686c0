"""Results as they come, a line each, so that a benchmark that was cut off goes on."""

import json
from pathlib import Path


class Journal:
    """Results by their keys, kept in a file.

    Parameters
    ----------
    path : path
        Lines of JSON; what it holds need not be measured again.
    """

    def __init__(self, path):
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._found = {}
        if self._path.exists():
            whole, _, cut_off = self._path.read_text().rpartition("\n")
            for line in whole.splitlines():
                key, value = json.loads(line)
                self._found[tuple(key)] = value
            if cut_off:
                self._path.write_text(whole + "\n")

    def get(self, key, measure):
        """The result of `key`, which ``measure()`` finds if there is none yet.

        Parameters
        ----------
        key : tuple of str and numbers
        measure : callable
            Returns what JSON can hold.
        """
        if key not in self._found:
            value = measure()
            with self._path.open("a") as file:
                file.write(json.dumps([key, value]) + "\n")
            self._found[key] = value
        return self._found[key]
