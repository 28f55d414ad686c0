"""The hostile files of ``benchmarks/reliability``, for tests."""

import sys
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.reliability.fuzzing.judge import judge
from benchmarks.reliability.fuzzing.targets import TARGETS, mutated


def check_hostile_files(name: str, folder: Path, examples: int) -> None:
    """Load so many hostile files in the working directory `folder`."""
    target = TARGETS[name]
    seeds, path = target.seeds(), folder / target.file

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(random):
        path.write_bytes(mutated(seeds, target.mutators, random))
        outcome = judge(target, path)
        assert not outcome.is_fault, "\n".join(outcome)

    check()


@contextmanager
def memory_below(size: int):
    """No more bytes than that are allocated at any time."""
    tracemalloc.start()
    try:
        yield
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < size, f"{most:,} bytes"
