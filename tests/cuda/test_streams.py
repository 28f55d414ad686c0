"""What is asked of CuPy on a real card, told by a CuPy that only takes notes."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from hogblock import Cuda
from hogblock.engines.cuda import arrays, card, launches, memory, servers, timing
from hogblock.engines.cuda.arrays import Arrays
from hogblock.engines.cuda.pack import program_of
from hogblock.kernels.cuda.program import Shape
from hogblock.training.run_plan import make_run_plan
from support import cuda_runs as runs


class Cupy:
    """Notes of the calls, each with the device and the stream that are current."""

    def __init__(self):
        self.calls, self.device, self.stream = [], 0, "caller's"
        self.cuda = SimpleNamespace(
            Device=self._device,
            Stream=lambda non_blocking: self._stream(non_blocking),
            Event=self._event,
            runtime=SimpleNamespace(
                deviceSynchronize=lambda: self.note("synchronise"),
                memcpyPeerAsync=lambda *args: self.note("copy", *args),
            ),
            get_current_stream=lambda: SimpleNamespace(ptr=self.stream),
            get_elapsed_time=lambda first, last: 1000 * (last.at - first.at),
        )
        self.cuda.Stream.null = self._entered("stream", "null")
        self.ndarray = type("ndarray", (), {})

    def note(self, name, *arguments):
        self.calls.append((name, *arguments, self.device, self.stream))

    @contextmanager
    def _entering(self, field, value):
        before = getattr(self, field)
        setattr(self, field, value)
        yield
        setattr(self, field, before)

    def _entered(self, field, value):
        cupy = self

        class Entered:
            def __enter__(self):
                self.inside = cupy._entering(field, value)
                self.inside.__enter__()
                return self

            def __exit__(self, *error):
                self.inside.__exit__(None, None, None)

        return Entered()

    def _device(self, index):
        return self._entered("device", index)

    def _stream(self, non_blocking):
        made = self._entered("stream", f"stream of {self.device}")
        made.ptr, made.begin_capture = 17, lambda: self.note("begin")
        made.end_capture = lambda: self.note("end") or "graph"
        made.non_blocking = non_blocking
        return made

    def _event(self):
        event = SimpleNamespace(synchronize=lambda: self.note("wait"))

        def record():
            event.at = len(self.calls)
            self.note("event")

        event.record = record
        return event

    def array(self, host, order):
        self.note("put")
        return np.array(host, order=order)

    def zeros(self, shape, dtype):
        self.note("zeros")
        return np.zeros(shape, dtype)

    asarray = staticmethod(np.asarray)


@pytest.fixture
def cupy(monkeypatch):
    """A `Cupy`, and modules that believe in a real card."""
    made = Cupy()
    pinned = SimpleNamespace(empty_pinned=np.empty)
    named = {"cupy": made, "cupy.cuda": made.cuda, "cupyx": pinned}
    for name, module in named.items():
        monkeypatch.setitem(sys.modules, name, module)
    for module in (arrays, card, launches, memory, servers, timing):
        monkeypatch.setattr(module, "simulated", lambda: False)
    return made


def test_a_run_fills_its_arrays_on_its_own_stream(cupy, monkeypatch):
    monkeypatch.setattr(memory, "launcher_of", lambda device: cupy.note("launcher"))
    monkeypatch.setattr(memory, "external_stream", lambda pointer: pointer)
    monkeypatch.setattr(memory, "_check_room", lambda *_: None)
    plan = make_run_plan(runs.NETWORK, runs.DATA, runs.settings(epochs=1))
    program = program_of(plan, Shape(1, 1, 2), Cuda(2))
    for stream, name in (
        (None, "null"),
        (card.stream_of_its_own(Cuda(2)), "stream of 2"),
    ):
        cupy.calls.clear()
        made = memory.Memory(Cuda(2), program, runs.DATA, runs.start(), None, stream)
        # The caller's work on X is waited for first.
        assert cupy.calls[0] == ("synchronise", 2, "caller's")
        assert {call[-2:] for call in cupy.calls[1:]} == {(2, name)}
        with made.current():
            assert (cupy.device, cupy.stream) == (2, name)
    assert stream.non_blocking and made._stream == 17


def test_streams_are_made_on_the_devices_they_work_for(cupy):
    plan = make_run_plan(runs.NETWORK, runs.DATA, runs.settings(epochs=1))
    program = program_of(plan, Shape(1, 1, 2), Cuda(3))
    asked = []
    launcher = SimpleNamespace(resident_blocks=lambda *_: asked.append(cupy.device))
    own = SimpleNamespace(
        program=program,
        launcher=launcher,
        current=lambda: cupy._entering("device", 3),
    )
    made = card.Card(own, persistent=False)
    assert asked == [3]
    (stream,) = made._launches._streams
    assert not stream.stream.non_blocking  # it waits for the default stream
    with stream.stream:
        assert cupy.stream == "stream of 3"


def test_a_capture_ends_whatever_happens(cupy):
    stream = launches._Stream()
    assert stream.capture(lambda pointer: cupy.note(pointer)) == "graph"
    assert [call[0] for call in cupy.calls] == ["begin", 17, "end"]
    cupy.calls.clear()
    with pytest.raises(KeyboardInterrupt):
        stream.capture(lambda pointer: (_ for _ in ()).throw(KeyboardInterrupt))
    assert [call[0] for call in cupy.calls] == ["begin", "end"]


def test_a_copy_waits_for_itself_only(cupy):
    class OnCard:
        shape, dtype = (3,), np.dtype(np.float32)

        def get(self, out, blocking):
            cupy.note("get", blocking)
            out[:] = [1, 2, 3]

    with cupy._entering("stream", "of the run"):
        read = Arrays(Cuda(1)).begin_copy(OnCard())
    assert cupy.calls == [
        ("get", False, 1, "of the run"),
        ("event", 1, "of the run"),
    ]
    np.testing.assert_array_equal(read(), [1, 2, 3])
    assert [call[0] for call in cupy.calls[2:]] == ["wait"]


def test_a_span_is_between_two_events(cupy):
    span = timing.Span()
    cupy.note("work")
    span.end()
    assert span.wait() == 2
    assert [call[0] for call in cupy.calls] == ["event", "work", "event", "wait"]


def test_copies_between_devices(cupy):
    def part(pointer, index):
        data, device = SimpleNamespace(ptr=pointer), SimpleNamespace(id=index)
        return SimpleNamespace(data=data, device=device, nbytes=64)

    with cupy._entering("stream", "of the source"):
        servers.copy_between(part(1000, 4), part(2000, 5))
    (call,) = cupy.calls
    assert call[1:7] == (1000, 4, 2000, 5, 64, "of the source")
