"""A worker of the fuzzing whose loader misbehaves as its input says."""

import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.reliability.fuzzing import targets, worker

KINDS = ["read", "crash", "memory", "hang", "file", "TypeError", "address", "read"]
"""What the inputs do, by their number."""
left_open = []


def read(path):
    what = path.read_text()
    if what == "crash":
        os.abort()
    elif what == "hang":
        time.sleep(60)
    elif what == "memory":
        bytearray(64 << 20)
    elif what == "address":
        bytearray(2 << 30)
    elif what == "file":
        left_open.append(open(path))
    elif what == "TypeError":
        raise TypeError("an odd thing")


TOY = targets.Target("input", lambda: [b"read"], (), read, 16)

if __name__ == "__main__":
    targets.TARGETS["toy"] = TOY
    worker.mutated = lambda seeds, mutators, number: KINDS[number].encode()
    worker.Random = lambda words: int(words.split()[-1])
    worker.COUNTED = 1
    worker.main()
