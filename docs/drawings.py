"""Draws the methods and the shared vector, as SVG, to docs/images::

    python docs/drawings.py

Time runs to the right. Above are the workers, a bar a step: light while it goes
forward, dark while it goes backward. Below are the parameters, a row a block: a bar is
a write, in the colour of the worker that makes it. docs/method.md, section 4, says what
is drawn.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "images"
LIGHT, DARK = ("#a9c8ef", "#f6cfa4"), ("#1f5fa8", "#c2571a")  # of the two workers
INK, GREY, PAPER = "#222222", "#8a8a8a", "#ffffff"
LEFT, TOP, UNIT = 118, 34, 33  # pixels; a unit of time is that of a forward pass
LANE, BAR, GAP = 34, 22, 26
WIDTH = 720
FULL, OWN, LAST = "full", "own", "From"


class Step(NamedTuple):
    """A step of a worker, which begins at `start` (in units of time)."""

    worker: int
    start: float
    scope: str = FULL
    forward: float = 1.0
    backward: float = 1.5
    share: float = 1.0  # of the samples, that go below the output layer
    waits: float = 0.0  # for the lock, before it writes

    @property
    def turned(self):
        """When it has gone forward."""
        return self.start + self.forward

    @property
    def end(self):
        return self.turned + self.backward + self.waits


class Drawing:
    """Elements of a picture with lanes for workers and rows for blocks."""

    def __init__(self, workers: int, rows: tuple[str, ...], title: str):
        self.workers, self.rows = workers, rows
        self.height = TOP + (workers + len(rows)) * LANE + GAP + 30
        self.parts = [f"<title>{title}</title>"]
        for k in range(workers):
            self.text(LEFT - 10, self.lane(k) + 15, f"worker {k + 1}", "end")
        for k, name in enumerate(rows):
            y = self.row(k)
            self.text(LEFT - 10, y + 15, name, "end")
            self.box(LEFT, y, WIDTH - LEFT - 16, BAR, "#f0f0f0", "#c9c9c9")
        if rows:
            y = self.row(len(rows)) + 8
            self.text(LEFT, y, "time →", size=12, color=GREY)

    def lane(self, worker: int) -> float:
        return TOP + worker * LANE

    def row(self, block: int) -> float:
        return TOP + self.workers * LANE + GAP + block * LANE

    @staticmethod
    def x(time: float) -> float:
        return LEFT + 8 + time * UNIT

    def text(self, x, y, words, anchor="start", size=13, color=INK):
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{color}">{words}</text>'
        )

    def box(self, x, y, width, height, fill, edge="none", dashes="", opacity=1.0):
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" '
            f'fill="{fill}" fill-opacity="{opacity:g}" stroke="{edge}"{dashed}/>'
        )

    def line(self, x1, y1, x2, y2, color=GREY, dashes="4 3", width=1.5):
        self.parts.append(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{color}" '
            f'stroke-width="{width}" stroke-dasharray="{dashes}"/>'
        )

    def arrow(self, x1, y1, x2, y2, color, dashes):
        self.line(x1, y1, x2, y2, color, dashes, 2)
        tip, wing = (y2, -8) if y2 > y1 else (y2, 8)
        self.parts.append(
            f'<polygon points="{x2:g},{tip:g} {x2 - 5:g},{tip + wing:g} '
            f'{x2 + 5:g},{tip + wing:g}" fill="{color}"/>'
        )

    def note(self, time, words):
        self.text(self.x(time), TOP - 14, words, size=12, color=GREY)

    def bar(self, worker, start, length, color, share=1.0):
        height = BAR * share
        top = self.lane(worker) + BAR - height
        self.box(self.x(start), top, length * UNIT - 1, height, color)

    def write(self, block, worker, start, length, share=1.0):
        height = (BAR - 6) * share
        top = self.row(block) + 3 + (BAR - 6 - height)
        self.box(
            self.x(start), top, length * UNIT - 1, height, DARK[worker], opacity=0.7
        )

    def lost(self, block, start, length):
        """Where two workers write the same block at the same time."""
        self.box(
            self.x(start) - 1, self.row(block) - 1, length * UNIT + 1, BAR + 2,
            "none", "#b00020", "3 2",
        )  # fmt: skip

    def svg(self) -> str:
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} '
            f'{self.height:g}" width="{WIDTH}" height="{self.height:g}" '
            f'font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{self.height:g}" rx="6" fill="{PAPER}"/>\n'
            f"{body}\n</svg>\n"
        )


def draw_step(drawing: Drawing, step: Step, writes: dict[int, tuple[float, float]]):
    """A step and its writes, `writes`: block -> its part of the backward pass."""
    drawing.bar(step.worker, step.start, step.forward, LIGHT[step.worker])
    if step.waits:
        x, y = drawing.x(step.turned), drawing.lane(step.worker)
        drawing.box(x, y + 5, step.waits * UNIT - 1, BAR - 10, PAPER, GREY, "3 2")
    begun = step.turned + step.waits
    drawing.bar(step.worker, begun, step.backward, DARK[step.worker], step.share)
    for block, (first, last) in writes.items():
        drawing.write(
            block,
            step.worker,
            begun + first * step.backward,
            (last - first) * step.backward,
            step.share if block == 1 else 1.0,
        )


# Rows from the output down, as a backward pass goes.
HALVES = ("last layers", "first layers")
WRITES = {FULL: {0: (0, 0.5), 1: (0.5, 1)}, LAST: {0: (0, 1)}}


def mark_races(drawing: Drawing, steps: list[Step], rows: dict | None = None):
    """Frames around writes of two workers to one block that overlap."""
    spans = [
        (block, step.worker, *(step.turned + part * step.backward for part in parts))
        for step in steps
        for block, parts in (rows or writes_of(step)).items()
    ]
    for k, (block, worker, start, end) in enumerate(spans):
        for other_block, other, begun, ended in spans[k + 1 :]:
            first, last = max(start, begun), min(end, ended)
            if block == other_block and worker != other and first < last:
                drawing.lost(block, first, last - first)


def writes_of(step: Step) -> dict[int, tuple[float, float]]:
    """The blocks that a step writes, and when, as parts of its backward pass."""
    if step.scope == OWN:  # worker 1 owns the first layers: nearly all of the way back
        return {1: (0.55, 1)} if step.worker == 0 else {0: (0, 1)}
    return WRITES[step.scope]


def run(worker: int, start: float, scopes: str, **options) -> Iterator[Step]:
    """Steps one after another: f full, o own, l from the last layers on."""
    names = {"f": FULL, "o": OWN, "l": LAST}
    for letter in scopes:
        scope = names[letter]
        short = scope == LAST or (scope == OWN and worker == 1)
        own = {"backward": 0.6} if short else {}
        if scope == OWN and worker == 0:
            own = {"backward": 1.3}
        step = Step(worker, start, scope, **(own | options))
        yield step
        start = step.end + 0.1


def picture(title: str, steps: list[Step], workers=2, rows=HALVES, note="") -> str:
    drawing = Drawing(workers, rows, title)
    for step in steps:
        draw_step(drawing, step, writes_of(step))
    mark_races(drawing, steps)
    drawing.note(0, note or title)
    return drawing.svg()


def sgd():
    steps = list(run(0, 0, "ffffff"))
    return picture("sgd: one worker, one step after another", steps, workers=1)


def hogwild():
    steps = [*run(0, 0, "ffffff"), *run(1, 0.4, "fffff", backward=1.7)]
    return picture(
        "hogwild: everybody writes everything; in the red frames an update may be lost",
        steps,
    )


def assm():
    rounds = [Step(0, 0, forward=2.1), Step(1, 0.2, forward=1.8)]
    steps, free = [], 0.0  # `free`: when the lock is
    for next_forward in (1.4, 1.9, 1.6, 1.2, 2.0, 1.3, 1.7, 1.5, 2.1, 1.4, 1.8):
        step = min(rounds, key=lambda each: each.turned)
        step = step._replace(backward=0.7, waits=max(0.0, free - step.turned))
        free = step.end
        steps.append(step)
        rounds[step.worker] = Step(step.worker, step.end + 0.1, forward=next_forward)
    drawing = Drawing(2, HALVES, "assm: whole updates under one lock")
    for step in steps:
        draw_step(drawing, step, {0: (0, 0.5), 1: (0.5, 1)})
    drawing.note(
        0, "assm: gradient (light) and update (dark), which holds a lock; dashed: waits"
    )
    return drawing.svg()


def passm():
    steps = [*run(0, 0, "oooooo"), *run(1, 0.3, "ooooooooo")]
    return picture(
        "passm: each worker writes its own block; that of the last layers costs less",
        steps,
    )


def passm_plus():
    steps = [*run(0, 0, "ffofof"), *run(1, 0.35, "ffofofo")]
    drawing_note = "passm+: full steps at first, then own block and everything in turn"
    return picture(drawing_note, steps)


def mixed():
    steps = [*run(0, 0, "fflflll"), *run(1, 0.4, "fflfllll")]
    return picture(
        "mixed: scopes by shares; here full steps first, later mostly the last layers",
        steps,
    )


def thinned():
    options = {"backward": 1.1, "share": 0.45}
    steps = [*run(0, 0, "fffffff", **options), *run(1, 0.3, "fffffff", **options)]
    drawing = Drawing(
        2, ("output layer", "all below"), "thinned: all samples teach the output layer"
    )
    writes = {0: (0, 0.25), 1: (0.25, 1)}
    for step in steps:
        draw_step(drawing, step, writes)
        # All samples pass through the output layer.
        drawing.bar(step.worker, step.turned, 0.25 * step.backward, DARK[step.worker])
    mark_races(drawing, steps, writes)
    drawing.note(
        0,
        "thinned: all samples teach the output layer, some all below (height: samples)",
    )
    return drawing.svg()


def sync():
    drawing = Drawing(
        2, ("half of x", "other half"), "sync: shares of a minibatch, one update"
    )
    start = 0.0
    for slow in (0, 1, 0, 1):
        ends = []
        for worker in (0, 1):
            late = 0.5 if worker == slow else 0.0
            drawing.bar(worker, start, 0.8 + late / 2, LIGHT[worker])
            turned = start + 0.8 + late / 2
            drawing.bar(worker, turned, 1.2 + late / 2, DARK[worker])
            ends.append(turned + 1.2 + late / 2)
        barrier = max(ends) + 0.1
        for worker in (0, 1):
            drawing.write(1 - worker, worker, barrier + 0.1, 0.7)
        for time in (barrier, barrier + 0.9):
            x = drawing.x(time)
            drawing.line(x, TOP - 6, x, drawing.row(2) - 8)
        start = barrier + 1.0
    drawing.note(
        0, "sync: half a minibatch each, a barrier, each updates half of x, a barrier"
    )
    return drawing.svg()


def overview():
    """Workers around one vector, as the first page shows them."""
    drawing = Drawing(0, (), "Workers share one vector of parameters, cut into blocks")
    drawing.height = 270
    left, block = 190, 100
    for worker, (x, name) in enumerate([(190, "worker 1"), (400, "worker 2")]):
        drawing.box(x, 24, 190, 62, LIGHT[worker], DARK[worker])
        drawing.text(x + 95, 48, name, "middle", 15)
        drawing.text(x + 95, 70, "forward, backward", "middle", 12)
        for k in (0, 1):  # its own blocks
            target = left + (2 * worker + k) * block + block / 2
            drawing.arrow(x + 70 + 50 * k, 90, target, 168, DARK[worker], "none")
        other = left + (2 * (1 - worker) + 1 - worker) * block + block / 2
        drawing.arrow(other, 168, x + 95, 90, GREY, "4 3")
    for k in range(4):
        x = left + k * block
        drawing.box(x, 172, block - 3, 34, DARK[k // 2])
        drawing.text(x + block / 2, 194, f"block {k + 1}", "middle", 13, PAPER)
    drawing.text(left - 14, 194, "parameters x", "end", 14)
    drawing.text(left - 14, 60, "next minibatch →", "end", 14)
    drawing.text(
        left,
        234,
        "solid: writes its blocks, without a lock, while others read",
        size=13,
    )
    drawing.text(
        left, 254, "dashed: reads all the others, as old as they happen to be", size=13
    )
    return drawing.svg()


METHODS = {
    "sgd": sgd,
    "sync": sync,
    "hogwild": hogwild,
    "assm": assm,
    "passm": passm,
    "passm+": passm_plus,
    "mixed": mixed,
    "thinned": thinned,
}


def drawings() -> dict[str, str]:
    """Name of each file, and what is in it."""
    return {"overview.svg": overview()} | {
        f"method-{name.replace('+', '-plus')}.svg": draw()
        for name, draw in METHODS.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in drawings().items():
        (FOLDER / name).write_text(text)
