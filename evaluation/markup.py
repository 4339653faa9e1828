"""Pieces of a page as text: tables, paragraphs and figures as readers see them; an undefined figure is a dash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    kinds: Sequence[str] = (),
    *,
    raw: bool = False,
) -> str:
    """A table; `kinds` are classes of its rows, and `raw` cells are HTML already."""
    lines = ["".join(f"<td>{cell if raw else escape(cell)}</td>" for cell in row) for row in rows]
    marks = [f' class="{kind}"' for kind in kinds] or [""] * len(lines)
    body = "\n".join(f"<tr{mark}>{line}</tr>" for mark, line in zip(marks, lines, strict=True))
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<div class="wide"><table><caption>{escape(caption)}</caption><tr>{top}</tr>\n{body}</table></div>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, of a class."""
    return f"<p{f' class={kind!r}' if kind else ''}>{escape(text)}</p>"


def number(value: float | None, digits: int = 4) -> str:
    """0.1234"""
    return "–" if value is None else f"{value:.{digits}f}"


def spread(figure: Mapping[str, float | None]) -> str:
    """Mean and deviation: 0.1234 ± 0.0012"""
    return f"{number(figure['mean'])} ± {number(figure['deviation'])}"


def signed(value: float | None, digits: int = 4) -> str:
    """+0.1234"""
    return "–" if value is None else f"{value:+.{digits}f}"


def percent(value: float | None) -> str:
    """12.3%"""
    return "–" if value is None else f"{value:.1%}"


def share(part: int, total: int) -> str:
    """Of a whole, in percent."""
    return percent(part / total if total else None)


def interval(row: Mapping[str, Any], name: str) -> str:
    """A figure of a row with its interval, as HTML."""
    low, high = number(row[f"{name}_low"]), number(row[f"{name}_high"])
    return f"{number(row[name])} <small>[{low}, {high}]</small>"
