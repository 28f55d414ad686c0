"""What the compiler makes of the CUDA kernels: seen in their PTX, without a card."""

import re
from importlib.util import find_spec

import pytest

from support.ptx import Listing, lines_of, ptxas

SCRIPT = "support.compile_kernels"
SHIPPED = ["train", "one_phase", "predict"]
CAPABILITIES = [(8, 0), (9, 0)]
PARAMS = {"train": 2, "one_phase": 2, "predict": 2}  # number of the argument
OUTSIDE = {"train": 3, "one_phase": 1, "predict": 3}
"""Loops of a kernel up to that over tiles: of steps, of phases, of tiles."""

pytestmark = [
    pytest.mark.skipif(not find_spec("numba_cuda"), reason="needs numba-cuda"),
    pytest.mark.script(SCRIPT),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def texts(running):
    """PTX of (capability, name)."""
    found = lines_of(running[(SCRIPT,)].result())
    return {(tuple(capability), name): text for capability, name, text in found}


@pytest.fixture(params=CAPABILITIES, ids="sm_{0[0]}{0[1]}".format)
def capability(request):
    return request.param


@pytest.fixture(params=SHIPPED)
def name(request):
    return request.param


@pytest.fixture
def text(texts, capability, name):
    return texts[capability, name]


@pytest.fixture
def listing(text):
    return Listing(text)


def test_no_double_precision_and_no_memory_for_registers(text):
    assert not re.findall(r"\.f64|\.local", text)


def test_two_blocks_fit_a_multiprocessor(text, capability, tmp_path):
    report = ptxas(text, capability, tmp_path)
    if report is None:
        pytest.skip("ptxas is not installed")
    wanted = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
    assert report.count(wanted) == report.count("spill stores") == 1
    assert int(re.search(r"Used (\d+) registers", report)[1]) <= 128


def test_every_access_names_its_memory(listing):
    """Else the card has to find out at every access."""
    accesses = [
        line for line in listing.lines
        if re.match(r"(@!?%p\d+\s+)?(ld|st|red|atom)\.", line)
    ]  # fmt: skip
    assert len(accesses) > 100
    named = re.compile(r"\.(global|shared|param|const)\b")
    assert [line for line in accesses if not named.search(line)] == []


def test_parameters_are_read_as_others_wrote_them(listing, name):
    """Past the first-level cache, which knows nothing of other multiprocessors."""
    allowed = re.compile(
        r"cp\.async\.cg\.|ld\.relaxed\.gpu\.|red\.relaxed\.gpu\.|st\.relaxed\.gpu\."
    )
    accesses = listing.accesses(PARAMS[name])
    assert any("cp.async" in line for line in accesses)
    assert any("ld.relaxed.gpu.global.v4" in line for line in accesses)
    assert [line for line in accesses if not allowed.search(line)] == []


def test_parameters_are_read_anew_in_every_tile(listing, name):
    for instruction in ("cp.async.cg", "ld.relaxed.gpu.global.v4"):
        depths = listing.depths_of(instruction)
        assert depths.size and depths.min() > OUTSIDE[name], instruction


def test_a_read_that_was_moved_out_of_its_loop_is_noticed(texts, capability):
    """numba-cuda's own reads past the cache have no side effects: one is enough."""
    ours = Listing(texts[capability, "read"])
    assert ours.depths_of("ld.relaxed.gpu.global.f32").min() == 1
    theirs = Listing(texts[capability, "cached read"])
    assert theirs.depths_of("ld.global.cg").min() == 0


def test_additions_to_parameters(listing, name, capability):
    added = [line for line in listing.accesses(PARAMS[name]) if "red.relaxed" in line]
    assert bool(added) == (name != "predict")
    wide = ["red.relaxed.gpu.global.add.v4.f32" in line for line in added]
    assert all(wide) if capability >= (9, 0) else not any(wide)


def test_copies_are_waited_for(listing):
    """As many groups of copies are ended as pieces are begun, each in its loop."""
    ended = listing.depths_of("cp.async.commit_group")
    waited = listing.depths_of("cp.async.wait_group")
    assert ended.size and waited.size and waited.min() >= ended.min()
