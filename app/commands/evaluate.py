"""Command `riyl evaluate`."""

from __future__ import annotations

import json
import math
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from riyl.app.commands.session import Session, session
from riyl.app.commands.streams import expanded, named, path
from riyl.app.evaluations import store
from riyl.app.evaluations.question import Question
from riyl.app.evaluations.run import Evaluated, run_evaluation
from riyl.core.files import write_bytes
from riyl.evaluation.groups import TOP
from riyl.evaluation.protocol import PROTOCOL
from riyl.evaluation.table import Comparison


def evaluate(
    context: typer.Context,
    truth: Annotated[str | None, typer.Option(help="Ground truth, by name or id [the newest].")] = None,
    systems: Annotated[
        str | None,
        typer.Option(
            help="Models and baselines (simple methods to compare to), by name or id, separated by commas. `all`: "
            "every model of the snapshot, also with each subset of its modalities and from each random seed, and every "
            "baseline. [the newest model of each name and every baseline; with --version or --model none]"
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model, by name or id, that the other systems are compared to. With --snapshot it is evaluated on the "
            "artists of another catalog, which that snapshot encodes with the model's featurizer."
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of the index to evaluate too, by id or a prefix of it.")
    ] = None,
    conditions: Annotated[
        str,
        typer.Option(
            help="Sets of artists to evaluate on, separated by commas. raw: artists with data of any modality (tags, "
            "listeners, sound). fmc: artists with data of every modality. raw-judged, fmc-judged: those of them that "
            "occur in the ground truth. groups: artists of full coverage, dealt into groups that keep only some "
            "modalities. Or a text file of artist ids, one per line."
        ),
    ] = "raw,fmc",
    snapshot: Annotated[
        str | None,
        typer.Option(
            help="Snapshot whose artists are used [the newest; with --model the newest that fits the model, with "
            "--version the one that the version was built from]."
        ),
    ] = None,
    catalogs: Annotated[
        list[str] | None,
        typer.Option(
            "--catalog",
            metavar="NAME=SNAPSHOT",
            help="Another catalog, made of other tables, whose systems take part as NAME/SYSTEM (repeatable). raw is "
            "then data of any modality in any catalog, fmc data of every modality in every catalog.",
        ),
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=FILE",
            help="Parquet, CSV or TSV file with artist_id and other_artist_id, that joins the artists of the first "
            "catalog to those of --catalog NAME (repeatable) [artists with equal mbid are joined].",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Number of similar artists per list.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Number of resamples for the confidence intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of ties, noise, groups, resampling and baselines.")] = 0,
    figures: Annotated[Path | None, typer.Option(parser=path, help="JSON file for all measured figures.")] = None,
    report: Annotated[Path | None, typer.Option(parser=path, help="HTML file for the report.")] = None,
    figures_dir: Annotated[
        Path | None, typer.Option(parser=path, help="Folder for each plot, as SVG and as PDF.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--store/--no-store", help="Store the evaluation in the home; see riyl evaluations.")
    ] = True,
) -> None:
    """Measure how well systems find similar artists.

    A system is a model, a baseline or a version of the index. Its lists are compared to a ground truth: pairs of
    artists known to be similar. Prints a table per set of artists, and how the figures were measured.

    nDCG is 0 to 1: 1 if all known similar artists come first in every list, and less the lower they stand. Gini is 0 to
    1: 0 if all artists appear equally often in the lists, near 1 if few artists fill them. Coverage is the share of
    artists that appear in any list.
    """
    run = session(context)
    if keep:
        with run.database.read():  # fails now rather than after the whole evaluation
            pass
    names = None if systems is None else systems.split(",")
    question = Question(
        truth=truth,
        systems=names,
        model=model,
        version=version,
        conditions=[expanded(each) for each in conditions.split(",")],
        snapshot=snapshot,
        catalogs=named(catalogs or [], "--catalog"),
        maps=named(maps or [], "--map"),
        k=k,
        rounds=rounds,
        seed=seed,
    )
    with run.progress() as progress:
        evaluated = run_evaluation(run.home, question, threads=run.threads, progress=progress)
    if figures is not None:
        write_bytes(
            figures, json.dumps(evaluated.figures, ensure_ascii=False, indent=2, allow_nan=False).encode() + b"\n"
        )
    if report is not None:
        write_bytes(report, evaluated.report)
    if figures_dir is not None:
        # imported here, because matplotlib loads slowly
        from riyl.evaluation.figures import write_figures

        write_figures(evaluated.figures, figures_dir)
    run.show(evaluated.figures)
    show_results(run, evaluated)
    if keep:
        store_run(run, secrets.token_hex(16), question, evaluated, by="command line")


def store_run(run: Session, identity: str, question: Question, evaluated: Evaluated, *, by: str) -> None:
    """Store a run in the home under its id, and print the id; a run that is already stored is kept."""
    store.store(
        run.home,
        run.database,
        identity,
        asdict(question),
        by=by,
        figures=evaluated.figures,
        queries=evaluated.queries,
        expected=evaluated.expected,
        report=evaluated.report,
    )
    run.say(f"\nstored as evaluation {identity}")


def show_results(run: Session, evaluated: Evaluated) -> None:
    """Print a table for each condition, a table of the modality groups, and the protocol."""
    truth = evaluated.figures["truth"]["name"]
    differences = {(c.condition, c.system): c for c in evaluated.comparisons}
    for condition in dict.fromkeys(r.condition for r in evaluated.results):
        condition_results = [r for r in evaluated.results if r.condition == condition]
        if not condition_results[0].n_artists:
            run.say(f"\n{condition}: no artists, so nothing is measured")
            continue
        k, reference = condition_results[0].k, condition_results[0].system
        rows = []
        for r in condition_results:
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
            f"\n{condition}: {condition_results[0].n_artists:,} artists, {condition_results[0].n_queries:,} queries, "
            f"{condition_results[0].n_without_links:,} without a similar artist; truth {truth}",
            ["system", f"nDCG@{k}", f"minus {reference}", "nDCG covered", "covered", f"Gini@{k}", "coverage"],
            rows,
        )
    if evaluated.figures["groups"]:
        _show_groups(run, evaluated.figures["groups"], evaluated.figures["k"])
    if evaluated.figures["unseen"]:
        _show_unseen(run, evaluated.figures["unseen"], evaluated.figures["k"])
    run.say(f"\n{PROTOCOL}")


def _show_unseen(run: Session, unseen: list[dict[str, Any]], k: int) -> None:
    """Print figures for queries that the models learned from and for the others, which alone show generalization."""
    rows = [
        [row["system"], row["condition"], *(_of_group(row[group]) for group in ("seen", "unseen"))] for row in unseen
    ]
    head = ["system", "condition", f"nDCG@{k} seen (queries)", f"nDCG@{k} unseen (queries)"]
    run.table(
        "\nqueries of artists that the featurizer or a model learned from, also by similar pairs, and of the others",
        head,
        rows,
    )


def _of_group(group: dict[str, Any]) -> str:
    figures = (math.nan if v is None else v for v in (group["ndcg"], *(group["interval"][e] for e in ("low", "high"))))
    return "{:.4f} [{:.4f}, {:.4f}] ({:,})".format(*figures, group["n_queries"])


def _show_groups(run: Session, groups: list[dict[str, Any]], k: int) -> None:
    """Print the figures of each system in modality groups: mean and deviation over the groupings."""
    rows = [
        [
            row["system"],
            _spread(row["entropy"]),
            _spread(row["ndcg"]),
            _spread(row["ndcg_own"]),
            f"{min(row['own_share']):.0%} to {max(row['own_share']):.0%}",
        ]
        for row in groups
    ]
    n, most = len(groups[0]["groupings"]), math.log(len(groups[0]["subsets"]))
    run.table(
        f"\nmodality groups: {len(groups[0]['subsets'])} groups, mean and deviation over {n} groupings; entropy of the "
        f"groups in the top {TOP} in nats, maximum {most:.3f}",
        ["system", "entropy", f"nDCG@{k} in the groups", "within each group", "share of the own group"],
        rows,
    )


def _spread(figure: dict[str, float | None]) -> str:
    mean, deviation = (math.nan if value is None else value for value in (figure["mean"], figure["deviation"]))
    return f"{mean:.4f} ± {deviation:.4f}"


def _difference(paired: Comparison) -> str:
    low, high = paired.ndcg.interval.low, paired.ndcg.interval.high
    return f"{paired.ndcg.difference:+.4f} [{low:+.4f}, {high:+.4f}]"
