"""Tests of generated batches of changes, as lines and as one object, against a second reader and its dictionaries."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from riyl.app.serving.reloader import VersionReloader
from riyl.core.db.changes import drop_changes
from riyl.core.db.effective import effective_of, head, since
from riyl.core.db.keys import Role
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home
from tests.app.conftest import database, key_headers
from tests.app.routes.test_artists import Asking, asking, state  # noqa: F401
from tests.app.second_reader import MAX_LINE_BYTES, Artists, Change, WrongLineError, change_of, checked, need, plain
from tests.core.changes.test_effective import merge_patch
from tests.index.conftest import MBID

WIDTH = 8
"""Length of an audio vector in the version."""

QUICK = {"max_examples": 40, "deadline": None, "suppress_health_check": list(HealthCheck)}
LONG = {**QUICK, "max_examples": 400}

RIGHT_IDS = ["a001", "a002", "a059", MBID, MBID.upper(), "n0", "n1", "é/ü?", "x" * 200]
WRONG_IDS: list[Any] = ["", "x" * 201, "a\0", 5, None, [], "\ud800"]
words = st.sampled_from(["ska", "Ska ", "noise", "x" * 1000, "é\u0301", "\U0001f3b8"])
wrong_words = st.sampled_from(["", " ", "\0", "x" * 1001, "a\ud800"])
weights = st.sampled_from([1, 2.5, 1e-9, 10**30])
wrong_weights = st.sampled_from([0, -1, True, "1", 10**39, 1e-60, 10**400, float("nan"), float("inf"), [], {}])
vectors = st.lists(st.lists(st.floats(1, 2, width=16), min_size=WIDTH, max_size=WIDTH), max_size=2)
wrong_vectors = st.sampled_from(
    [[[]], [[1.0] * 7], [[1.0] * 8, [1.0]], [[True] * 8], [["1"] * 8], [1.0], {}, [[10**39] * 8]]
)
attributes = st.sampled_from(["x", "", True, 7, -(2**63), 0.5, 1e308])
wrong_attributes = st.sampled_from([2**63, [], {}, "\0", "x" * 10_001, float("-inf")])
nulls = st.none()


def entries(names: st.SearchStrategy[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(names, values, max_size=3)


modalities = st.sampled_from(["audio"])
fields = {
    "mbid": st.sampled_from(["0f1", None]),
    "aliases": st.none() | st.lists(words, max_size=2),
    "attributes": st.none() | entries(words, attributes | nulls),
    "vectors": st.none() | entries(modalities, vectors | nulls),
    "tags": st.none() | entries(words, weights),
    "plays": st.none() | entries(words, weights),
}
wrong_fields: dict[str, st.SearchStrategy[Any]] = {
    "mbid": wrong_words | st.sampled_from([5, "x" * 201]),
    "aliases": st.lists(wrong_words, min_size=1, max_size=2) | st.just("x") | st.just(["x"] * 101),
    "attributes": entries(words, wrong_attributes) | entries(wrong_words, attributes) | st.just({"mbid": "x"}),
    "vectors": entries(modalities, wrong_vectors) | st.sampled_from([{"plays": [[1.0]]}, {"A": [[1.0]]}, []]),
    "tags": entries(words, wrong_weights) | entries(wrong_words, weights) | st.sampled_from(["x", []]),
    "plays": entries(words, wrong_weights) | entries(wrong_words, weights),
    "name": wrong_words | st.sampled_from([None, 5, []]),
    "into": st.sampled_from(WRONG_IDS),
    "unknown": st.just(1),
    "kind": st.sampled_from(["", "PUT", "drop", "replace", None, 5, []]),
    "id": st.sampled_from(WRONG_IDS),
}


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw a change as JSON values, in most cases a valid one."""
    kind = draw(st.sampled_from(["put", "put", "patch", "patch", "delete", "merge"]))
    change: Change = {"kind": kind, "id": draw(st.sampled_from(RIGHT_IDS))}
    if kind in ("put", "patch"):
        optional = dict(fields)
        if kind == "patch":
            optional |= {table: st.none() | entries(words, weights | nulls) for table in ("tags", "plays")}
        change |= draw(st.fixed_dictionaries({}, optional=optional))
    if kind == "put" or (kind == "patch" and draw(st.booleans())):
        change["name"] = draw(words)
    if kind == "merge":
        change["into"] = draw(st.sampled_from(RIGHT_IDS))
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from([*wrong_fields]))
        change[name] = draw(wrong_fields[name])
    if draw(st.integers(0, 9)) == 0:
        change.pop(draw(st.sampled_from([*change])))
    return change


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Draw a line: a change as JSON in some form, or a damaged one."""
    change = draw(changes())
    separators = draw(st.sampled_from([(",", ":"), (" , ", "\t: ")]))
    pairs = [(json.dumps(name), json.dumps(value, separators=separators)) for name, value in change.items()]
    if pairs and draw(st.integers(0, 5)) == 0:  # a duplicate name: the last value counts
        pairs.insert(0, (draw(st.sampled_from(pairs))[0], draw(st.sampled_from(['"x"', '"delete"', "null", "{}"]))))
    line = ("{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}").encode()
    match draw(st.integers(0, 9)):
        case 0:
            at = draw(st.integers(0, len(line)))
            line = line[:at] + draw(st.binary(max_size=3)).replace(b"\n", b"") + line[at + draw(st.integers(0, 2)) :]
        case 1:
            line = draw(st.sampled_from([b"\xef\xbb\xbf", b" ", b"\t", b"\x0b", b"\xff", b"\0", b"\xc2\xa0"])) + line
        case 2:
            line += draw(st.sampled_from([b" ", b"\r", b"\x0c", b",", b"}", b"{}", line, b"\xe2\x80\xa8"]))
        case 3:
            line = line.decode().encode(draw(st.sampled_from(["utf-16", "utf-16-le", "utf-8-sig"]))).replace(b"\n", b"")
    return line


odd_lines = st.sampled_from(
    [
        *(b"", b" ", b"\t \r", b"\x0b\x0c", b"\xc2\xa0", b"\x00", b"\x1e"),
        *(b"{}", b"[]", b"null", b"0", b'"put"', b"NaN", b"-", b"{", b"'"),
        *(b"[" * 5000, b"[" * 30_000, b'{"a":' * 5000, b'{"a":' * 100 + b"1" + b"}" * 100),
        b'{"kind":"delete","id":"n0"}' + b" " * 1000,
        b'{"kind":"put","id":"n0","name":"N","attributes":{"x":' + b"9" * 5000 + b"}}",
        b'{"kind":"put","id":"n0","name":"N","tags":{"x":' + b"0." + b"1" * 5000 + b"}}",
        b'{"kind":"put","id":"n0","name":"N","tags":{"x":01}}',
        b'{"kind":"put","id":"n\\u0030","name":"\\ud83c\\udfb8"}',
        b'{"kind":"put","id":"n0","name":"\\ud83c"}',
        b'{"kind":"put","id":"n0","name":"a\tb"}',
        b'{"kind":"put","id":"n0","name":"\x7f"}',
        b'{"kind":"put","id":"n0","name":"N","x":' + b"[" * 300 + b"]" * 300 + b"}",
    ]
)
bodies = st.builds(
    lambda given, end, last: end.join(given) + last,
    st.lists(lines() | lines() | lines() | odd_lines | st.binary(max_size=40), min_size=1, max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.sampled_from([b"", b"\n", b"\r\n", b" "]),
)

ITEMS = st.lists(changes() | changes() | st.sampled_from([None, 0, "put", [], {}, [[]] * 9, float("nan")]), max_size=12)


def fitting(change: Change) -> Change:
    """Return the change; refuse it if its vectors do not fit the version."""
    for each in ((change.get("vectors") or {}).get("audio")) or []:
        need(len(each) == WIDTH, "width")
    return change


class Batches:
    """Service whose artists have the values of the tables at the start of each example, and the expected state."""

    def __init__(self, asking: Asking, home: Home) -> None:  # noqa: F811
        self._asking = asking
        self._headers = key_headers(home, Role.WRITE)
        self._database = database(home)
        self._sent = 0
        reloader = asking.app.state.reloader
        assert isinstance(reloader, VersionReloader)
        self._reloader = reloader
        self._begin()

    def _begin(self) -> None:
        self.artists = Artists({f"a{i:03d}" for i in range(60)}, {MBID: "a001"})

    def take_back(self) -> None:
        """Reset the artists to the values of the tables."""
        for artist in {*RIGHT_IDS, *self.artists.said, *self.artists.gone}:
            with suppress(
                NotFoundError, InputError
            ):  # artists that were merged in a circle are restored from the other end
                drop_changes(self._database, by="test", artist=artist)
        self._reloader.poll()
        self._begin()

    def post(self, body: bytes, kind: str, key: str | None = None) -> httpx.Response:
        headers = {**self._headers, "content-type": kind}
        if key is not None:
            headers["idempotency-key"] = key
        return self._asking.run(self._asking.client.post("/v1/artists:batch", content=body, headers=headers))

    def expected(self, read: list[tuple[int, Change | None]]) -> list[tuple[int, int, str | None]]:
        """Line, status and artist of each verdict."""
        return [
            (number, 422, None)
            if change is None
            else (number, self.artists.carry_out(change), self.artists.meant(change["id"]))
            for number, change in read
        ]

    def send(self, body: bytes, kind: str) -> list[dict[str, Any]] | None:
        """Return the verdicts on a batch, checked against the stored changes; a second sending changes nothing."""
        self._sent += 1
        with self._database.read() as connection:
            before = head(connection)
        answer, again = (self.post(body, kind, f"k{self._sent}") for _ in range(2))
        assert (answer.status_code, without_times(answer)) == (again.status_code, without_times(again))
        verdicts = verdicts_of(answer) if answer.status_code == 200 else []
        with self._database.read() as connection:
            written = [(change.number, change.artist) for change in since(connection, before, 10_000)]
        assert [(each["number"], each["id"]) for each in verdicts if each.get("changed")] == written
        for each in verdicts:
            assert ("problem" in each) == (each["status"] >= 400) == ("number" not in each)
        if answer.status_code != 200:
            assert answer.status_code == 422, answer.text
            return None
        return verdicts

    def are_as_read(self, verdicts: list[dict[str, Any]] | None, read: list[tuple[int, Change | None]]) -> None:
        """Compare verdicts and effective changes to the second reader, which reads nothing from an invalid batch."""
        if verdicts is None:
            assert not read
            return
        assert [(each["line"], each["status"], each.get("id")) for each in verdicts] == self.expected(read)
        self._reloader.poll()
        for artist in {*self.artists.said, *self.artists.gone}:
            (answer,) = self._asking.get(f"/v1/artists/{quote(artist, safe='')}")
            assert (answer.status_code == 200) == (artist not in self.artists.gone), (artist, answer.text)
            assert answer.status_code != 200 or answer.json()["artist"]["id"] == artist
            with self._database.read() as connection:
                stands = effective_of(connection, artist)
            if stands is None:
                assert self.artists.said[artist] == {}  # a patch without fields, of an artist of the tables
                continue
            assert (stands.deleted, stands.into) == (artist in self.artists.gone, self.artists.gone.get(artist))
            if artist in self.artists.said:
                assert plain(merge_patch({}, plain(stands.payload, nulls=True))) == self.artists.said[artist]


def verdicts_of(answer: httpx.Response) -> list[dict[str, Any]]:
    if answer.headers["content-type"] == "application/json":
        return list(answer.json()["items"])
    return [json.loads(line) for line in answer.text.splitlines()]


def without_times(answer: httpx.Response) -> Any:
    """Return the part of a verdict that stays equal when a batch is sent again."""
    if answer.status_code != 200:
        return {name: value for name, value in answer.json().items() if name != "request_id"}
    return [{**each, "visible_after": None} for each in verdicts_of(answer)]


@pytest.fixture(scope="module")
def batches(asking: Asking, state: Home) -> Batches:  # noqa: F811
    return Batches(asking, state)


def read(reader: Callable[[Any], Change], given: Any) -> Change | None:
    try:
        return fitting(reader(given))
    except WrongLineError:
        return None


def lines_are_read_alike(batches: Batches, body: bytes) -> None:
    batches.take_back()
    given = [(n, read(change_of, line)) for n, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    batches.are_as_read(batches.send(body, "application/x-ndjson"), given)


def items_are_read_alike(batches: Batches, items: list[Any]) -> None:
    batches.take_back()
    try:
        json.dumps(items, ensure_ascii=False).encode()
        given = [(n, read(checked, item)) for n, item in enumerate(items, start=1)]
    except UnicodeEncodeError:  # half of a surrogate pair is not valid JSON, and the object is read as a whole
        given = []
    batches.are_as_read(batches.send(json.dumps({"items": items}).encode(), "application/json"), given)


@settings(**QUICK)
@given(body=bodies)
@example(body=b'{"kind":"put","id":"n0","name":"N"}' + b" " * MAX_LINE_BYTES + b'\n{"kind":"delete","id":"n0"}')
def test_lines_are_read_as_by_a_second_reader(batches: Batches, body: bytes) -> None:
    lines_are_read_alike(batches, body)


@pytest.mark.slow
@settings(**LONG)
@given(body=bodies)
def test_many_lines_are_read_as_by_a_second_reader(batches: Batches, body: bytes) -> None:
    lines_are_read_alike(batches, body)


@settings(**QUICK)
@given(items=ITEMS)
def test_items_are_read_as_by_a_second_reader(batches: Batches, items: list[Any]) -> None:
    items_are_read_alike(batches, items)


@pytest.mark.slow
@settings(**LONG)
@given(items=ITEMS)
def test_many_items_are_read_as_by_a_second_reader(batches: Batches, items: list[Any]) -> None:
    items_are_read_alike(batches, items)
