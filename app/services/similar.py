"""Response of GET /v1/artists/{artist}/similar: as a model, and as the same bytes made without a model."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple
from weakref import ref

import numpy as np
import orjson

from riyl.app.schemas.artists import Similar, SimilarResponse
from riyl.app.services.artists import summary
from riyl.app.serving.state import ServingState
from riyl.core.errors import NothingKnownError
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.search.neighbours import Neighbours
from riyl.index.search.rules import apply_rules, ready
from riyl.index.search.searcher import Searcher

DEFAULT_K = 10
MAX_K = 200


MAX_ARTISTS = 100_000
"""Maximum number of artists whose bytes are kept, some 20 MB, twice. In a larger catalog, full caches are emptied."""

MAX_BYTES = 128 << 20
"""Maximum size of cached responses, in bytes: some 18,000 of k=50. Building one takes a third of a response's cost."""


def similar_model(state: ServingState, row: int, k: int, *, uncorrected: bool = False) -> SimilarResponse:
    """Return the k artists most similar to the artist in `row`, which is not blocked, with the rules applied.

    Args:
        state: the version, the changes on it and the rules.
        row: row of the artist.
        k: maximum length of the list.
        uncorrected: see `Searcher.similar`.

    Raises:
        NothingKnownError: the version has no input of the artist.
    """
    return similar_response(state, row, apply_rules(state.searcher, state.rules, row, k, uncorrected=uncorrected))


def similar_response(state: ServingState, row: int, page: Neighbours) -> SimilarResponse:
    """Return a page of the list of the artist in `row` as the route answers it."""
    searcher = state.searcher
    return SimilarResponse(
        version=searcher.version_id, artist=summary(searcher.artist(row)), similar=similar_list(state, page)
    )


def similar_list(state: ServingState, neighbours: Neighbours) -> list[Similar]:
    """Return neighbours as responses list them, in their order."""
    searcher, rows = state.searcher, neighbours.rows
    columns = searcher.ids_of(rows), searcher.names_of(rows), searcher.mbids_of(rows), searcher.modalities_of(rows)
    return [
        Similar(
            id=id,
            name=name,
            mbid=mbid,
            modalities=list(modalities),
            score=_shortest(score),
            pinned=position < neighbours.n_pinned,
        )
        for position, (id, name, mbid, modalities, score) in enumerate(zip(*columns, neighbours.scores, strict=True))
    ]


class PageBytes(NamedTuple):
    """A page of an artist's list as JSON, and whether the list goes on behind it."""

    body: bytes
    has_next: bool


def keeps_rows(before: Searcher, after: Searcher) -> bool:
    """Return whether each row of an earlier searcher is still the same artist."""
    live = before.overlay.artists
    return before.version is after.version and (not live or live is after.overlay.artists)


@dataclass
class _Kept:
    """A cached response.

    Attributes:
        overlay: the changes under which it was last valid; weak, so that no response keeps earlier changes in memory.
        rows: rows of its list, as bytes: while these are the same, the body is the same.
    """

    overlay: ref[VersionOverlay]
    rows: bytes
    page: PageBytes


class SimilarBytes:
    """Responses of `similar_model` as JSON bytes, from ready lists and cached fragments of one serving state.

    A fragment is an artist's object in a `similar` list, from the comma before it to the place of its score; a head is
    the part before the list. Both are made when first needed and cached, like the most recently requested whole
    responses.

    Args:
        state: the version, the changes on it and the rules.
        most_bytes: maximum size of cached whole responses, in bytes; 0 disables that cache.
        before: the bytes of the previous serving state; its cache is reused as far as it is still valid.
    """

    def __init__(self, state: ServingState, most_bytes: int = MAX_BYTES, before: SimilarBytes | None = None) -> None:
        self.state = state
        self.etag = state.etag.encode()
        self._searcher = state.searcher
        self._most_bytes = most_bytes
        self._kept_bytes = 0
        self._answers: OrderedDict[tuple[int, int, int], _Kept] = OrderedDict()
        self._heads: dict[int, bytes] = {}
        self._fragments: dict[int, bytes] = {}
        if before is not None and keeps_rows(before.state.searcher, state.searcher):
            self._heads, self._fragments = before._heads, before._fragments
            if before.state.rules.rules is state.rules.rules:
                self._answers, self._kept_bytes = before._answers, before._kept_bytes

    def __call__(self, row: int, k: int, offset: int = 0) -> PageBytes | None:
        """Return k artists from position `offset` on, as `similar_response(...).model_dump_json()` has them.

        Return None if that would search or raise an error.
        """
        key, overlay = (row, k, offset), self._searcher.overlay
        cached = self._answers.get(key)
        if cached is not None and cached.overlay() is overlay:
            self._answers.move_to_end(key)
            return cached.page
        try:
            neighbours = ready(self._searcher, self.state.rules, row, k, offset)
        except NothingKnownError:
            return None
        if neighbours is None:
            return None
        rows = neighbours.rows.tobytes() if self._most_bytes else b""
        if cached is not None and cached.rows == rows:
            cached.overlay, cached.page = ref(overlay), PageBytes(cached.page.body, not neighbours.whole)
            self._answers.move_to_end(key)
            return cached.page
        page = PageBytes(self._made(row, neighbours), not neighbours.whole)
        if self._most_bytes:
            self._keep(key, _Kept(ref(overlay), rows, page))
        return page

    def _keep(self, key: tuple[int, int, int], answer: _Kept) -> None:
        """Keep a response, and drop the least recently requested ones."""
        before = self._answers.pop(key, None)
        self._answers[key] = answer
        self._kept_bytes += len(answer.page.body) - (0 if before is None else len(before.page.body))
        while self._kept_bytes > self._most_bytes:
            _, dropped = self._answers.popitem(last=False)
            self._kept_bytes -= len(dropped.page.body)

    def _made(self, row: int, neighbours: Neighbours) -> bytes:
        rows: list[int] = neighbours.rows.tolist()
        head = self._heads.get(row) or self._head(row)
        if not rows:
            return head + b"]}"
        listed = list(map(self._fragments.get, rows))
        if None in listed:
            listed = [self._fragments.get(other) or self._fragment(other) for other in rows]
        scores = orjson.dumps(np.ascontiguousarray(neighbours.scores, np.float32), option=orjson.OPT_SERIALIZE_NUMPY)
        parts = [b""] * (2 * len(rows))
        parts[::2] = listed  # type: ignore[assignment]
        parts[1::2] = scores[1:-1].split(b",")
        for position in range(neighbours.n_pinned):
            parts[2 * position + 1] += b',"pinned":true'
        parts[0] = head + parts[0][2:]
        parts.append(b"}]}")
        return b"".join(parts)

    def _head(self, row: int) -> bytes:
        answer = SimilarResponse(
            version=self._searcher.version_id, artist=summary(self._searcher.artist(row)), similar=[]
        )
        head = answer.model_dump_json().removesuffix("]}").encode()
        if len(self._heads) >= MAX_ARTISTS:
            self._heads.clear()
        self._heads[row] = head
        return head

    def _fragment(self, row: int) -> bytes:
        artist = self._searcher.artist(row)
        fields = {"id": artist.id, "name": artist.name, "mbid": artist.mbid, "modalities": artist.modalities}
        fragment = b"}," + orjson.dumps(fields)[:-1] + b',"score":'
        if len(self._fragments) >= MAX_ARTISTS:
            self._fragments.clear()
        self._fragments[row] = fragment
        return fragment


def _shortest(score: float) -> float:
    """Return a float32 score as the number with the fewest digits that reads back as the same float32."""
    return float(str(np.float32(score)))
