"""Routes of aliases: uploads replace a media server's ids, and say what they skipped."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from riyl.app.services import aliases
from riyl.core.db.aliases import AliasKind, artists_of_alias
from riyl.core.db.keys import Role
from riyl.core.settings import Home
from tests.app.conftest import asked, database, key_headers, problem_of, running
from tests.index.conftest import MBID

NAVIDROME, JELLYFIN = AliasKind
TABLE = f"external_id,mbid,name,extra\nn1,{MBID.upper()},Someone,x\nn2,,björk,y\nn3,,Nobody of this Name,\nn4,,,\n"


def upload(
    home: Home, table: str | bytes, kind: str = "navidrome", name: str = "mine.csv", role: Role = Role.WRITE
) -> httpx.Response:
    files: dict[str, Any] = {"file": (name, table)}
    path = f"/v1/aliases/{kind}"
    return asked(home, path, method="POST", headers=key_headers(home, role), files=files)[0]


def artist_of(home: Home, kind: AliasKind, alias: str) -> str | None:
    opened = database(home)
    try:
        return artists_of_alias(opened, {kind: alias}).get(kind)
    finally:
        opened.close()


def test_an_upload_maps_ids_by_mbid_and_by_name_and_counts_unknown_artists(home: Home) -> None:
    response = upload(home, TABLE)
    assert (response.status_code, response.json()) == (
        200,
        {"kind": "navidrome", "aliases": 2, "unknown": 2, "examples": ["n3", "n4"]},
    )
    assert [artist_of(home, NAVIDROME, each) for each in ("n1", "n2", "n3", "n4")] == ["a001", "a000", None, None]
    (listed,) = asked(home, "/v1/aliases")
    assert listed.json() == {"aliases": [{"kind": "navidrome", "aliases": 2}, {"kind": "jellyfin", "aliases": 0}]}


def test_the_first_column_by_which_there_is_an_artist_counts(home: Home) -> None:
    table = f"name\tmbid\tartist_id\texternal_id\nBjörk\t{MBID}\ta003\tx1\nBjörk\t{MBID}\ta999\tx2\nMØ\tunknown\t\tx3\n"
    assert upload(home, table, name="mine.tsv").json()["aliases"] == 3
    assert [artist_of(home, NAVIDROME, each) for each in ("x1", "x2", "x3")] == ["a003", "a001", "a011"]


def test_another_upload_replaces_the_kind_and_one_of_no_rows_empties_it(home: Home) -> None:
    upload(home, "external_id,artist_id\nn1,a001\n")
    upload(home, "external_id,artist_id\nn1,a002\n", kind="jellyfin")
    upload(home, "external_id,artist_id\nn2,a003\n")
    assert [artist_of(home, NAVIDROME, each) for each in ("n1", "n2")] == [None, "a003"]
    assert upload(home, "external_id,artist_id\n").json()["aliases"] == 0
    assert artist_of(home, NAVIDROME, "n2") is None
    assert artist_of(home, JELLYFIN, "n1") == "a002"


def test_ids_of_jellyfin_are_stored_without_hyphens_and_in_lower_case(home: Home) -> None:
    upload(home, "external_id,artist_id\nA74B1B7F-71A5-4011-9441-D0B5E4122711,a001\n", kind="jellyfin")
    assert artist_of(home, JELLYFIN, "a74b1b7f71a540119441d0b5e4122711") == "a001"


@pytest.mark.parametrize(
    ("table", "detail"),
    [
        ("", "mine.csv: found an empty file; wanted a header and at least one row"),
        ("a,b\n1,2\n", "mine.csv: found the columns a, b; wanted a column external_id, and at least one of"),
        ("external_id\nn1\n", "wanted a column external_id, and at least one of artist_id, mbid, name, each once"),
        ("external_id,name,name\nn1,a,b\n", "each once"),
        ("external_id\tname\nn1\tx\n", "wanted columns separated by commas, not by tabs"),
        ("external_id,name\nn1,x\n,y\n", "mine.csv, row 2: found external_id ''; wanted 1 to 200 characters"),
        (f"external_id,name\n{'x' * 201},y\n", "mine.csv, row 1: found external_id 'xxx"),
        ("external_id,name\nn1,x\nn2,y\nn1,z\n", "mine.csv, row 3: found external_id 'n1' again; wanted each id once"),
        ("external_id,name\nn1,x,y\n", "mine.csv, row 1: found 3 fields"),
        (b"external_id,name\nn1,\xff\n", "mine.csv, row 1: found byte 0xff"),
        (b"external_id,name\nn\x001,x\n", "found byte 0x00"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_place_and_changes_nothing(
    home: Home, table: str | bytes, detail: str
) -> None:
    upload(home, "external_id,artist_id\nkept,a001\n")
    problem = problem_of(upload(home, table), 422, "invalid request")
    assert detail in problem["detail"]
    assert problem["detail"].startswith("mine.csv")
    assert artist_of(home, NAVIDROME, "kept") == "a001"


def test_too_many_rows_are_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliases, "MAX_ALIASES", 3)
    rows = [f"n{i},a001\n" for i in range(4)]
    problem = problem_of(upload(home, "external_id,artist_id\n" + "".join(rows)), 422, "invalid request")
    assert "mine.csv: found more than 3 rows; wanted at most that many" in problem["detail"]
    assert upload(home, "external_id,artist_id\n" + "".join(rows[:3])).json()["aliases"] == 3


def test_an_upload_needs_a_key_that_may_write_and_a_known_media_server(home: Home) -> None:
    assert upload(home, TABLE, role=Role.READ).status_code == 403
    assert asked(home, "/v1/aliases/navidrome", method="POST", files={"file": ("a.csv", TABLE)})[0].status_code == 401
    assert problem_of(upload(home, TABLE, kind="plex"), 422, "invalid request")
    problem = problem_of(upload(home, TABLE, name="mine.parquet"), 422, "invalid request")
    assert "body.file: found a file called 'mine.parquet'; wanted one that ends in .csv, .tsv" in problem["detail"]
    other_part = {"files": {"table": ("a.csv", TABLE)}, "headers": key_headers(home, Role.WRITE)}
    problem = problem_of(asked(home, "/v1/aliases/navidrome", method="POST", **other_part)[0], 422, "invalid request")
    assert "found a part called 'table'; wanted file" in problem["detail"]


async def test_of_uploads_at_once_one_counts_as_a_whole(home: Home) -> None:
    headers = key_headers(home, Role.WRITE)
    tables = ["external_id,artist_id\n" + "".join(f"n{i},a{j:03d}\n" for i in range(500)) for j in range(4)]
    async with running(home) as (_, client):
        responses = await asyncio.gather(
            *(client.post("/v1/aliases/navidrome", headers=headers, files={"file": ("a.csv", t)}) for t in tables)
        )
        assert [each.json()["aliases"] for each in responses] == [500] * 4
    assert len({artist_of(home, NAVIDROME, f"n{i}") for i in range(0, 500, 50)}) == 1
