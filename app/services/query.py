"""Answers queries (POST /v1/similar): resolves seeds, searches, and explains results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np
from numpy.typing import NDArray

from riyl.app.http.request_errors import AmbiguousNameError, NoEncoderError
from riyl.app.schemas.artists import Similar
from riyl.app.schemas.explanation import Explained, ExplainedResponse, SeedShare, Why
from riyl.app.schemas.query import (
    SHOWN_UNKNOWN,
    FiltersRequest,
    QueryResponse,
    ResolvedQuery,
    ResolvedSeed,
    Seed,
    SimilarRequest,
)
from riyl.app.services.artists import known_row, summaries, summary, unknown_artist
from riyl.app.services.similar import similar_list
from riyl.app.serving.state import ServingState
from riyl.core.errors import InputError, NotFoundError, NothingKnownError
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.encoding.cold_start import TAGS, ColdEncoder
from riyl.index.overlay.artist_parts import evidence_of, parts_of_artist
from riyl.index.search.explain import Reasons, explain
from riyl.index.search.filters import AttributeFilter, Filters, Range, Scalar
from riyl.index.search.neighbours import Neighbours
from riyl.index.search.query import Query, QueryVector, build_query
from riyl.index.search.rules import apply_rules

SHORT_K, SHORT_SEEDS = 100, 10
"""Maximum length of the list, and maximum number of seeds, of a query that is as fast as handing it to a thread."""


@dataclass(frozen=True)
class _Meant:
    """A query with its artists resolved."""

    terms: Sequence[QueryVector]
    avoid: Sequence[QueryVector]
    understood: ResolvedQuery


def run_query(state: ServingState, request: SimilarRequest) -> QueryResponse:
    """Find the artists most similar to a query.

    Raises:
        UnknownArtistError, AmbiguousNameError: a seed matches no artist, or several.
        NothingKnownError: nothing is known of a seed, or of the whole query.
        InputError: a value is invalid; the message names the value found and the value wanted.
        MismatchError: the model does not accept the described inputs.
        NoEncoderError: the encoder of artists that are not in the catalog is not in this home.
    """
    resolved, entries = _answer(state, request)
    return QueryResponse(version=state.searcher.version_id, asked=resolved, similar=list(entries))


def query_bytes(state: ServingState, request: SimilarRequest) -> bytes:
    """Return `run_query` as JSON, made entry by entry.

    Serialising a large response at once would hold the interpreter, and every reason in memory twice.

    Raises:
        RiylError: see `run_query`.
    """
    resolved, entries = _answer(state, request)
    empty = QueryResponse(version=state.searcher.version_id, asked=resolved, similar=[]).model_dump_json()
    similar = b",".join(entry.model_dump_json().encode() for entry in entries)
    return empty.removesuffix("]}").encode() + similar + b"]}"


def _answer(state: ServingState, request: SimilarRequest) -> tuple[ResolvedQuery, Iterator[Similar | Explained]]:
    """Return a query with its artists resolved, and the entries of its answer, best first."""
    meant = _meant(state, request)
    query = build_query(meant.terms, meant.avoid, popularity=request.popularity, uncorrected=request.uncorrected)
    neighbours = _found(state, request, query)
    similar = similar_list(state, neighbours)
    whys = _whys(state, query, neighbours.rows) if request.explain else None
    return meant.understood, iter(similar) if whys is None else _explained(similar, whys)


def fits_event_loop(state: ServingState, request: SimilarRequest) -> bool:
    """Return whether the query takes one or two milliseconds at most, so that it is not worth a thread.

    It has a few artists, all known; no rule can shorten a ready list, and a search is equally fast.
    """
    more = (
        request.tags
        or request.vectors
        or request.plays
        or request.exclude
        or request.diversity
        or request.explain
        or request.uncorrected
    )
    artists = (*request.seeds, *request.avoid)
    if more or state.rules or request.k > SHORT_K or len(artists) > SHORT_SEEDS or not state.vector_search.is_cheap:
        return False
    ids = [seed.id or seed.mbid for seed in artists]
    return all(id is not None and state.searcher.row_of(id) is not None for id in ids)


def explain_similar(state: ServingState, row: int, page: Neighbours, *, uncorrected: bool) -> ExplainedResponse:
    """Return the response of `riyl.app.services.similar.similar_response` with reasons."""
    searcher = state.searcher
    query = build_query([_artist(state, row, 1.0, parts=True)], uncorrected=uncorrected)
    whys = _whys(state, query, page.rows)
    return ExplainedResponse(
        version=searcher.version_id,
        artist=summary(searcher.artist(row)),
        evidence=dict(evidence_of(searcher.overlay, row)),
        similar=list(_explained(similar_list(state, page), whys)),
    )


def _found(state: ServingState, request: SimilarRequest, query: Query) -> Neighbours:
    rows = query.rows
    if _is_plain(request) and len(rows) == len(query.terms) == 1:
        return apply_rules(state.searcher, state.rules, rows[0], request.k, uncorrected=request.uncorrected)
    candidates = state.vector_search.passing(_filters(request.filters))
    named_rows = (row for named in request.exclude for row in state.searcher.rows_now(named))
    without = {*rows, *query.avoided, *state.rules.hidden(rows).tolist(), *named_rows}
    pins = [row for row in state.rules.pins(rows) if candidates.mask[row] and row not in without][: request.k]
    excluded = np.array([*without, *pins], np.int64)
    neighbours = state.vector_search.nearest(
        query, request.k, candidates, without=excluded, diversity=request.diversity
    )
    if request.min_score is not None:
        good = neighbours.scores >= request.min_score
        neighbours = Neighbours(neighbours.rows[good], neighbours.scores[good])
    if pins:
        first = np.array(pins, np.int32)
        scores = state.vector_search.scores(query, first).astype(np.float32)
        neighbours = Neighbours(
            np.concatenate([first, neighbours.rows]), np.concatenate([scores, neighbours.scores]), len(pins)
        )
    return Neighbours(neighbours.rows[: request.k], neighbours.scores[: request.k], neighbours.n_pinned)


def _is_plain(request: SimilarRequest) -> bool:
    """Return whether the ready list of a single seed answers the query."""
    if len(request.seeds) != 1 or request.k >= LIST_LENGTH:
        return False
    return request == SimilarRequest(
        seeds=request.seeds, k=request.k, uncorrected=request.uncorrected, explain=request.explain
    )


def _filters(request: FiltersRequest) -> Filters:
    attributes = {}
    for name, condition in request.attributes.items():
        any_of = None if condition.in_ is None else tuple(condition.in_)
        if condition.eq is not None:
            any_of = (condition.eq,)
        within = Range[Scalar](condition.gte, condition.lte) if (condition.gte, condition.lte) != (None, None) else None
        attributes[name] = AttributeFilter(any_of, within, condition.missing)
    return Filters(
        attributes,
        Range(request.listeners.gte, request.listeners.lte),
        Range(request.popularity.gte, request.popularity.lte),
        tuple(request.modalities),
    )


def _meant(state: ServingState, request: SimilarRequest) -> _Meant:
    seeds, avoid = ([(_row(state, seed), seed.weight) for seed in group] for group in (request.seeds, request.avoid))
    both = {row for row, _ in seeds} & {row for row, _ in avoid}
    if both:
        name = state.searcher.artist(min(both)).name
        raise InputError(f"avoid: found {name!r}, which is also a seed; wanted artists that are not seeds")
    played, unknown = _played(state, request.plays)
    terms = [_artist(state, row, weight, parts=request.explain) for row, weight in [*seeds, *played]]
    known_tags: Mapping[str, float] = {}
    unknown_tags: Sequence[str] = ()
    if request.tags or request.vectors:
        described, known_tags, unknown_tags = _described(state, request)
        terms += [described] if described is not None else []
    if not terms:
        raise NothingKnownError(
            "nothing known of the query: "
            f"{len(unknown_tags)} tags and {len(unknown)} played artists, none of them known to the model"
        )
    understood = ResolvedQuery(
        seeds=_named(state, seeds),
        avoid=_named(state, avoid),
        tags=dict(known_tags),
        unknown_tags=list(unknown_tags),
        plays=len(played),
        unknown_plays=unknown[:SHOWN_UNKNOWN],
    )
    return _Meant(terms, [_artist(state, row, weight, parts=request.explain) for row, weight in avoid], understood)


def _row(state: ServingState, seed: Seed) -> int:
    if seed.name is not None:
        rows = state.searcher.named(seed.name, state.rules.blocked)
        if not rows:
            raise unknown_artist(state, seed.name)
        if len(rows) > 1:
            candidates = summaries(state.searcher, rows)
            raise AmbiguousNameError(
                f"{len(rows)} artists are called {seed.name!r}; choose one of them by its id", candidates
            )
        return rows[0]
    return known_row(state, str(seed.id if seed.id is not None else seed.mbid))


def _played(state: ServingState, plays: Mapping[str, float]) -> tuple[list[tuple[int, float]], list[str]]:
    """Return the rows of a listener's artists with weights that add up to 1, and the artists that are of no use."""
    searcher = state.searcher
    logs: dict[int, float] = {}
    unknown = []
    for named, count in plays.items():
        row = searcher.row_now(named, state.rules.blocked)
        if row is None or not searcher.is_searchable(row):
            unknown.append(named)
        else:
            logs[row] = logs.get(row, 0.0) + log1p(count)
    total = sum(logs.values())
    return [(row, weight / total) for row, weight in logs.items()], unknown


def _artist(state: ServingState, row: int, weight: float, *, parts: bool) -> QueryVector:
    searcher = state.searcher
    searcher.check_known(row)
    return QueryVector(
        searcher.vector(row),
        parts_of_artist(searcher.overlay, row) if parts else {},
        searcher.overlay.c[searcher.pattern(row)],
        weight,
        row,
        searcher.id_of(row),
    )


def _described(
    state: ServingState, request: SimilarRequest
) -> tuple[QueryVector | None, Mapping[str, float], Sequence[str]]:
    """Return the artist that tags and vectors describe (None if the model knows none), the known and other tags."""
    encoder = _encoder(state)
    if TAGS in request.vectors and request.tags:
        raise InputError(f"vectors: found {TAGS} besides the field tags; wanted only one of them")
    parts = {name: encoder.from_vector(name, vector) for name, vector in request.vectors.items()}
    recognized: Mapping[str, float] = {}
    unknown: Sequence[str] = ()
    if request.tags:
        encoded = encoder.from_tags(request.tags)
        recognized, unknown = encoded.recognized, encoded.unknown
        if encoded.part is not None:
            parts[TAGS] = encoded.part
    if not parts:
        return None, recognized, unknown
    unit, scaled = encoder.embedding(parts)
    overlay, pattern = state.searcher.overlay, tuple(sorted(parts))
    sets = list(overlay.patterns)
    calibration = overlay.c[sets.index(pattern)] if pattern in sets else np.zeros(len(sets), np.float32)
    return QueryVector(unit.astype(np.float64), scaled, calibration, terms={TAGS: recognized}), recognized, unknown


def _encoder(state: ServingState) -> ColdEncoder:
    try:
        return state.encoder()
    except NotFoundError as error:
        raise NoEncoderError(str(error)) from error


def _named(state: ServingState, rows: Sequence[tuple[int, float]]) -> list[ResolvedSeed]:
    indices = np.array([row for row, _ in rows], np.int32)
    ids, names = state.searcher.ids_of(indices), state.searcher.names_of(indices)
    weights = (weight for _, weight in rows)
    return [ResolvedSeed(id=id, name=name, weight=w) for id, name, w in zip(ids, names, weights, strict=True)]


def _whys(state: ServingState, query: Query, rows: NDArray[np.int32]) -> Iterator[Why]:
    overlay = state.searcher.overlay
    reasons = zip(explain(overlay, query, rows), rows.tolist(), strict=True)
    return (_why(query, row_reasons, evidence_of(overlay, row)) for row_reasons, row in reasons)


def _why(query: Query, reasons: Reasons, evidence: Mapping[str, int]) -> Why:
    ids = [term.id for term in (*query.terms, *query.avoid)]
    seeds = [SeedShare(id=id, share=share) for id, share in zip(ids, reasons.seeds, strict=True)]
    return Why.model_validate({**vars(reasons), "seeds": seeds, "evidence": evidence}, from_attributes=True)


def _explained(listed: Iterable[Similar], whys: Iterable[Why]) -> Iterator[Explained]:
    return (Explained(**dict(entry), why=why) for entry, why in zip(listed, whys, strict=True))
