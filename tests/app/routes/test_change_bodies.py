"""Tests of bodies of changes that are refused or change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from riyl.core.settings import Home
from tests.app.conftest import asked, problem_of
from tests.app.routes.changes import lines, put, sent, stands, verdicts, writer


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ({}, "body.name: found nothing"),
        ({"name": ""}, "body.name"),
        ({"name": " \t"}, "body.name"),
        ({"name": "a\0b"}, "body.name"),
        ({"name": "a" * 1001}, "body.name"),
        ({"name": None}, "body.name"),
        ({"name": "N", "nmae": "x"}, "body.nmae"),
        ({"name": "N", "mbid": ""}, "body.mbid"),
        ({"name": "N", "aliases": ["ok", ""]}, "body.aliases.1"),
        ({"name": "N", "tags": {"ska": 0}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": -1}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": True}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": "much"}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": 1e-60}}, "tags: found 1e-60 of 'ska'; wanted a finite number above 0"),
        ({"name": "N", "tags": {"ska": 1e60}}, "tags: found 1e+60 of 'ska'"),
        ({"name": "N", "tags": {" ": 1}}, "tags"),
        ({"name": "N", "tags": {str(i): 1 for i in range(1001)}}, "body.tags"),
        ({"name": "N", "plays": {"": 1}}, "plays"),
        ({"name": "N", "vectors": {"audio": [[]]}}, "body.vectors.audio.0"),
        ({"name": "N", "vectors": {"audio": [[1.0], [1.0, 2.0]]}}, "vectors.audio.1: found an array of shape (2,)"),
        ({"name": "N", "vectors": {"audio": [[1e60]]}}, "vectors.audio.0: found inf at position 1"),
        ({"name": "N", "vectors": {"audio": [[1.0]] * 1001}}, "body.vectors.audio"),
        ({"name": "N", "vectors": {"Audio": [[1.0]]}}, "body.vectors.Audio"),
        ({"name": "N", "vectors": {"artists": [[1.0]]}}, "vectors: found 'artists'; wanted a modality"),
        ({"name": "N", "attributes": {"year": "1999"}}, "attributes.year: found '1999'; wanted a whole number"),
        (
            {"name": "N", "attributes": {"country": 7}},
            "attributes.country: found 7; wanted text, as in the catalog",
        ),
        (
            {"name": "N", "attributes": {"name": "x"}},
            "attributes: found 'name'; wanted a column other than artist_id, name",
        ),
        ({"name": "N", "attributes": {"new": [1]}}, "body.attributes.new"),
        ({"name": "N", "attributes": {"new": 2**63}}, "body.attributes.new"),
        ({"name": "N", "attributes": {"new": -(2**63) - 1}}, "wanted: a whole number of 64 bits"),
        ({"name": "N", "attributes": {"": 1}}, "body.attributes"),
        ([], "body"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_artist_is_refused_and_changes_nothing(home: Home, payload: Any, where: str) -> None:
    (answer,) = asked(home, "/v1/artists/new", method="PUT", headers=writer(home), json=payload)
    assert where in problem_of(answer, 422, "invalid request")["detail"]
    assert stands(home, "new") is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"name": "\xff"}', b'{"name": "\\ud800"}', b'{"name": "N", "tags": {"x": NaN}}', b"[" * 5000]
)
def test_what_is_no_json_is_refused(home: Home, body: bytes) -> None:
    headers = {**writer(home), "content-type": "application/json"}
    (answer,) = asked(home, "/v1/artists/new", method="PUT", headers=headers, content=body)
    assert answer.status_code in (400, 422), answer.text
    assert stands(home, "new") is None


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ({"name": None}, "body.name"),
        ({"name": " "}, "body.name"),
        ({"tags": {"ska": 0}}, "body.tags.ska"),
        ({"tags": {"ska": "much"}}, "body.tags.ska"),
        ({"tags": {" ": None}}, "body.tags"),
        ({"tags": ["ska"]}, "body.tags"),
        ({"tags": {"ska": 1e-60}}, "tags: found 1e-60 of 'ska'"),
        ({"plays": {"u": {"count": 1}}}, "body.plays.u"),
        ({"vectors": {"audio": {"0": [1.0]}}}, "body.vectors.audio"),
        (
            {"tags": {"Ska": 1, " sKA": None}},
            "tags: found both 'Ska' and ' sKA', which are the same; wanted one of them",
        ),
        ({"tags": {str(i): None for i in range(1001)}}, "body.tags"),
    ],
    ids=str,
)
def test_what_is_no_patch_is_refused_and_changes_nothing(home: Home, payload: Any, where: str) -> None:
    (answer,) = asked(home, "/v1/artists/a001", method="PATCH", headers=writer(home), json=payload)
    assert where in problem_of(answer, 422, "invalid request")["detail"]
    assert stands(home, "a001") is None


def test_a_put_is_no_patch_and_has_no_null_inside(home: Home) -> None:
    (answer,) = asked(
        home, "/v1/artists/new", method="PUT", headers=writer(home), json={"name": "N", "tags": {"ska": None}}
    )
    assert "body.tags.ska" in problem_of(answer, 422, "invalid request")["detail"]


@pytest.mark.parametrize("artist", ["a%00", "a" * 201, "x/similar"])
def test_an_id_that_is_none_is_refused(home: Home, artist: str) -> None:
    (answer,) = asked(home, f"/v1/artists/{artist}", method="PUT", headers=writer(home), json={"name": "N"})
    assert "id: found" in problem_of(answer, 422, "invalid request")["detail"].replace("path.", "")


@pytest.mark.parametrize("address", ["a001%0A", "%0A", "a001%0A:merge", "a0%0A01"])
def test_an_address_with_a_line_break_is_no_artists(home: Home, address: str) -> None:
    for method in ("DELETE", "PATCH", "PUT", "POST"):
        if method == "POST" and not address.endswith(":merge"):
            continue
        payload = {"into": "a002"} if method == "POST" else {"name": "N"}
        body = {} if method == "DELETE" else {"json": payload}
        (answer,) = asked(home, f"/v1/artists/{address}", method=method, headers=writer(home), **body)
        assert answer.status_code == 404, (method, answer.text)
    assert stands(home, "a001") is None


@pytest.mark.parametrize(
    ("artist", "payload", "message"),
    [
        ("NULL", {"name": "Ann"}, "id: found 'NULL'"),
        ("n1", {"name": "None"}, "name: found 'None'"),
        ("n1", {"name": "Ann", "mbid": "nan"}, "mbid: found 'nan'"),
        ("n1", {"name": "Ann", "mbid": "00000000-0000-0000-0000-000000000000"}, "mbid: found '00000000-"),
        ("n1", {"name": "Ann", "aliases": ["Annie", "\\N"]}, "aliases: found"),
        ("n1", {"name": "Ann", "plays": {"null": 3}}, "plays: found 'null'"),
        ("n1", {"name": "Ann", "tags": {"NaN": 3}}, "tags: found 'NaN'"),
    ],
)
def test_what_exporters_write_for_nothing_is_no_id_name_or_mbid(
    home: Home, artist: str, payload: dict[str, Any], message: str
) -> None:
    assert put(home, artist, payload, 422)["detail"].startswith(message)
    (verdict,) = verdicts(sent(home, lines({"kind": "put", "id": artist, **payload})))
    assert (verdict["status"], verdict["problem"]["detail"][: len(message)]) == (422, message)
    assert stands(home, artist) is None


def test_a_name_that_only_looks_like_nothing_is_put(home: Home) -> None:
    put(home, "n1", {"name": "Nil", "aliases": ["none"]}, 201)
