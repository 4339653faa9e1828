"""A question to an answer: who is meant, what is searched for, what is shown and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np
from numpy.typing import NDArray

from app.deps import known_row, summaries, summary, unknown_artist
from app.errors import AmbiguousNameError, NoEncoderError
from app.schemas import Similar
from app.schemas_query import (
    SHOWN_UNKNOWN,
    AskedWith,
    FiltersAsked,
    QueryAnswer,
    Seed,
    SimilarAsked,
    Understood,
)
from app.schemas_reasons import CommonTerm, Explained, ExplainedAnswer, PairShare, SeedShare, Why
from app.served import Served
from app.similar import similar_list
from core.errors import InputError, NotFoundError, NothingKnownError
from index.artifact import LIST_LENGTH
from index.cold import TAGS, ColdEncoder
from index.explain import Reasons, evidence_of, explain, parts_of_artist
from index.filters import AttributeFilter, Filters, Range, Scalar
from index.lists import Neighbours
from index.query import Query, Term, blend
from index.rules import ruled

SHORT_K, SHORT_SEEDS = 100, 10
"""Answers and seeds at most of a question that takes no longer than to hand it to a thread."""


@dataclass(frozen=True)
class _Meant:
    """A question as it was understood."""

    terms: Sequence[Term]
    against: Sequence[Term]
    understood: Understood


def answer(served: Served, asked: SimilarAsked) -> QueryAnswer:
    """Who answers a question best.

    Raises:
        UnknownArtistError, AmbiguousNameError: a seed is none, or several.
        NothingKnownError: nothing is known of a seed, or of all that is asked with.
        InputError: what was asked cannot be; the message names what was found and what is wanted.
        MismatchError: the model does not take what is described.
        OutdatedError: reasons are asked of a version that does not hold them.
        NoEncoderError: what encodes artists that are not in the catalog is not in this home.
    """
    meant = _meant(served, asked)
    query = blend(meant.terms, meant.against, popularity=asked.popularity, raw=asked.raw)
    found = _found(served, asked, query)
    listed: list[Similar] | list[Explained] = similar_list(served, found)
    if asked.explain:
        listed = _explained(listed, _whys(served, query, found.rows))
    return QueryAnswer(version=served.searcher.version_id, asked=meant.understood, similar=listed)


def is_short(served: Served, asked: SimilarAsked) -> bool:
    """Whether the answer takes a millisecond or two at most: then it is not worth a thread.

    A few artists, all there, where no rule can make a ready list too short, and where a search takes no longer.
    """
    more = asked.tags or asked.vectors or asked.plays or asked.exclude or asked.diversity or asked.explain or asked.raw
    artists = (*asked.seeds, *asked.avoid)
    if more or served.rules or asked.k > SHORT_K or len(artists) > SHORT_SEEDS or not served.retriever.is_quick:
        return False
    ids = [seed.id or seed.mbid for seed in artists]
    return all(id is not None and served.searcher.row_of(id) is not None for id in ids)


def explained(served: Served, row: int, k: int, *, raw: bool) -> ExplainedAnswer:
    """`app.similar.similar_model`, with reasons.

    Raises:
        NothingKnownError: the version has no input of the artist.
        OutdatedError: the version does not hold reasons.
    """
    searcher = served.searcher
    found = ruled(searcher, served.rules, row, k, raw=raw)
    query = blend([_artist(served, row, 1.0, parts=True)], raw=raw)
    whys = _whys(served, query, found.rows)
    return ExplainedAnswer(
        version=searcher.version_id,
        artist=summary(searcher.artist(row)),
        evidence=dict(evidence_of(searcher.live, row)),
        similar=_explained(similar_list(served, found), whys),
    )


def _found(served: Served, asked: SimilarAsked, query: Query) -> Neighbours:
    rows = query.rows
    if _is_plain(asked) and len(rows) == len(query.terms) == 1:
        return ruled(served.searcher, served.rules, rows[0], asked.k, raw=asked.raw)
    allowed = served.retriever.passing(_filters(asked.filters))
    excluded = (row for named in asked.exclude for row in served.searcher.rows_now(named))
    without = {*rows, *query.avoided, *served.rules.hidden(rows).tolist(), *excluded}
    pins = [row for row in served.rules.pins(rows) if allowed.mask[row] and row not in without][: asked.k]
    left_out = np.array([*without, *pins], np.int64)
    found = served.retriever.nearest(query, asked.k, allowed, without=left_out, diversity=asked.diversity)
    if asked.min_score is not None:
        good = found.scores >= asked.min_score
        found = Neighbours(found.rows[good], found.scores[good])
    if pins:
        first = np.array(pins, np.int32)
        scores = served.retriever.scores(query, first).astype(np.float32)
        found = Neighbours(np.concatenate([first, found.rows]), np.concatenate([scores, found.scores]), len(pins))
    return Neighbours(found.rows[: asked.k], found.scores[: asked.k], found.n_pinned)


def _is_plain(asked: SimilarAsked) -> bool:
    """Whether the ready list of a single seed is the answer."""
    if len(asked.seeds) != 1 or asked.k > LIST_LENGTH:
        return False
    return asked == SimilarAsked(seeds=asked.seeds, k=asked.k, raw=asked.raw, explain=asked.explain)


def _filters(asked: FiltersAsked) -> Filters:
    attributes = {}
    for name, condition in asked.attributes.items():
        any_of = None if condition.in_ is None else tuple(condition.in_)
        if condition.eq is not None:
            any_of = (condition.eq,)
        within = Range[Scalar](condition.gte, condition.lte) if (condition.gte, condition.lte) != (None, None) else None
        attributes[name] = AttributeFilter(any_of, within, condition.missing)
    return Filters(
        attributes,
        Range(asked.listeners.gte, asked.listeners.lte),
        Range(asked.popularity.gte, asked.popularity.lte),
        tuple(asked.modalities),
    )


def _meant(served: Served, asked: SimilarAsked) -> _Meant:
    seeds, avoid = ([(_row(served, seed), seed.weight) for seed in given] for given in (asked.seeds, asked.avoid))
    both = {row for row, _ in seeds} & {row for row, _ in avoid}
    if both:
        name = served.searcher.artist(min(both)).name
        raise InputError(f"avoid: found {name!r}, which is a seed too; wanted other artists than the seeds")
    played, unknown = _played(served, asked.plays)
    terms = [_artist(served, row, weight, parts=asked.explain) for row, weight in [*seeds, *played]]
    known_tags: Mapping[str, float] = {}
    unknown_tags: Sequence[str] = ()
    if asked.tags or asked.vectors:
        cold, known_tags, unknown_tags = _described(served, asked)
        terms += [cold] if cold is not None else []
    if not terms:
        raise NothingKnownError(
            "nothing known of what was asked with: "
            f"{len(unknown_tags)} tags and {len(unknown)} played artists, none of them known to the model"
        )
    understood = Understood(
        seeds=_named(served, seeds),
        avoid=_named(served, avoid),
        tags=dict(known_tags),
        unknown_tags=list(unknown_tags),
        plays=len(played),
        unknown_plays=unknown[:SHOWN_UNKNOWN],
    )
    return _Meant(terms, [_artist(served, row, weight, parts=asked.explain) for row, weight in avoid], understood)


def _row(served: Served, seed: Seed) -> int:
    if seed.name is not None:
        rows = served.searcher.named(seed.name, served.rules.blocked)
        if not rows:
            raise unknown_artist(served, seed.name)
        if len(rows) > 1:
            found = summaries(served.searcher, rows)
            raise AmbiguousNameError(
                f"{len(rows)} artists are called {seed.name!r}; choose one of them by its id", found
            )
        return rows[0]
    return known_row(served, str(seed.id if seed.id is not None else seed.mbid))


def _played(served: Served, plays: Mapping[str, float]) -> tuple[list[tuple[int, float]], list[str]]:
    """Rows and weights, which add up to 1, of the artists of a listener; and those that are of no use."""
    searcher = served.searcher
    logs: dict[int, float] = {}
    unknown = []
    for named, count in plays.items():
        row = searcher.row_now(named, served.rules.blocked)
        if row is None or not searcher.is_known(row):
            unknown.append(named)
        else:
            logs[row] = logs.get(row, 0.0) + log1p(count)
    whole = sum(logs.values())
    return [(row, weight / whole) for row, weight in logs.items()], unknown


def _artist(served: Served, row: int, weight: float, *, parts: bool) -> Term:
    searcher = served.searcher
    searcher.check_known(row)
    return Term(
        searcher.vector(row),
        parts_of_artist(searcher.live, row) if parts else {},
        searcher.live.c[searcher.pattern(row)],
        weight,
        row,
        searcher.id_of(row),
    )


def _described(served: Served, asked: SimilarAsked) -> tuple[Term | None, Mapping[str, float], Sequence[str]]:
    """The artist that tags and vectors describe, if the model knows any; the known tags and the others."""
    encoder = _encoder(served)
    if TAGS in asked.vectors and asked.tags:
        raise InputError(f"vectors: found {TAGS}, and words beside it; wanted one of them")
    parts = {name: encoder.from_vector(name, vector) for name, vector in asked.vectors.items()}
    known: Mapping[str, float] = {}
    unknown: Sequence[str] = ()
    if asked.tags:
        encoded = encoder.from_tags(asked.tags)
        known, unknown = encoded.known, encoded.unknown
        if encoded.part is not None:
            parts[TAGS] = encoded.part
    if not parts:
        return None, known, unknown
    unit, scaled = encoder.embedding(parts)
    live, pattern = served.searcher.live, tuple(sorted(parts))
    sets = list(live.patterns)
    calibration = live.c[sets.index(pattern)] if pattern in sets else np.zeros(len(sets), np.float32)
    return Term(unit.astype(np.float64), scaled, calibration, terms={TAGS: known}), known, unknown


def _encoder(served: Served) -> ColdEncoder:
    try:
        return served.encoder()
    except NotFoundError as error:
        raise NoEncoderError(str(error)) from error


def _named(served: Served, rows: Sequence[tuple[int, float]]) -> list[AskedWith]:
    found = np.array([row for row, _ in rows], np.int32)
    ids, names = served.searcher.ids_of(found), served.searcher.names_of(found)
    weights = (weight for _, weight in rows)
    return [AskedWith(id=id, name=name, weight=w) for id, name, w in zip(ids, names, weights, strict=True)]


def _whys(served: Served, query: Query, rows: NDArray[np.int32]) -> list[Why]:
    live = served.searcher.live
    reasons = explain(live, query, rows)
    return [_why(query, found, evidence_of(live, row)) for found, row in zip(reasons, rows.tolist(), strict=True)]


def _why(query: Query, found: Reasons, evidence: Mapping[str, int]) -> Why:
    ids = [term.id for term in (*query.terms, *query.against)]
    return Why(
        pairs=[PairShare(asked=p.asked, found=p.found, share=p.share) for p in found.pairs],
        hubness=found.hubness,
        calibration=found.calibration,
        popularity=found.popularity,
        seeds=[SeedShare(id=id, share=share) for id, share in zip(ids, found.seeds, strict=True)],
        common={
            name: [CommonTerm(term=c.term, asked=c.asked, found=c.found) for c in terms]
            for name, terms in found.common.items()
        },
        evidence=dict(evidence),
    )


def _explained(listed: Sequence[Similar], whys: Sequence[Why]) -> list[Explained]:
    return [Explained(**dict(one), why=why) for one, why in zip(listed, whys, strict=True)]
