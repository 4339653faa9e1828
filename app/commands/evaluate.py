"""Command `riyl evaluate`."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from riyl.app.commands.evaluation_tables import show_results
from riyl.app.commands.session import Session, session
from riyl.app.commands.streams import expanded, named, path
from riyl.app.evaluations import store
from riyl.app.evaluations.question import Question
from riyl.app.evaluations.run import Evaluated, run_evaluation
from riyl.core.files import write_bytes


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
            "modalities; groups:CONDITION: those of another condition. Or a text file of artist ids, one per line."
        ),
    ] = "raw,fmc",
    embeddings: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="Embeddings that another program computed: a .npy file with --ids, a .parquet file, or a folder with "
            "parts; see docs/evaluation.md. Repeatable.",
        ),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FILE", help="Artist ids of the rows of a .npy file of --embeddings. Repeatable."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Ranked lists that another program computed: a TREC run, or a .parquet file. Repeatable.",
        ),
    ] = None,
    seen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Pairs of artists that a system of --embeddings or --run was fitted on, or NAME=none: its queries by "
            "these artists are reported apart. Repeatable.",
        ),
    ] = None,
    bias: Annotated[
        str | None,
        typer.Option(
            help="Corrections of scores, separated by commas; with several, each system is measured with each. own: "
            "that of each system. none: the cosine. csls: minus half an artist's mean score in the 200 lists where it "
            "scores highest. balanced: minus a number by which every artist is in equally many lists. [own]"
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            max=100,
            help="Number of random seeds that each model is trained from; its row has mean and deviation over them.",
        ),
    ] = 1,
    queries: Annotated[
        str | None, typer.Option(metavar="FILE", help="Text file of the artist ids that lists are made for [all].")
    ] = None,
    candidates: Annotated[
        str | None, typer.Option(metavar="FILE", help="Text file of the artist ids that lists are made of [all].")
    ] = None,
    snapshot: Annotated[
        str | None,
        typer.Option(
            help="Snapshot whose artists are used [the newest of the current version's catalog; with --model the "
            "newest that fits the model, with --version the one that the version was built from]."
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
    artists that appear in any list. First lists are the first 10 and 50 ranks of longer lists; never in a first 10 is
    the share of artists that appear in the first 10 of no list.
    """
    at = session(context)
    if keep:
        with at.database.read():  # fails now rather than after the whole evaluation
            pass
    names = None if systems is None else systems.split(",")
    of_embeddings = named(embeddings, "--embeddings")
    question = Question(
        truth=truth,
        systems=names,
        model=model,
        version=version,
        conditions=[expanded(each) for each in conditions.split(",")],
        embeddings=of_embeddings,
        ids=named(ids, "--ids", among=of_embeddings),
        runs=named(run, "--run"),
        seen=named(seen, "--seen"),
        bias=() if bias is None else bias.split(","),
        seeds=seeds,
        queries=None if queries is None else expanded(queries),
        candidates=None if candidates is None else expanded(candidates),
        snapshot=snapshot,
        catalogs=named(catalogs, "--catalog"),
        maps=named(maps, "--map"),
        k=k,
        rounds=rounds,
        seed=seed,
    )
    with at.progress() as progress:
        evaluated = run_evaluation(at.home, question, threads=at.threads, progress=progress)
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
    at.show(evaluated.figures)
    show_results(at, evaluated)
    if keep:
        store_run(at, secrets.token_hex(16), question, evaluated, by="command line")


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
