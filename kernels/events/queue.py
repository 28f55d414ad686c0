"""The next of the workers' doings in time: a binary heap with one entry a worker."""

from hogblock.kernels.cpu.jit import exact


@exact
def before(time, a, b):
    """Whether worker a's doing comes before b's: ties go by the worker's number."""
    return time[a] < time[b] or (time[a] == time[b] and a < b)


@exact
def sink(heap, time, i):
    """Restore the order of `heap`, workers [n], after entry i has become later."""
    worker = heap[i]
    while True:
        child = 2 * i + 1
        if child >= heap.size:
            break
        if child + 1 < heap.size and before(time, heap[child + 1], heap[child]):
            child += 1
        if not before(time, heap[child], worker):
            break
        heap[i] = heap[child]
        i = child
    heap[i] = worker


@exact
def order(heap, time):
    """Put the workers of `heap` in order."""
    for i in range(heap.size // 2 - 1, -1, -1):
        sink(heap, time, i)
