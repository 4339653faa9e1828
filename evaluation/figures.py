"""Figures of a record (`riyl.evaluation.record`), drawn: counterparts of Figures 1 to 5 of Ferraro et al. 2023."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from riyl.core.files import write_bytes

Record: TypeAlias = Mapping[str, Any]
Draw: TypeAlias = Callable[[Record], Figure | None]

STYLE: Any = {
    "font.size": 8.5,
    "font.family": "sans-serif",
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


def _compared(record: Record) -> list[str]:
    """Return the systems that figures show: those that are neither floors nor subsets nor other seeds."""
    return [entry["name"] for entry in record["systems"] if entry["role"] == "system"][:MAX_SYSTEMS]


def _style(record: Record, system: str) -> dict[str, Any]:
    position = _compared(record).index(system)
    return {"color": COLOURS[position], "marker": MARKERS[position], "markersize": 4, "linewidth": 1.1, "label": system}


def _figure(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(7.2, height))
    return figure, list(np.atleast_1d(figure.subplots(rows, columns, **options)).ravel())


def accuracy_and_evenness(record: Record) -> Figure:
    """Draw figure 1: nDCG@k and Gini@k of every system in each condition, with 95 % intervals; noise as a line."""
    systems, conditions = _compared(record), [c["name"] for c in record["conditions"]]
    rows = {(r["condition"], r["system"]): r for r in record["results"]}
    figure, axes = _figure(1, 2, 1.2 + 0.3 * len(systems), sharey=True)
    for axis, measure in zip(axes, ("ndcg", "gini"), strict=True):
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
                label=condition,
            )
            noise = rows[condition, "noise"][measure]
            if noise is not None:
                axis.axvline(noise, color=COLOURS[n % MAX_SYSTEMS], linewidth=0.7, linestyle=":")
        better = "higher is better" if measure == "ndcg" else "lower is more even"
        axis.set_xlabel(f"{'nDCG' if measure == 'ndcg' else 'Gini'}@{record['k']} ({better}; dotted: noise)")
        axis.set_xlim(left=0)
    axes[0].set_yticks(range(len(systems)), systems)
    axes[0].invert_yaxis()
    axes[1].legend(loc="best")
    return figure


def group_matrices(record: Record) -> Figure | None:
    """Draw figure 2: the modality groups of each group's first neighbours; one colour scale for all systems."""
    shown = [g for g in record["groups"] if g["system"] in {*_compared(record), "noise"}]
    if not shown:
        return None
    columns = 4
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(7.2, 0.7 + 1.6 * rows))
    axes = list(np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel())
    names = ["+".join(m[:1].upper() for m in subset) for subset in shown[0]["subsets"]]
    image = None
    for axis, group in zip(axes, shown, strict=False):
        shares = np.array(group["shares"], np.float64)
        image = axis.imshow(shares, vmin=0, vmax=max(np.max(g["shares"]) for g in shown), cmap="viridis")
        axis.set_title(f"{group['system']}\nentropy {group['entropy']['mean']:.3f}", fontsize=7.5)
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
    """Draw figure 3: nDCG@k in 20 groups of queries by expected contrastive loss and by popularity, on fmc."""
    shown = [c for c in record["coherence"] if c["system"] in _compared(record)]
    if not shown:
        return None
    axes_of = {"ecl": "expected contrastive loss", "pop_plays": "POP = log(listens + 1)"}
    figure, axes = _figure(1, len(axes_of), 2.6, sharey=True)
    for axis, (name, title) in zip(axes, axes_of.items(), strict=True):
        for entry in shown:
            tau = entry["tau"]["tau"][0][entry["tau"]["names"].index(name)]
            style = _style(record, entry["system"])
            style["label"] = f"{entry['system']}, tau {'undefined' if tau is None else f'{tau:+.3f}'}"
            curve = entry["curves"][name]
            axis.plot(_numbers(p[name] for p in curve), _numbers(p["ndcg"] for p in curve), **style)
        axis.set_xlabel(title)
        axis.legend(fontsize=7)
    axes[0].set_ylabel(f"nDCG@{record['k']}")
    return figure


def popularity_fmc(record: Record) -> Figure | None:
    """Draw figure 4: nDCG@k in 20 popularity groups relative to collaborative filtering alone, on fmc."""
    return _relative(record, "fmc")


def popularity_raw(record: Record) -> Figure | None:
    """Draw figure 5: as figure 4, on raw; artists without plays are in the tables only."""
    return _relative(record, "raw")


def _relative(record: Record, condition: str) -> Figure | None:
    tables = [p for p in record["popularity"] if p["condition"] == condition and p["system"] in _compared(record)]
    by = list(dict.fromkeys(p["by"] for p in tables if p["reference"] is not None))
    if not by:
        return None
    figure, axes = _figure(1, len(by), 2.9, sharey=True)
    for axis, name in zip(axes, by, strict=True):
        for table in tables:
            rows = [row for row in table["rows"] if row["ratio"] is not None]
            if table["by"] == name and table["system"] != table["reference"]:
                middle = np.sqrt(_numbers(r["low"] for r in rows) * _numbers(r["high"] for r in rows))
                axis.plot(middle, _numbers(r["ratio"] for r in rows), **_style(record, table["system"]))
        axis.axhline(1, color="#444444", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.yaxis.set_minor_formatter(ScalarFormatter())
        axis.tick_params(axis="y", which="minor", labelsize=7)
        axis.set_xlabel(f"{name} of the query")
    reference = next(p["reference"] for p in tables)
    axes[0].set_ylabel(f"nDCG@{record['k']} / that of {reference}")
    axes[-1].legend(fontsize=6.5)
    return figure


def rank_links(record: Record) -> Figure | None:
    """Draw figure 6: nDCG@k by the number of similar artists that a query has in the ground truth."""
    conditions = [c["name"] for c in record["conditions"] if any(p["rows"] for p in record["links"])]
    if not conditions:
        return None
    figure, axes = _figure(1, len(conditions), 2.6, sharey=True)
    for axis, condition in zip(axes, conditions, strict=True):
        for entry in record["links"]:
            if entry["condition"] == condition and entry["system"] in _compared(record):
                middle = [np.sqrt(row["low"] * row["high"]) for row in entry["rows"]]
                axis.plot(middle, _numbers(r["ndcg"] for r in entry["rows"]), **_style(record, entry["system"]))
        axis.set_xscale("log")
        axis.set_xlabel(f"similar artists of the query ({condition})")
    axes[0].set_ylabel(f"nDCG@{record['k']}")
    axes[-1].legend(fontsize=6.5)
    return figure


def _numbers(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


FIGURES: Mapping[str, Draw] = {
    "figure-1-accuracy-and-evenness": accuracy_and_evenness,
    "figure-2-modality-groups": group_matrices,
    "figure-3-coherence-and-popularity": coherence_and_popularity,
    "figure-4-popularity-fmc": popularity_fmc,
    "figure-5-popularity-raw": popularity_raw,
    "figure-6-links": rank_links,
}
"""Functions that draw each figure; they return None if the record has no data for it."""
