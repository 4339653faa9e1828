"""Layout that the figures share: style, names, legends outside of the axes, and ticks whose labels do not overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

STYLE: Any = {
    "font.size": 8.5,
    "font.family": "sans-serif",
    # names of systems are shown as they are, also with dollar signs
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "riyl",
    "pdf.fonttype": 42,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31", "#7f7f7f", "#b15928")
"""Okabe and Ito's colours, which people with colour-vision deficiencies can distinguish; then four more."""
MARKERS = "osD^vPXh*<"
MAX_SYSTEMS = len(COLOURS)
"""Maximum number of systems in a figure."""

WIDTH = 7.2
"""Width of every figure, in inches: that of a page with margins."""

POINTS = 72
"""Points per inch, the unit of font sizes and text widths."""

ROW_HEIGHT = 2.0
"""Height of a row of panels, in inches."""

PLOT_HEIGHT = 1.4 * POINTS
"""Height of the axes in a row, at least, in points."""

LABEL_WIDTH = 0.9 * POINTS
"""Width that labels and spaces of a row take, at most, in points."""

MAX_NAME_LENGTH = 26
"""Maximum length of a name in figures, in characters; "version" and the id of one are shorter."""

SMALL = 7.0
"""Font size of legends and keys, in points."""

_LABEL_GAP = 4.0
"""Minimum distance between two tick labels, in points."""


def short(name: str) -> str:
    """Return a name of at most `MAX_NAME_LENGTH` characters; a longer one loses its middle.

    A name with an underscore in front gets a space before it, because legends leave out labels that begin with one.
    """
    name = f" {name}" if name.startswith("_") else name
    if len(name) <= MAX_NAME_LENGTH:
        return name
    end = (MAX_NAME_LENGTH - 1) // 2
    return f"{name[: MAX_NAME_LENGTH - 1 - end]}…{name[-end:]}"


def compared_systems(record: Mapping[str, Any]) -> list[str]:
    """Return the systems that figures show: those that are neither floors nor subsets nor other seeds.

    Of more than `MAX_SYSTEMS`, those shown are the first of each catalog, as many of one as of another.

    Args:
        record: the figures of an evaluation.
    """
    by_catalog: dict[str | None, list[str]] = {}
    names = []
    for entry in record["systems"]:
        if entry["role"] == "system":
            by_catalog.setdefault(entry.get("catalog"), []).append(entry["name"])
            names.append(entry["name"])
    in_turn = [name for turn in zip_longest(*by_catalog.values()) for name in turn if name is not None]
    return [name for name in names if name in in_turn[:MAX_SYSTEMS]]


def text_width(text: str, size: float) -> float:
    """Return the width of a text of this font size, both in points."""
    font = FontProperties(family=STYLE["font.family"], size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, False)
    return float(width)


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, list[list[Axes]]]:
    """Create a figure of this height, in inches, and its axes, row by row."""
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.subplots(rows, columns, squeeze=False, **options).tolist()


def legend_below(figure: Figure, axes: Sequence[Axes]) -> None:
    """Add one legend for all axes below them, in as many columns as the figure is wide; no legend without labels.

    The height of the figure grows by that of the legend, so the axes keep theirs.
    """
    handles: dict[tuple[str, str], Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            # two long names may look the same once they are short; their colours differ
            colour = str(handle.get_color()) if isinstance(handle, Line2D) else ""
            handles.setdefault((label, colour), handle)
    if not handles:
        return
    handle_width = 2.8 * SMALL  # the line and the space behind it
    widest = max(text_width(label, SMALL) for label, _ in handles) + handle_width
    columns = max(1, min(len(handles), int((WIDTH * POINTS - 2 * SMALL) / (widest + 1.5 * SMALL))))
    lines = -(-len(handles) // columns)
    figure.set_size_inches(WIDTH, figure.get_figheight() + (1.5 * SMALL * lines + 2 * SMALL) / POINTS)
    figure.legend(
        list(handles.values()),
        [label for label, _ in handles],
        loc="outside lower center",
        ncols=columns,
        fontsize=SMALL,
        handlelength=2,
        handletextpad=0.8,
        columnspacing=1.5,
    )


def key_width(names: Sequence[str], columns: int) -> float:
    """Return the width that `draw_key` needs for these names and this number of columns of values, in points."""
    return 2 * SMALL + max(text_width(name, SMALL) for name in names) + columns * 5.5 * SMALL


def draw_key(axis: Axes, head: Sequence[str], rows: Sequence[tuple[Mapping[str, Any], Sequence[str]]]) -> None:
    """Fill an axis with a table instead of data: the mark and the name of each system, and its values.

    Args:
        axis: axis with nothing in it, as wide as `key_width`, and high enough for `MAX_SYSTEMS` + 1 lines.
        head: heads of the columns of values.
        rows: options of a system's lines, among them its label, and a text for each column.
    """
    axis.set_axis_off()
    axis.set(xlim=(0, 1), ylim=(0, 1))
    total = key_width([str(style["label"]) for style, _ in rows], len(head))
    ends = [1 - 5.5 * SMALL * (len(head) - 1 - n) / total for n in range(len(head))]
    options: Any = {"fontsize": SMALL, "va": "center"}
    for end, text in zip(ends, head, strict=True):
        axis.text(end, 1 - 0.5 / (MAX_SYSTEMS + 1), text, ha="right", color="#55514a", **options)
    for n, (style, values) in enumerate(rows):
        y = 1 - (n + 1.5) / (MAX_SYSTEMS + 1)
        axis.add_line(Line2D([0, 1.3 * SMALL / total], [y, y], **{**style, "marker": ""}))
        axis.add_line(Line2D([0.65 * SMALL / total], [y], **style))
        axis.text(2 * SMALL / total, y, str(style["label"]), **options)
        for end, text in zip(ends, values, strict=True):
            axis.text(end, y, text, ha="right", **options)


def label_log_axis(axis: Axes, which: Literal["x", "y"], length: float) -> None:
    """Give a logarithmic axis round ticks, labelled in plain numbers that do not overlap; call it after drawing.

    Args:
        axis: axes with lines in them.
        which: the axis.
        length: its length in points, or less.
    """
    size = SMALL + 0.5
    low, high = sorted(axis.get_xlim() if which == "x" else axis.get_ylim())
    ticks = log_ticks(low, high, length, size, beside=which == "x")
    set_ticks = axis.set_xticks if which == "x" else axis.set_yticks
    set_ticks(ticks, [plain(tick) for tick in ticks])
    (axis.xaxis if which == "x" else axis.yaxis).minorticks_off()
    axis.tick_params(axis=which, labelsize=size)


def plain(value: float) -> str:
    """Format a tick: thousands are k, millions M."""
    for unit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{suffix}"
    return f"{value:g}"


def log_ticks(low: float, high: float, length: float, size: float, *, beside: bool) -> list[float]:
    """Choose round numbers of low..high for a logarithmic axis, as many as fit without an overlap of their labels.

    They are the first of these that are three at least: 1, 2 and 5 times powers of ten, 1 and 3 times, powers of ten,
    every second to fourth power, equal steps. If none has three, those with the most are taken.

    Args:
        low: lower limit of the axis, above 0.
        high: upper limit.
        length: its length, in points.
        size: font size of its labels, in points.
        beside: whether the labels stand beside each other (x), else above each other (y).

    Returns:
        Ticks, ascending; maybe none.
    """
    best: list[float] = []
    for candidates in _candidates(low, high):
        ticks = [tick for tick in candidates if low <= tick <= high]
        if len(ticks) > len(best) and _apart(ticks, low, high, length, size, beside):
            best = ticks
        if len(best) >= 3:
            break
    return best


def _candidates(low: float, high: float) -> Iterator[list[float]]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for multiples in ((1, 2, 5), (1, 3), (1,)):
        yield [float(f"{multiple}e{exponent}") for exponent in exponents for multiple in multiples]
    for step in (2, 3, 4):
        yield [float(f"1e{exponent}") for exponent in exponents if exponent % step == 0]
    for steps in (5, 4, 3, 2, 1):
        yield [float(tick) for tick in MaxNLocator(steps, steps=[1, 2, 5, 10]).tick_values(low, high) if tick > 0]


def _apart(ticks: Sequence[float], low: float, high: float, length: float, size: float, beside: bool) -> bool:
    """Return whether the labels of ascending ticks keep `_LABEL_GAP`."""
    centres = np.array([math.log(tick / low) / math.log(high / low) * length for tick in ticks])
    extents = np.array([text_width(plain(tick), size) if beside else 1.2 * size for tick in ticks])
    return bool((np.diff(centres) >= (extents[1:] + extents[:-1]) / 2 + _LABEL_GAP).all())
