"""Answer of artist.getSimilar as XML and JSON, joined from kept parts of each artist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import orjson

from riyl.app.compat.lastfm import json_form, xml_form
from riyl.app.compat.lastfm.xml_form import element, text
from riyl.app.http.media_types import JSON
from riyl.app.services.similar import keeps_rows
from riyl.index.search.neighbours import Neighbours
from riyl.index.search.searcher import Searcher

MAX_KEPT = 100_000
"""Maximum number of artists whose parts are kept, some 60 MB for each form; full caches are emptied."""

MAX_ANSWER_BYTES = 32 << 20
"""Maximum size of kept answers of each form, in bytes: some 1,700 of 50 artists; a full cache is emptied."""


@dataclass(frozen=True)
class SimilarForm:
    """Form of the list. An artist is its `start`, its match, `middle`, the service's root, the rest of its `end`.

    Attributes:
        media_type: of the response.
        start: returns an artist up to its match, from its name and mbid.
        middle: the part between the match and the address of the artist's page.
        end: the part after that address, up to the next artist.
        after_last: number of bytes at the end of `end` that the last artist lacks.
        document: returns the parts before and after the artists, from the name of the artist that they are similar
            to.
    """

    media_type: str
    start: Callable[[str, str], bytes]
    middle: bytes
    end: bytes
    after_last: int
    document: Callable[[str], tuple[bytes, bytes]]


def _start_of_xml(name: str, mbid: str) -> bytes:
    return f"<artist>{element('name', text(name))}{element('mbid', text(mbid))}<match>".encode()


def _document_of_xml(name: str) -> tuple[bytes, bytes]:
    whole = element("similarartists", "\x00", artist=name)  # a character that no XML contains
    before, after = (xml_form.START + whole + xml_form.END).encode().split(b"\x00")
    return before, after


def _start_of_json(name: str, mbid: str) -> bytes:
    return orjson.dumps({"name": name, "mbid": mbid})[:-1] + b',"match":"'


def _document_of_json(name: str) -> tuple[bytes, bytes]:
    return b'{"similarartists":{"artist":[', b'],"@attr":' + orjson.dumps({"artist": name}) + b"}}"


SIMILAR_XML = SimilarForm(
    xml_form.MEDIA_TYPE,
    _start_of_xml,
    b"</match><url>",
    f"</url>{xml_form.IMAGES}{xml_form.STREAMABLE}</artist>".encode(),
    0,
    _document_of_xml,
)
SIMILAR_JSON = SimilarForm(
    JSON,
    _start_of_json,
    b'","url":"',
    b'","image":' + orjson.dumps(json_form.IMAGES) + b',"streamable":"0"},',
    1,
    _document_of_json,
)


FORMS = {"xml": SIMILAR_XML, "json": SIMILAR_JSON}
"""Forms by the parameter `format`."""


def page_of(artist_id: str) -> str:
    """Return the address of an artist's page, from the service's root on."""
    return f"/?artist={quote(artist_id, safe='')}"


def matches_of(neighbours: Neighbours) -> list[bytes]:
    """Return Last.fm's `match` of each neighbour: (1 + score) / 2, at least 0 and at most 1, to six decimals.

    A cosine of 1 is a match of 1, and one of 0 a match of 0.5. A higher score never has a lower match: lists keep their
    order, except that pinned artists come first.
    """
    values = np.clip((1.0 + neighbours.scores.astype(np.float64)) / 2.0, 0.0, 1.0)
    numbers = orjson.dumps(np.round(values, 6), option=orjson.OPT_SERIALIZE_NUMPY)
    return numbers[1:-1].split(b",") if len(values) else []


class SimilarWriter:
    """Writer of lists in one form for one searcher, which keeps the parts of artists and answers; for one thread.

    Args:
        before: writer for the previous searcher; its parts are reused where every row is still the same artist.
    """

    def __init__(self, form: SimilarForm, searcher: Searcher, before: SimilarWriter | None = None) -> None:
        self.searcher = searcher
        self._form = form
        self._starts: dict[int, bytes] = {}
        self._ends: dict[int, bytes] = {}
        self._documents: dict[int, tuple[bytes, bytes]] = {}
        self._answers: dict[tuple[int, int, str], tuple[tuple[list[int], bytes], bytes]] = {}
        self._answer_bytes = 0
        if before is not None and keeps_rows(before.searcher, searcher):
            self._starts, self._ends, self._documents = before._starts, before._ends, before._documents

    def write(self, row: int, neighbours: Neighbours, base: str) -> bytes:
        """Write the artists similar to the one in `row`; `base` is the address of the service's root."""
        rows: list[int] = neighbours.rows.tolist()
        key, of_list = (row, len(rows), base), (rows, neighbours.scores.tobytes())
        kept = self._answers.get(key)
        if kept is not None and kept[0] == of_list:
            return kept[1]
        answer = self._joined(row, rows, neighbours, base)
        self._answer_bytes += len(answer)
        if self._answer_bytes > MAX_ANSWER_BYTES:
            self._answers, self._answer_bytes = {}, len(answer)
        self._answers[key] = of_list, answer
        return answer

    def _joined(self, row: int, rows: list[int], neighbours: Neighbours, base: str) -> bytes:
        before, after = self._documents.get(row) or self._add_document(row)
        if not rows:
            return before + after
        if len(self._starts) >= MAX_KEPT:
            self._starts.clear()
            self._ends.clear()
        for other in rows:
            if other not in self._starts:
                self._add(other)
        parts = [self._form.middle + base.encode()] * (4 * len(rows))
        parts[::4] = map(self._starts.__getitem__, rows)
        parts[1::4] = matches_of(neighbours)
        parts[3::4] = map(self._ends.__getitem__, rows)
        parts[0] = before + parts[0]
        parts[-1] = parts[-1][: len(parts[-1]) - self._form.after_last] + after
        return b"".join(parts)

    def _add(self, row: int) -> None:
        artist = self.searcher.artist(row)
        self._starts[row] = self._form.start(artist.name, artist.mbid or "")
        self._ends[row] = page_of(artist.id).encode() + self._form.end

    def _add_document(self, row: int) -> tuple[bytes, bytes]:
        if len(self._documents) >= MAX_KEPT:
            self._documents.clear()
        self._documents[row] = document = self._form.document(self.searcher.artist(row).name)
        return document
