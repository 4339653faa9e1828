"""Figures of a record (`riyl.evaluation.record`), drawn: counterparts of Figures 1 to 5 of Ferraro et al. 2023."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from riyl.core.files import write_bytes
from riyl.evaluation.figure_layout import (
    COLOURS,
    LABEL_WIDTH,
    MARKERS,
    MAX_SYSTEMS,
    PLOT_HEIGHT,
    POINTS,
    ROW_HEIGHT,
    SMALL,
    STYLE,
    WIDTH,
    compared_systems,
    draw_key,
    key_width,
    label_log_axis,
    legend_below,
    panels,
    short,
)

Record: TypeAlias = Mapping[str, Any]
Draw: TypeAlias = Callable[[Record], Figure | None]

FMC = "fmc"
"""Condition of the coherence entries that name none."""

FULL = (FMC, "fmc-judged")
"""Conditions of full modality coverage in records that do not mark these."""

MAX_CONDITIONS = 4
"""Maximum number of conditions in figure 3, so that it fits on a page; the tables have all."""


def draw_all(record: Record) -> dict[str, Figure]:
    """Draw every figure for which the record has data, by name; a pure function of the record."""
    with matplotlib.rc_context(STYLE):
        drawn = {name: draw(record) for name, draw in FIGURES.items()}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def svg(figure: Figure) -> str:
    """Return a figure as an <svg> element; the same figure gives the same text."""
    with matplotlib.rc_context(STYLE), io.StringIO() as out:
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        text = out.getvalue()
    return text[text.index("<svg") :]


def write_figures(record: Record, folder: Path) -> list[Path]:
    """Write each figure as NAME.svg and NAME.pdf, replacing files of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in draw_all(record).items():
        head = '<?xml version="1.0" encoding="utf-8" standalone="no"?>\n'
        with matplotlib.rc_context(STYLE), io.BytesIO() as out:
            figure.savefig(out, format="pdf", metadata={"CreationDate": None})
            files = {f"{name}.svg": (head + svg(figure)).encode(), f"{name}.pdf": out.getvalue()}
        for file, data in files.items():
            write_bytes(folder / file, data)
            written.append(folder / file)
    return written


def shown_coherence(record: Record) -> dict[str, list[Mapping[str, Any]]]:
    """Return the coherence entries that figure 3 shows, by condition."""
    by_condition: dict[str, list[Mapping[str, Any]]] = {}
    for entry in record["coherence"]:
        if entry["system"] in compared_systems(record):
            by_condition.setdefault(condition_of(entry), []).append(entry)
    return dict(list(by_condition.items())[:MAX_CONDITIONS])


def condition_of(entry: Mapping[str, Any]) -> str:
    """Return the condition of a coherence entry; records without it measured fmc alone."""
    return str(entry.get("condition", FMC))


def _style(record: Record, system: str) -> dict[str, Any]:
    position = compared_systems(record).index(system)
    colour, marker = COLOURS[position], MARKERS[position]
    return {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.1, "label": short(system)}


def accuracy_and_evenness(record: Record) -> Figure:
    """Draw figure 1: nDCG@k and Gini@k of every system in each condition, with 95 % intervals; noise as a line."""
    systems, conditions = compared_systems(record), [c["name"] for c in record["conditions"]]
    rows = {(r["condition"], r["system"]): r for r in record["results"]}
    figure, ((left, right),) = panels(1, 2, 0.9 + 0.3 * len(systems), sharey=True)
    for axis, measure in ((left, "ndcg"), (right, "gini")):
        for n, condition in enumerate(conditions):
            shift = (n - (len(conditions) - 1) / 2) * 0.5 / len(conditions)
            results = [rows[condition, system] for system in systems]
            middle = _numbers(r[measure] for r in results)
            low, high = (_numbers(r[f"{measure}_{end}"] for r in results) for end in ("low", "high"))
            axis.errorbar(
                middle,
                np.arange(len(systems)) + shift,
                xerr=np.clip([middle - low, high - middle], 0, None),
                fmt=MARKERS[n % MAX_SYSTEMS],
                color=COLOURS[n % MAX_SYSTEMS],
                markersize=4,
                linewidth=1,
                label=short(condition),
            )
            noise = rows[condition, "noise"][measure]
            if noise is not None:
                axis.axvline(noise, color=COLOURS[n % MAX_SYSTEMS], linewidth=0.7, linestyle=":")
        better = "higher is better" if measure == "ndcg" else "lower is more even"
        axis.set_xlabel(f"{'nDCG' if measure == 'ndcg' else 'Gini'}@{record['k']} ({better}; dotted: noise)")
        axis.set_xlim(left=0)
    left.set_yticks(range(len(systems)), [short(system) for system in systems])
    left.invert_yaxis()
    legend_below(figure, [left])
    return figure


def group_matrices(record: Record) -> Figure | None:
    """Draw figure 2: the modality groups of each group's first neighbours; one colour scale for all systems."""
    shown = [g for g in record["groups"] if g["system"] in {*compared_systems(record), "noise"}]
    if not shown:
        return None
    columns = 4
    rows = -(-len(shown) // columns)
    figure, grid = panels(rows, columns, 0.7 + 1.6 * rows, sharex=True, sharey=True)
    axes = [axis for row in grid for axis in row]
    names = ["+".join(m[:1].upper() for m in subset) for subset in shown[0]["subsets"]]
    image = None
    for axis, group in zip(axes, shown, strict=False):
        shares = np.array(group["shares"], np.float64)
        image = axis.imshow(shares, vmin=0, vmax=max(np.max(g["shares"]) for g in shown), cmap="viridis")
        of = f", {condition_of(group)}" if len({condition_of(g) for g in shown}) > 1 else ""
        axis.set_title(f"{short(group['system'])}{of}\nentropy {group['entropy']['mean']:.3f}", fontsize=6.5)
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=6.5)
        axis.set_yticks(range(len(names)), names, fontsize=6.5)
        axis.grid(False)
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    if image is not None:
        figure.colorbar(image, ax=axes, shrink=0.6, label="share of the top 5")
    figure.supxlabel("group of the neighbour", fontsize=8)
    figure.supylabel("group of the query", fontsize=8)
    return figure


def coherence_and_popularity(record: Record) -> Figure | None:
    """Draw figure 3: nDCG@k in 20 groups of queries by expected contrastive loss and by popularity.

    Each condition with coherence is a row; Kendall's tau of each system is beside it.
    """
    shown = shown_coherence(record)
    if not shown:
        return None
    axes_of = {"ecl": "expected contrastive loss", "pop_plays": "POP = log(listens + 1)"}
    key = key_width([short(entry["system"]) for entries in shown.values() for entry in entries], len(axes_of))
    panel = (WIDTH * POINTS - key - LABEL_WIDTH) / len(axes_of)
    figure = Figure(figsize=(WIDTH, 0.3 + ROW_HEIGHT * len(shown)))
    grid = figure.add_gridspec(len(shown), len(axes_of) + 1, width_ratios=[panel, panel, key])
    tops: list[Axes] = []
    for row, (condition, entries) in enumerate(shown.items()):
        axes: list[Axes] = []
        for column in range(len(axes_of)):
            above = tops[column] if row else None
            axes.append(figure.add_subplot(grid[row, column], sharex=above, sharey=axes[0] if axes else None))
        tops = tops or axes
        for axis, name in zip(axes, axes_of, strict=True):
            for entry in entries:
                curve = entry["curves"][name]
                style = _style(record, entry["system"])
                axis.plot(_numbers(p[name] for p in curve), _numbers(p["ndcg"] for p in curve), **style)
            axis.locator_params(axis="x", nbins=5)
            axis.tick_params(labelbottom=row == len(shown) - 1, labelsize=SMALL + 0.5)
        axes[1].tick_params(labelleft=False)
        _title(axes[0], condition)
        taus = [(_style(record, e["system"]), [_tau(e, name) for name in axes_of]) for e in entries]
        draw_key(figure.add_subplot(grid[row, -1]), ["tau ECL", "tau POP"], taus)
    for axis, title in zip(axes, axes_of.values(), strict=True):
        axis.set_xlabel(title)
    figure.supylabel(f"nDCG@{record['k']}", fontsize=8.5)
    return figure


def _tau(entry: Mapping[str, Any], name: str) -> str:
    tau = entry["tau"]["tau"][0][entry["tau"]["names"].index(name)]
    return "–" if tau is None else f"{tau:+.3f}"


def popularity_full(record: Record) -> Figure | None:
    """Draw figure 4: nDCG@k in 20 popularity groups relative to collaborative filtering alone.

    Each condition whose artists have all modalities is a row.
    """
    return _relative(record, [c["name"] for c in record["conditions"] if _is_full(c)])


def popularity_partial(record: Record) -> Figure | None:
    """Draw figure 5: as figure 4, for the other conditions; artists without plays are in the tables only."""
    return _relative(record, [c["name"] for c in record["conditions"] if not _is_full(c)])


def _is_full(condition: Mapping[str, Any]) -> bool:
    return bool(condition.get("full", condition["name"] in FULL))


def _relative(record: Record, conditions: Sequence[str]) -> Figure | None:
    tables: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for table in record["popularity"]:
        is_shown = table["system"] in compared_systems(record) and table["reference"] not in (None, table["system"])
        if is_shown and table["condition"] in conditions and any(row["ratio"] is not None for row in table["rows"]):
            tables.setdefault((table["condition"], table["by"]), []).append(table)
    if not tables:
        return None
    shown, by = list(dict.fromkeys(c for c, _ in tables)), list(dict.fromkeys(name for _, name in tables))
    figure, axes = panels(len(shown), len(by), 0.3 + ROW_HEIGHT * len(shown), sharex="col", sharey=True)
    for condition, row_axes in zip(shown, axes, strict=True):
        for axis, name in zip(row_axes, by, strict=True):
            for table in tables.get((condition, name), []):
                rows = [row for row in table["rows"] if row["ratio"] is not None]
                middle = np.sqrt(_numbers(r["low"] for r in rows) * _numbers(r["high"] for r in rows))
                axis.plot(middle, _numbers(r["ratio"] for r in rows), **_style(record, table["system"]))
            axis.axhline(1, color="#444444", linewidth=0.8)
            axis.set_xscale("log")
            axis.set_yscale("log")
        _title(row_axes[0], condition)
    for axis, name in zip(axes[-1], by, strict=True):
        label_log_axis(axis, "x", (WIDTH / len(by) - 0.8) * POINTS)
        axis.set_xlabel(f"{name} of the query")
    label_log_axis(axes[0][0], "y", PLOT_HEIGHT)
    reference = next(iter(tables.values()))[0]["reference"]
    figure.supylabel(f"nDCG@{record['k']} / that of {short(reference)}", fontsize=8.5)
    legend_below(figure, [axis for row_axes in axes for axis in row_axes])
    return figure


def rank_links(record: Record) -> Figure | None:
    """Draw figure 6: nDCG@k by the number of similar artists that a query has in the ground truth."""
    systems = compared_systems(record)
    entries = [entry for entry in record["links"] if entry["rows"] and entry["system"] in systems]
    conditions = list(dict.fromkeys(entry["condition"] for entry in entries))
    if not conditions:
        return None
    columns = min(2, len(conditions))
    rows = -(-len(conditions) // columns)
    figure, grid = panels(rows, columns, 0.3 + ROW_HEIGHT * rows, sharex=True, sharey=True)
    axes = [axis for row in grid for axis in row]
    for axis, condition in zip(axes, conditions, strict=False):
        for entry in entries:
            if entry["condition"] == condition:
                middle = [np.sqrt(row["low"] * row["high"]) for row in entry["rows"]]
                axis.plot(middle, _numbers(r["ndcg"] for r in entry["rows"]), **_style(record, entry["system"]))
        axis.set_xscale("log")
        _title(axis, condition)
    for axis in axes[len(conditions) :]:
        axis.set_axis_off()
    for axis in axes[len(conditions) - columns : len(conditions)]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("similar artists of the query")
    label_log_axis(axes[0], "x", (WIDTH / columns - 0.8) * POINTS)
    figure.supylabel(f"nDCG@{record['k']}", fontsize=8.5)
    legend_below(figure, axes)
    return figure


def _title(axis: Axes, condition: str) -> None:
    axis.set_title(short(condition), loc="left", fontsize=8.5)


def _numbers(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


FIGURES: Mapping[str, Draw] = {
    "figure-1-accuracy-and-evenness": accuracy_and_evenness,
    "figure-2-modality-groups": group_matrices,
    "figure-3-coherence-and-popularity": coherence_and_popularity,
    "figure-4-popularity-full-coverage": popularity_full,
    "figure-5-popularity": popularity_partial,
    "figure-6-links": rank_links,
}
"""Functions that draw each figure; they return None if the record has no data for it."""
