"""Shared memory of a run."""

import subprocess
import sys


def test_an_array_that_outlives_its_segment_can_still_be_read():
    """A traceback that is printed after a failed run reads such arrays."""
    source = """
from hogblock.engines.cpu.memory import Segment
segment = Segment({"a": ((100_000,), "f4"), "empty": ((0, 0), "f4")})
array = segment.arrays["a"]
array[:] = 2
segment.release()
print(array.sum())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "200000.0\n", "")
