"""riyl evaluate."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app import evaluations
from app.commands.session import Session, session
from app.evaluating import Question, run_evaluation
from core.evaluations import EXPECTED_SCHEMA, QUERIES_SCHEMA
from core.files import write_bytes
from evaluation.protocol import PROTOCOL, Result
from evaluation.table import Comparison


def evaluate(
    context: typer.Context,
    truth: Annotated[str | None, typer.Option(help="Truth by name or id [the newest].", show_default=False)] = None,
    systems: Annotated[
        str | None,
        typer.Option(
            help="Models by name or id, commas between; `all`: every model of the snapshot, and baselines. "
            "Left out: all, or with --version none.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Version of the index to measure too, or how its id begins.", show_default=False),
    ] = None,
    conditions: Annotated[
        str, typer.Option(help="raw, fmc, or text files of artist ids, one a line; commas between.")
    ] = "raw,fmc",
    snapshot: Annotated[
        str | None, typer.Option(help="Snapshot [the newest; with --version its own].", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Length of a list.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Bootstrap rounds.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of ties, noise, resampling and the baselines.")] = 0,
    figures: Annotated[
        Path | None, typer.Option(help="JSON file to write every figure to.", show_default=False)
    ] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Keep the run in the home: see riyl evaluations.")
    ] = True,
) -> None:
    """Hold models, baselines and a version against a ground truth; prints the table and the protocol."""
    run = session(context)
    if store:
        with run.database.read():  # or it would refuse when all is done
            pass
    names = None if systems is None else systems.split(",")
    asked = Question(truth, names, version, conditions.split(","), snapshot, k, rounds, seed)
    with run.progress() as progress:
        threads = run.settings.threads or os.cpu_count() or 1
        found, results, comparisons = run_evaluation(run.home, asked, threads=threads, progress=progress)
    if figures is not None:
        write_bytes(figures, json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False).encode() + b"\n")
    run.show(found)
    show_results(run, found["truth"]["name"], results, comparisons)
    if store:
        identity = secrets.token_hex(16)
        evaluations.store(
            run.home,
            run.database,
            identity,
            asdict(asked),
            by="command line",
            figures=found,
            queries=QUERIES_SCHEMA.empty_table(),
            expected=EXPECTED_SCHEMA.empty_table(),
            report=b"",
        )
        run.say(f"\nstored as evaluation {identity}")


def show_results(run: Session, truth: str, results: list[Result], comparisons: list[Comparison]) -> None:
    """Print a table a condition, and the protocol; `truth` is its name."""
    differences = {(c.condition, c.system): c for c in comparisons}
    for condition in dict.fromkeys(r.condition for r in results):
        mine = [r for r in results if r.condition == condition]
        k, reference = mine[0].k, mine[0].system
        rows = []
        for r in mine:
            paired = differences.get((condition, r.system))
            rows.append(
                [
                    r.system,
                    f"{r.ndcg_mean:.4f} [{r.ndcg_interval.low:.4f}, {r.ndcg_interval.high:.4f}]",
                    "" if paired is None else _difference(paired),
                    f"{r.ndcg_covered:.4f}",
                    f"{r.covered_share:.1%}",
                    f"{r.gini:.4f} [{r.gini_interval.low:.4f}, {r.gini_interval.high:.4f}]",
                    f"{r.coverage:.1%}",
                ]
            )
        run.table(
            f"\n{condition}: {mine[0].n_artists:,} artists, {mine[0].n_queries:,} queries, "
            f"{mine[0].n_without_links:,} without a similar artist; truth {truth}",
            ["system", f"nDCG@{k}", f"minus {reference}", "nDCG covered", "covered", f"Gini@{k}", "coverage"],
            rows,
        )
    run.say(f"\n{PROTOCOL}")


def _difference(paired: Comparison) -> str:
    low, high = paired.ndcg.interval.low, paired.ndcg.interval.high
    return f"{paired.ndcg.difference:+.4f} [{low:+.4f}, {high:+.4f}]"
