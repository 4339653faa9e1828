"""Command `riyl similar`."""

from __future__ import annotations

from typing import Annotated

import typer

from riyl.app.commands.current import current
from riyl.app.commands.session import session
from riyl.app.schemas.explanation import Why
from riyl.app.services.artists import find_row
from riyl.app.services.query import explain_similar
from riyl.index.search.rules import apply_rules


def similar(
    context: typer.Context,
    artist: Annotated[str, typer.Argument(help="Name, id or MusicBrainz id of the artist.")],
    k: Annotated[int, typer.Option("-k", min=1, max=200, help="Number of similar artists.")] = 10,
    uncorrected: Annotated[
        bool, typer.Option("--uncorrected", help="Rank by plain cosine similarity, without corrections.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show why each artist is similar.")] = False,
) -> None:
    """List the artists most similar to one artist.

    The list comes from the current version of the index, with the changes made since and the editorial rules applied.
    """
    run = session(context)
    state = current(run)
    searcher, row = state.searcher, find_row(state, artist)
    seed, neighbours = searcher.artist(row), apply_rules(searcher, state.rules, row, k, uncorrected=uncorrected)
    others = [searcher.artist(other) for other in neighbours.rows.tolist()]
    scores = neighbours.scores.tolist()
    explained = explain_similar(state, row, neighbours, uncorrected=uncorrected).similar if explain else []
    whys = [entry.why for entry in explained]
    run.show(
        {
            "version": searcher.version_id,
            "artist": {"id": seed.id, "name": seed.name, "modalities": seed.modalities},
            "similar": [
                {
                    "rank": rank,
                    "id": a.id,
                    "name": a.name,
                    "score": score,
                    "modalities": a.modalities,
                    **({"pinned": True} if rank <= neighbours.n_pinned else {}),
                    **({"why": whys[rank - 1].model_dump()} if explain else {}),
                }
                for rank, (a, score) in enumerate(zip(others, scores, strict=True), 1)
            ],
        }
    )
    run.say(f"similar to {seed.name} ({seed.id}; {', '.join(seed.modalities)})")
    rows = [[a.name, a.id, f"{score:.4f}", ", ".join(a.modalities)] for a, score in zip(others, scores, strict=True)]
    head = ["name", "id", "score", "modalities"]
    if explain:
        head.append("why")
        rows = [[*ivf_index, _in_words(why)] for ivf_index, why in zip(rows, whys, strict=True)]
    run.table("", head, rows)


def _in_words(why: Why) -> str:
    """Describe the three largest shares of the score, and three common tags."""
    shares = [f"{p.asked if p.asked == p.found else f'{p.asked}-{p.found}'} {p.share:+.2f}" for p in why.pairs[:3]]
    terms = [common.term for listed in why.common.values() for common in listed][:3]
    return "; ".join([", ".join(shares), *([", ".join(terms)] if terms else [])])
