"""Graph of a network: layers as they run, and which output each of them reads.

Buffer 0 is the input and buffer k + 1 the output of stage k. Stages are in an order in
which each reads only what is before it.
"""

from collections import Counter
from dataclasses import dataclass, replace

from hogblock.models.layers import Add, Layer, Residual


@dataclass(frozen=True)
class Stage:
    """A layer as it runs.

    Attributes
    ----------
    layer : Layer
    sources : tuple of int
        Buffers that it reads.
    name : str
        Position of the layer in the user's list, such as ``"3"`` or ``"4.1"``.
    shape : tuple of int
        Shape of its output.
    """

    layer: Layer
    sources: tuple[int, ...]
    name: str
    shape: tuple[int, ...]


class _Graph:
    def __init__(self, input_shape):
        self.shapes = [input_shape]
        self.stages: list[Stage] = []

    def append(self, layer, sources, name, shown) -> int:
        """Add a stage; returns the buffer that it writes."""
        shapes = [self.shapes[s] for s in sources]
        try:
            shape = layer.joined_shape(shapes)
        except ValueError as error:
            raise ValueError(f"layer {name} ({shown}): {error}") from None
        self.stages.append(Stage(layer, tuple(sources), name, shape))
        self.shapes.append(shape)
        return len(self.stages)

    def extend(self, layers, source, prefix="") -> int:
        """Add a list of layers that reads buffer `source`; returns what it writes."""
        outputs = [source]
        for position, layer in enumerate(layers):
            name = f"{prefix}{position}"
            if not isinstance(layer, Layer):
                raise ValueError(
                    f"layer {name} is {layer!r}, which is no hogblock layer"
                )
            if isinstance(layer, Residual):
                body = self.extend(layer.layers, source, f"{name}.")
                short = self.extend(layer.shortcut, source, f"{name}.shortcut.")
                source = self.append(Add(-1), (body, short), name, "Residual")
            elif isinstance(layer, Add):
                if layer.source >= position:
                    raise ValueError(
                        f"layer {name} ({layer}): source must be the position of a "
                        f"layer before it, at most {position - 1}"
                    )
                joined = (source, outputs[layer.source + 1])
                source = self.append(layer, joined, name, layer)
            else:
                for part in layer.parts():
                    source = self.append(part, (source,), name, layer)
            outputs.append(source)
        return source


def make_stages(layers, input_shape) -> list[Stage]:
    """Stages of a list of layers, each with what it can absorb of the following ones.

    Raises
    ------
    ValueError
        If a layer is unknown or does not fit its input; the message names it.
    """
    graph = _Graph(input_shape)
    graph.extend(layers, 0)
    return _absorbed(graph.stages)


def _absorbed(stages: list[Stage]) -> list[Stage]:
    readers = Counter(source for stage in stages for source in stage.sources)
    kept: list[Stage] = []
    buffers = {0: 0}  # before -> after
    for k, stage in enumerate(stages):
        both = None
        if kept and stage.sources == (k,) and readers[k] == 1:  # nobody else sees it
            both = kept[-1].layer.absorb(stage.layer)
        if both is None:
            sources = tuple(buffers[s] for s in stage.sources)
            kept.append(replace(stage, sources=sources))
        else:
            kept[-1] = replace(kept[-1], layer=both, shape=stage.shape)
        buffers[k + 1] = len(kept)
    return kept
