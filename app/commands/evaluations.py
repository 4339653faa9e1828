"""Commands `riyl evaluations list`, `show` and `compare`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from math import isnan
from typing import Annotated, Any

import typer

from riyl.app.commands.evaluation_tables import show_first_lists
from riyl.app.commands.session import Session, session
from riyl.app.evaluations import comparison
from riyl.app.evaluations.store import files_of, has_files
from riyl.core.db.evaluations import Outline, list_evaluations, pick_evaluation

app = typer.Typer(no_args_is_help=True, help="Stored evaluations: list, show, compare.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the evaluation, or a prefix of it.")]


@app.command("list")
def list_(
    context: typer.Context,
    truth: Annotated[str | None, typer.Option(help="Only evaluations on this ground truth, by name or id.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Only evaluations of this version, by id or a prefix of it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of evaluations.")] = 20,
) -> None:
    """List the stored evaluations, the newest first.

    The nDCG is that of the first system, to which the others were compared.
    """
    run = session(context)
    outlines = list_evaluations(run.database, truth=truth, version=version, limit=limit)
    run.show([_plain(asdict(each)) for each in outlines])
    rows = [
        [each.id, f"{each.at:%Y-%m-%d %H:%M}", each.truth_name or "", _system(each), _k(each), _ndcg(each)]
        for each in outlines
    ]
    run.table("evaluations, times in UTC", ["id", "at", "truth", "system", "k", "nDCG"], rows, words=True)


@app.command()
def show(context: typer.Context, identity: Id) -> None:
    """Show the figures of a stored evaluation.

    See riyl evaluate --help for their meaning.
    """
    run = session(context)
    evaluation = pick_evaluation(run.database, identity)
    files = has_files(run.home, evaluation.id)
    run.show(
        {
            **_plain(asdict(evaluation.outline)),
            "files": files,
            "request": evaluation.request,
            "figures": evaluation.figures,
        }
    )
    run.say(
        f"evaluation {evaluation.id} of {evaluation.at:%Y-%m-%d %H:%M} UTC "
        f"by {evaluation.outline.by or 'an earlier release'}; "
        f"truth {evaluation.outline.truth_name}, snapshot {evaluation.outline.snapshot}, k {_k(evaluation.outline)}"
    )
    by_condition: dict[str, list[dict[str, Any]]] = {}
    for row in evaluation.figures.get("results", []):
        by_condition.setdefault(row["condition"], []).append(row)
    columns = ["system", "nDCG", "from", "to", "Gini", "coverage", "precision", "recall", "R-precision"]
    figures = ("ndcg", "ndcg_low", "ndcg_high", "gini", "coverage", "precision", "recall", "r_precision")
    for condition, results in by_condition.items():
        rows = [[row["system"], *(_figure(row.get(name)) for name in figures)] for row in results]
        run.table(f"\n{condition}: {results[0]['queries']:,} queries", columns, rows)
        show_first_lists(run, evaluation.figures, condition, [row["system"] for row in results])
    where = run.home.evaluations / evaluation.id
    run.say(f"\nreport and queries: {where}" if files else "\nits report and queries are not in this home")


@app.command()
def compare(
    context: typer.Context,
    a: Id,
    b: Id,
    system_a: Annotated[str | None, typer.Option(help="System of the first evaluation [its first].")] = None,
    system_b: Annotated[str | None, typer.Option(help="System of the second evaluation [its first].")] = None,
) -> None:
    """Compare two stored evaluations.

    Both must have the same ground truth and list length. Prints the difference of their nDCG (see riyl evaluate --help)
    over the artists that were queries in both, with a 95 % confidence interval and a p-value by paired bootstrap: a
    small p-value means that chance alone hardly explains the difference.
    """
    run = session(context)
    left, right = _side(run, a, system_a), _side(run, b, system_b)
    comparisons = comparison.compare(left, right)
    run.show(
        {
            "a": {"id": left.run.id, "system": left.system},
            "b": {"id": right.run.id, "system": right.system},
            "conditions": [_plain(asdict(each)) for each in comparisons],
        }
    )
    run.say(f"a: {left.system} in {left.run.id}\nb: {right.system} in {right.run.id}")
    rows = [
        [
            each.condition,
            f"{each.common:,}",
            f"{each.only_a:,}, {each.only_b:,}",
            _figure(each.ndcg_a),
            _figure(each.ndcg_b),
            "" if isnan(each.difference) else f"{each.difference:+.4f} [{each.low:+.4f}, {each.high:+.4f}]",
            _figure(each.p),
            _figure(each.gini_a),
            _figure(each.gini_b),
        ]
        for each in comparisons
    ]
    columns = ["condition", "queries", "of a, b alone", "nDCG a", "nDCG b", "a - b", "p", "Gini a", "Gini b"]
    run.table("", columns, rows)


def _side(run: Session, identity: str, system: str | None) -> comparison.Side:
    evaluation = pick_evaluation(run.database, identity)
    return comparison.side(evaluation, files_of(run.home, evaluation.id), system)


def _system(outline: Outline) -> str:
    return str(outline.summary[0]["system"]) if outline.summary else ""


def _k(outline: Outline) -> str:
    return "" if outline.k is None else str(outline.k)


def _ndcg(outline: Outline) -> str:
    return ", ".join(f"{row['condition']} {_figure(row['ndcg'])}" for row in outline.summary)


def _figure(value: float | None) -> str:
    return "" if value is None or isnan(value) else f"{value:.4f}"


def _plain(value: Any) -> Any:
    """Convert a value to what JSON holds: a time becomes ISO 8601, an undefined figure null."""
    match value:
        case datetime():
            return value.isoformat()
        case float():
            return None if isnan(value) else value
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
    return value
