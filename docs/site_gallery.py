"""Order and pictures of the gallery."""

from pathlib import Path

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

FIRST = ("grid_search", "imbalanced", "calibration", "quantile", "early_stopping")
"""Examples that come before the others, which follow by name."""


class Order:
    """Sort key of the examples."""

    def __init__(self, src_dir):
        pass

    def __call__(self, filename):
        name = filename.removeprefix("plot_").removesuffix(".py")
        return (FIRST.index(name) if name in FIRST else len(FIRST), name)


def report_figures(block, block_vars, gallery_conf):
    """Save the figures that `hogblock.report` returns, which pyplot does not know."""
    names = block_vars["example_globals"]
    figures = {name: value for name, value in names.items() if type(value) is Figure}
    saved = names.setdefault("__saved__", set())
    paths = []
    for name in figures.keys() - saved:
        saved.add(name)
        if figures[name].canvas.manager is not None:  # pyplot's, saved already
            continue
        path = next(block_vars["image_path_iterator"])
        figures[name].savefig(path, dpi=100)
        paths.append(path)
    return figure_rst([str(Path(path)) for path in paths], gallery_conf["src_dir"])
