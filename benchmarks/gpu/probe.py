"""Rates of a card on which the engine's design rests, by kernels of their own.

Reads, additions and stores of all multiprocessors on one array about as large as the
parameters of 784-256-128-10, which every block goes through from another place; a
team's barrier; a launch; multiply-adds alone. Loads and additions are inline PTX with
side effects: the compiler may neither drop nor hoist them.

    python -m benchmarks.gpu.probe JOB     # see child.py
"""

import subprocess
import time

import numpy as np
from llvmlite import ir
from numba import cuda, float32, int32, types, uint32
from numba.cuda.extending import intrinsic

import hogblock.kernels.cuda.jit  # noqa: F401  numba-cuda with NumPy 2.5 and newer
from benchmarks.gpu.child import serve

THREADS = 256
BLOCKS_A_MULTIPROCESSOR = 4
FLOATS = 1 << 18  # 1.05 MB; the network has 0.94 MB of parameters
REPEATS = 20
READ_ROUNDS, WRITE_ROUNDS, BARRIER_ROUNDS, FMA_ROUNDS = 100, 30, 2_000, 20_000
LAUNCHES = 500
CHAINS, UNROLL = 8, 16  # independent multiply-adds of a thread, in a row
SPIN_LIMIT = 1 << 22
LINE = 32  # counters of teams lie in cache lines of their own
FLOAT = ir.FloatType()
WORD = ir.IntType(32)


def _place(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [builder.zext(index, ir.IntType(64))])


def loader(text, width=1):
    """Make an intrinsic ``load(array, index)``: float32, the sum of `width` of them."""
    given = ", ".join(f"${k}" for k in range(width))
    given = f"{{{given}}}" if width > 1 else given
    assembly = f"{text} {given}, [${width}];"
    constraints = "=f," * width + "l"

    @intrinsic
    def load(typing, array, index):
        def generate(context, builder, signature, arguments):
            place = _place(context, builder, signature.args[0], *arguments)
            kind = ir.LiteralStructType([FLOAT] * width) if width > 1 else FLOAT
            call = ir.FunctionType(kind, [place.type])
            code = ir.InlineAsm(call, assembly, constraints, side_effect=True)
            found = builder.call(code, [place])
            if width == 1:
                return found
            total = builder.extract_value(found, 0)
            for k in range(1, width):
                total = builder.fadd(total, builder.extract_value(found, k))
            return total

        return types.float32(array, index), generate

    return load


def storer(text, width=1):
    """Make an intrinsic ``store(array, index, value)``: the value `width` times."""
    given = ", ".join(["$1"] * width)
    given = f"{{{given}}}" if width > 1 else given

    @intrinsic
    def store(typing, array, index, value):
        def generate(context, builder, signature, arguments):
            array, index, value = arguments
            place = _place(context, builder, signature.args[0], array, index)
            call = ir.FunctionType(ir.VoidType(), [place.type, FLOAT])
            code = ir.InlineAsm(call, f"{text} [$0], {given};", "l,f", side_effect=True)
            builder.call(code, [place, value])
            return context.get_dummy_value()

        return types.void(array, index, value), generate

    return store


@intrinsic
def load_word(typing, array, index):
    """Read a uint32 that others change."""

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments)
        call = ir.FunctionType(WORD, [place.type])
        text = "ld.relaxed.gpu.global.u32 $0, [$1];"
        return builder.call(ir.InlineAsm(call, text, "=r,l", side_effect=True), [place])

    return types.uint32(array, index), generate


@intrinsic
def load_plain(typing, array, index):
    """Read as the compiler would, through the first-level cache."""

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments)
        call = ir.FunctionType(FLOAT, [place.type])
        text = "ld.global.f32 $0, [$1];"
        return builder.call(ir.InlineAsm(call, text, "=f,l", side_effect=True), [place])

    return types.float32(array, index), generate


def reading(load, width):
    """Make a kernel whose blocks read the whole array `rounds` times."""
    last, step = np.uint32(FLOATS - 1), np.uint32(THREADS * width)

    def kernel(x, out, rounds):
        a = b = c = d = float32(0)
        # A block begins where no other does: a prime number of steps further on.
        j = uint32(cuda.blockIdx.x) * uint32(5) * step
        j = uint32(j + uint32(cuda.threadIdx.x) * uint32(width))
        for _ in range(rounds * (FLOATS // (4 * THREADS * width))):
            a += load(x, uint32(j & last))
            b += load(x, uint32((j + step) & last))
            c += load(x, uint32((j + uint32(2) * step) & last))
            d += load(x, uint32((j + uint32(3) * step) & last))
            j = uint32(j + uint32(4) * step)
        out[cuda.grid(1)] = a + b + c + d

    return kernel


def writing(store, width):
    """Make a kernel whose blocks change the whole array `rounds` times."""
    last, step = np.uint32(FLOATS - 1), np.uint32(THREADS * width)

    def kernel(x, out, rounds):
        value = float32(cuda.threadIdx.x)
        j = uint32(cuda.blockIdx.x) * uint32(5) * step
        j = uint32(j + uint32(cuda.threadIdx.x) * uint32(width))
        for _ in range(rounds * (FLOATS // (THREADS * width))):
            store(x, uint32(j & last), value)
            j = uint32(j + step)

    return kernel


def meeting(counters, failed, team, rounds):
    """Let teams of `team` blocks meet `rounds` times; all blocks must be resident."""
    own = uint32(cuda.blockIdx.x) // team * uint32(LINE)
    target = spins = uint32(0)
    for _ in range(rounds):
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            target += team
            cuda.threadfence()
            cuda.atomic.add(counters, own, uint32(1))
            while load_word(counters, own) < target:
                spins += uint32(1)  # of all rounds: who gave up once, never waits again
                if spins > uint32(SPIN_LIMIT):
                    failed[0] = uint32(1)
                    break
            cuda.threadfence()
        cuda.syncthreads()


def multiplying(out, factor, rounds):
    """Multiply and add in `CHAINS` independent chains."""
    a = b = c = d = e = f = g = h = float32(cuda.threadIdx.x)
    for _ in range(rounds):
        for _ in range(UNROLL):
            a, b = a * factor + float32(1), b * factor + float32(2)
            c, d = c * factor + float32(3), d * factor + float32(4)
            e, f = e * factor + float32(5), f * factor + float32(6)
            g, h = g * factor + float32(7), h * factor + float32(8)
    out[cuda.grid(1)] = a + b + c + d + e + f + g + h


def nothing():
    """Do nothing."""


def nothing_with(a, b, c, d):
    """Do nothing with four arrays."""


ARRAY = float32[::1]
WORDS = uint32[::1]
READ_ARGUMENTS = (ARRAY, ARRAY, int32)
LOADS = {
    "read ld.relaxed.gpu": (loader("ld.relaxed.gpu.global.f32"), 1),
    "read ld.relaxed.gpu.v4": (loader("ld.relaxed.gpu.global.v4.f32", 4), 4),
    "read ld.global.cg.v4": (loader("ld.global.cg.v4.f32", 4), 4),
    "read ld.global": (load_plain, 1),
}
STORES = {
    "add red.f32": (storer("red.relaxed.gpu.global.add.f32"), 1, (7, 0)),
    "add red.v4.f32": (storer("red.relaxed.gpu.global.add.v4.f32", 4), 4, (9, 0)),
    "store st.global": (storer("st.global.f32"), 1, (7, 0)),
    "store st.relaxed.gpu": (storer("st.relaxed.gpu.global.f32"), 1, (7, 0)),
    "store st.global.v4": (storer("st.global.v4.f32", 4), 4, (7, 0)),
}
KERNELS = {  # function, types of its arguments, least compute capability
    name: (reading(*load), READ_ARGUMENTS, (7, 0)) for name, load in LOADS.items()
}
KERNELS |= {
    name: (writing(store, width), READ_ARGUMENTS, least)
    for name, (store, width, least) in STORES.items()
}
KERNELS |= {
    "barrier": (meeting, (WORDS, WORDS, uint32, int32), (7, 0)),
    "multiply-add": (multiplying, (ARRAY, float32, int32), (7, 0)),
    "launch": (nothing, (), (7, 0)),
    "launch, 4 arrays": (nothing_with, (ARRAY,) * 4, (7, 0)),
}


def ptx(name, cc):
    """Compile a kernel to PTX; needs no card."""
    function, arguments, _ = KERNELS[name]
    own = dict(cc=cc, device=False, abi="numba", output="ptx", fastmath=True)
    return cuda.compile(function, arguments, **own)[0]


def compiled(name):
    """Compile a kernel for the card at hand."""
    function, arguments, least = KERNELS[name]
    capability = cuda.get_current_device().compute_capability
    if tuple(capability) < least:
        raise RuntimeError(f"needs compute capability {least}, this is {capability}")
    return cuda.jit(arguments, fastmath=True)(function)


def seconds_of(launch, repeats=REPEATS):
    """Seconds of several launches, by events; one more goes before."""
    launch()
    marks = [(cuda.event(), cuda.event()) for _ in range(repeats)]
    for start, end in marks:
        start.record()
        launch()
        end.record()
    cuda.synchronize()
    return [cuda.event_elapsed_time(*pair) / 1e3 for pair in marks]


def multiprocessors():
    """Multiprocessors of the card."""
    return cuda.get_current_device().MULTIPROCESSOR_COUNT


def memory_rate(name):
    """Bytes a second that a reading or writing kernel moves."""
    blocks = multiprocessors() * BLOCKS_A_MULTIPROCESSOR
    rounds = READ_ROUNDS if name in LOADS else WRITE_ROUNDS
    kernel = compiled(name)[blocks, THREADS]
    x = cuda.to_device(np.ones(FLOATS, np.float32))
    out = cuda.device_array(blocks * THREADS, np.float32)
    spent = seconds_of(lambda: kernel(x, out, rounds))
    return [blocks * rounds * 4 * FLOATS / s for s in spent]


def barrier_seconds(team):
    """Seconds of one meeting of teams of `team` blocks that fill the card."""
    teams = multiprocessors() // team
    if not teams:
        raise RuntimeError(f"the card has fewer than {team} multiprocessors")
    kernel = compiled("barrier")[teams * team, THREADS]
    failed = cuda.to_device(np.zeros(1, np.uint32))
    zeros = np.zeros(teams * LINE, np.uint32)
    counters = [cuda.to_device(zeros) for _ in range(REPEATS + 1)]
    left = iter(counters)
    spent = seconds_of(lambda: kernel(next(left), failed, team, BARRIER_ROUNDS))
    if failed.copy_to_host()[0]:
        raise RuntimeError("blocks did not meet: not all were resident")
    return [s / BARRIER_ROUNDS for s in spent]


def multiply_add_rate():
    """Operations a second, two for a multiply-add."""
    blocks = multiprocessors() * BLOCKS_A_MULTIPROCESSOR
    kernel = compiled("multiply-add")[blocks, THREADS]
    out = cuda.device_array(blocks * THREADS, np.float32)
    spent = seconds_of(lambda: kernel(out, np.float32(0.5), FMA_ROUNDS))
    work = 2 * CHAINS * UNROLL * FMA_ROUNDS * blocks * THREADS
    return [work / s for s in spent]


def launch_seconds(name):
    """Seconds of one of many launches, one after another."""
    kernel = compiled(name)[1, 32]
    arrays = [cuda.device_array(8, np.float32) for _ in range(4)]
    arguments = arrays if name != "launch" else ()

    def launch():
        for _ in range(LAUNCHES):
            kernel(*arguments)

    return [s / LAUNCHES for s in seconds_of(launch, 5)]


def node_seconds():
    """Seconds of one node of a CUDA graph of many empty kernels."""
    import cupy

    kernel = compiled("launch")
    stream = cupy.cuda.Stream(non_blocking=True)
    wrapped = cuda.external_stream(stream.ptr)
    stream.begin_capture()
    for _ in range(LAUNCHES):
        kernel[1, 32, wrapped]()
    graph = stream.end_capture()
    spent = []
    for _ in range(6):
        start = time.perf_counter()
        graph.launch(stream)
        stream.synchronize()
        spent.append((time.perf_counter() - start) / LAUNCHES)
    return spent[1:]


def probe(case, job, clock):
    """Measure what a case names: ``what`` and, of a barrier, ``team``."""
    what = case["what"]
    if what in LOADS or what in STORES:
        return {"unit": "B/s", "values": memory_rate(what)}
    if what == "barrier":
        return {"unit": "s", "values": barrier_seconds(case["team"])}
    if what == "multiply-add":
        return {"unit": "FLOP/s", "values": multiply_add_rate()}
    if what == "graph node":
        return {"unit": "s", "values": node_seconds()}
    return {"unit": "s", "values": launch_seconds(what)}


def card(case, job, clock):
    """Describe the card."""
    device = cuda.get_current_device()
    free, total = cuda.current_context().get_memory_info()
    name = device.name
    query = "--query-gpu=driver_version,clocks.max.sm,clocks.sm,power.limit"
    command = ["nvidia-smi", query, "--format=csv,noheader"]
    try:
        driver = subprocess.run(command, capture_output=True, text=True, timeout=20)
        smi = driver.stdout.strip().splitlines()[0]
    except (OSError, IndexError, subprocess.SubprocessError) as error:
        smi = f"not read: {error}"
    return {
        "card": name.decode() if isinstance(name, bytes) else str(name),
        "compute_capability": list(device.compute_capability),
        "multiprocessors": multiprocessors(),
        "clock_kHz": device.CLOCK_RATE,
        "l2_bytes": device.L2_CACHE_SIZE,
        "memory_bytes": total,
        "free_bytes": free,
        "driver, highest clock, clock, power limit": smi,
    }


if __name__ == "__main__":
    serve({"probe": probe, "card": card})
