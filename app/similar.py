"""The answer to "who is similar": as a model, and as the same bytes made without one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from app.deps import summary
from app.errors import act_of
from app.schemas import Similar, SimilarAnswer
from app.served import Served
from app.watch import Serving
from index.lists import Neighbours
from index.live import Live
from index.rules import ready, ruled

DEFAULT_K = 10
LARGEST_K = 200

PREFIX = "/v1/artists/"
SUFFIX = "/similar"
RAW_SUFFIX = SUFFIX.encode()
TEMPLATE = "/v1/artists/{id}/similar"

K_BY_QUERY = {b"": DEFAULT_K, **{b"k=%d" % k: k for k in range(1, LARGEST_K + 1)}}
"""The query strings that the short way takes, as they are spelled by every sane client."""

MOST_ARTISTS = 100_000
"""Artists whose bytes are kept, some 20 MB, twice. A catalog with more starts over when they are full."""

MOST_BYTES = 128 << 20
"""Of whole answers that are kept: some 18,000 of k=50. To put one together is a third of what it costs to answer."""


def similar_model(served: Served, row: int, k: int, *, raw: bool = False) -> SimilarAnswer:
    """The k artists most similar to the one in `row`, which is not blocked, as the rules will have it.

    Args:
        raw: see `Searcher.similar`.

    Raises:
        NothingKnownError: the version has no input of the artist.
    """
    searcher = served.searcher
    return SimilarAnswer(
        version=searcher.version_id,
        artist=summary(searcher.artist(row)),
        similar=similar_list(served, ruled(searcher, served.rules, row, k, raw=raw)),
    )


def similar_list(served: Served, found: Neighbours) -> list[Similar]:
    """Neighbours as they are answered, in their order."""
    searcher, rows = served.searcher, found.rows
    columns = searcher.ids_of(rows), searcher.names_of(rows), searcher.mbids_of(rows), searcher.modalities_of(rows)
    return [
        Similar(
            id=id,
            name=name,
            mbid=mbid,
            modalities=list(modalities),
            score=_shortest(score),
            pinned=place < found.n_pinned,
        )
        for place, (id, name, mbid, modalities, score) in enumerate(zip(*columns, found.scores, strict=True))
    ]


@dataclass
class _Kept:
    """An answer.

    Attributes:
        live: the changes under which it was right last.
        rows: of its list, as bytes: while these are the same, so is the answer.
    """

    live: Live
    rows: bytes
    body: bytes


class SimilarBytes:
    """What `similar_model` answers, as JSON bytes from ready lists and ready fragments; of what is served once.

    A fragment is an artist's object in a `similar` list, from the comma before it up to where its score goes; a head
    is what stands before the list. Both are made when they are first needed and kept, and so are whole answers, those
    asked for last.

    Args:
        served: the version, the changes on it and the rules.
        most_bytes: of whole answers that are kept; 0 keeps none.
        before: of what was served before; what it kept is taken over as far as it is still right.
    """

    def __init__(self, served: Served, most_bytes: int = MOST_BYTES, before: SimilarBytes | None = None) -> None:
        self.served = served
        self.etag = served.etag.encode()
        self._searcher = served.searcher
        self._most_bytes = most_bytes
        self._kept_bytes = 0
        self._answers: OrderedDict[tuple[int, int], _Kept] = OrderedDict()
        self._heads: dict[int, bytes] = {}
        self._fragments: dict[int, bytes] = {}
        if before is not None and before._has_the_rows_of(served.searcher.live):
            self._heads, self._fragments = before._heads, before._fragments
            if before.served.rules.rules is served.rules.rules:
                self._answers, self._kept_bytes = before._answers, before._kept_bytes

    def __call__(self, row: int, k: int) -> bytes | None:
        """The same bytes as `similar_model(served, row, k).model_dump_json()`; None where it has to search for them.

        Raises:
            NothingKnownError: the version has no input of the artist.
        """
        live, kept = self._searcher.live, self._answers.get((row, k))
        if kept is not None and kept.live is live:
            self._answers.move_to_end((row, k))
            return kept.body
        found = ready(self._searcher, self.served.rules, row, k)
        if found is None:
            return None
        rows = found.rows.tobytes()
        if kept is not None and kept.rows == rows:
            kept.live = live
            self._answers.move_to_end((row, k))
            return kept.body
        body = self._made(row, found)
        if kept is not None:
            self._kept_bytes -= len(kept.body)
        self._answers[row, k] = _Kept(live, rows, body)
        self._kept_bytes += len(body)
        while self._kept_bytes > self._most_bytes:
            _, dropped = self._answers.popitem(last=False)
            self._kept_bytes -= len(dropped.body)
        return body

    def _has_the_rows_of(self, live: Live) -> bool:
        """Whether a row that was there is the same artist still."""
        mine = self._searcher.live
        return mine.version is live.version and (not mine.artists or mine.artists is live.artists)

    def _made(self, row: int, found: Neighbours) -> bytes:
        rows: list[int] = found.rows.tolist()
        head = self._heads.get(row) or self._head(row)
        if not rows:
            return head + b"]}"
        listed = [self._fragments.get(other) or self._fragment(other) for other in rows]
        scores = orjson.dumps(np.ascontiguousarray(found.scores, np.float32), option=orjson.OPT_SERIALIZE_NUMPY)
        parts: list[bytes] = [b""] * (2 * len(rows))
        parts[::2] = listed
        parts[1::2] = scores[1:-1].split(b",")
        for place in range(found.n_pinned):
            parts[2 * place + 1] += b',"pinned":true'
        parts[0] = head + parts[0][2:]
        parts.append(b"}]}")
        return b"".join(parts)

    def _head(self, row: int) -> bytes:
        answer = SimilarAnswer(
            version=self._searcher.version_id, artist=summary(self._searcher.artist(row)), similar=[]
        )
        made = answer.model_dump_json().removesuffix("]}").encode()
        if len(self._heads) >= MOST_ARTISTS:
            self._heads.clear()
        self._heads[row] = made
        return made

    def _fragment(self, row: int) -> bytes:
        artist = self._searcher.artist(row)
        fields = {"id": artist.id, "name": artist.name, "mbid": artist.mbid, "modalities": artist.modalities}
        made = b"}," + orjson.dumps(fields)[:-1] + b',"score":'
        if len(self._fragments) >= MOST_ARTISTS:
            self._fragments.clear()
        self._fragments[row] = made
        return made


class SimilarShortWay:
    """ASGI middleware that answers GET similar where all is well, at a fraction of what a FastAPI route costs.

    It takes a known artist whom no rule blocks, a k in range spelled `k=50` or left out, and a version that serves.
    Everything else, and with it every error and what has to be searched for, goes on to the route in
    `app.routes.artists`, which describes the operation and gives the same answer.
    """

    def __init__(self, app: ASGIApp, serving: Serving, most_bytes: int = MOST_BYTES) -> None:
        self._app = app
        self._serving = serving
        self._most_bytes = most_bytes
        self._bytes: SimilarBytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        status, headers, body = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        path: str = scope["path"]
        served = self._serving.served
        if served is None or not path.startswith(PREFIX) or not scope["raw_path"].endswith(RAW_SUFFIX):
            return None
        searcher = served.searcher
        k = K_BY_QUERY.get(scope["query_string"])
        row = searcher.row_of(path[len(PREFIX) : -len(SUFFIX)])
        if k is None or row is None or row in served.rules.blocked or not searcher.is_known(row):
            return None
        answers = self._bytes
        if answers is None or answers.served is not served:
            answers = self._bytes = SimilarBytes(served, self._most_bytes, answers)
        scope["route"] = TEMPLATE
        act_of(scope).version = searcher.version_id
        headers = [(b"etag", answers.etag), (b"cache-control", b"no-cache")]
        for name, value in scope["headers"]:
            if name == b"if-none-match" and served.not_modified(value.decode("latin-1")):
                return 304, headers, b""
        body = answers(row, k)
        if body is None:
            return None
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return 200, headers, body


def _shortest(score: float) -> float:
    """A float32 score as the number that is written with the fewest digits among those that read back as it."""
    return float(str(np.float32(score)))
