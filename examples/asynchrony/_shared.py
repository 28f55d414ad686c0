"""What the scripts of this folder share: their options, tables and pictures."""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

COLORS = ("#1f5fa8", "#c2571a", "#2d8a57", "#8b1e5b")
"""Of series, in this order, so that they can be told apart without colours too."""
MARKERS = ("o", "s", "^", "D")
SIMULATED = {"linestyle": "none", "markersize": 6, "markerfacecolor": "white"}
"""Simulations are markers, theory is lines."""


def options(text: str) -> argparse.Namespace:
    """`--out` and `--quick`; `text` is what the script is for."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        default="results",
        type=Path,
        help="folder of the picture (%(default)s)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a smaller budget, for a first look"
    )
    return parser.parse_args()


def print_table(head: list[str], rows: list[list]) -> None:
    """Numbers in columns as wide as their heads."""
    print("  ".join(head))
    for row in rows:
        cells = zip(row, head, strict=True)
        print("  ".join(f"{_text(cell):>{len(name)}}" for cell, name in cells))
    print()


def _text(cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:.4g}"


def new_figure(panels: int = 1) -> tuple[Figure, list]:
    """A figure and its panels, side by side."""
    figure = Figure(figsize=(1 + 5.5 * panels, 4.6), dpi=120, layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for each in axes:
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a picture, and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    figure.savefig(path)
    print(f"picture in {path}")
