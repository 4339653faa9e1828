from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import riyl
from riyl.app.python.catalog import Catalog
from riyl.core.errors import InputError, NotFoundError, NothingKnownError
from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers
from tests.app.python.frames import columns_of, rows_of
from tests.index.conftest import MBID

COLUMNS = ["query_id", "rank", "artist_id", "name", "mbid", "score", "modalities", "pinned"]


def from_http(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an answer of the service as the rows of a frame."""
    return [
        {
            "rank": rank,
            "artist_id": each["id"],
            "name": each["name"],
            "mbid": each["mbid"],
            "score": each["score"],
            "modalities": "+".join(each["modalities"]),
            "pinned": each.get("pinned", False),
        }
        for rank, each in enumerate(body["similar"], 1)
    ]


def test_an_answer_is_that_of_the_service(bench: Home, catalog: Catalog) -> None:
    plain, other = asked(bench, "/v1/artists/a001/similar?k=7", "/v1/artists/a001/similar?k=3&uncorrected=true")
    frame = catalog.similar("a001", k=7)
    assert columns_of(frame) == COLUMNS
    assert rows_of(frame) == [{"query_id": "a001", **row} for row in from_http(plain.json())]
    assert len(rows_of(frame)) == 7
    uncorrected = catalog.similar("a001", 3, uncorrected=True)
    assert rows_of(uncorrected) == [{"query_id": "a001", **row} for row in from_http(other.json())]


@pytest.mark.parametrize("name", ["Radiohead", "radiohead", MBID, MBID.upper(), "On a Friday"])
def test_an_artist_is_an_id_an_mbid_or_a_name(catalog: Catalog, name: str) -> None:
    assert rows_of(catalog.similar(name, k=3)) == rows_of(catalog.similar("a001", k=3))


def test_several_artists_have_a_list_each(catalog: Catalog) -> None:
    both = rows_of(catalog.similar(["a002", "Radiohead"], k=4))
    assert both == rows_of(catalog.similar("a002", k=4)) + rows_of(catalog.similar("a001", k=4))
    assert [row["query_id"] for row in both] == ["a002"] * 4 + ["a001"] * 4
    assert columns_of(catalog.similar([])) == COLUMNS


def test_a_mixed_query_is_answered_as_by_the_service(bench: Home, catalog: Catalog) -> None:
    body: dict[str, Any] = {
        "seeds": [{"id": "a001", "weight": 2.0}, {"name": "AC/DC"}],
        "avoid": [{"id": "a003"}],
        "tags": {"ska": 1.0},
        "k": 6,
        "popularity": -0.25,
        "filters": {"modalities": ["tags"]},
    }
    (answer,) = asked(bench, "/v1/similar", method="POST", json=body)
    wanted = from_http(answer.json())
    assert len(wanted) == 6
    weighted = {**body, "seeds": {"Radiohead": 2.0, "AC/DC": 1.0}, "avoid": "Sigur Rós"}
    for query in (body, weighted):
        frame = catalog.query(**query)
        assert columns_of(frame) == COLUMNS[1:]
        assert rows_of(frame) == wanted


def test_rules_and_changes_of_the_service_hold_at_once(copied: Callable[[], Home]) -> None:
    home = copied()
    catalog = riyl.open(home.root, backend="pandas")
    first, second, third = (row["artist_id"] for row in rows_of(catalog.similar("a001", k=3)))
    headers = key_headers(home)
    asked(home, f"/v1/artists/{first}", method="DELETE", headers=headers)
    assert [row["artist_id"] for row in rows_of(catalog.similar("a001", k=2))] == [second, third]
    rule = {"kind": "pin", "artist": "a001", "other": "a050", "why": "test"}
    asked(home, "/v1/rules", method="POST", headers=headers, json=rule)
    rows = rows_of(catalog.similar("a001", k=2))
    assert [(row["artist_id"], row["pinned"]) for row in rows] == [("a050", True), (second, False)]
    (answer,) = asked(home, "/v1/artists/a001/similar?k=2")
    assert rows == [{"query_id": "a001", **row} for row in from_http(answer.json())]


def test_errors_name_what_was_found(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"no artist 'Radiohed' in version .*similar names: Radiohead \(a001"):
        catalog.similar("Radiohed")
    with pytest.raises(InputError, match=r"several artists are called 'Aurora'; name one by its id: .*a005.*a006"):
        catalog.similar("Aurora")
    with pytest.raises(NothingKnownError):
        catalog.similar("Nobody Knows")
    for k in (0, 201):
        with pytest.raises(InputError, match=rf"^k: found {k}; wanted 1 to 200$"):
            catalog.similar("a001", k=k)


def test_errors_of_a_query_name_the_field(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="query: found the keyword 'tag'; wanted 'tags'"):
        catalog.query(tag={"ska": 1})
    with pytest.raises(InputError, match="query: found the keyword 'explain'; wanted"):
        catalog.query(seeds=["a001"], explain=True)
    with pytest.raises(InputError, match=r"k: .*\(found 0\)"):
        catalog.query(seeds=["a001"], k=0)
    with pytest.raises(InputError, match="at least one of seeds, tags, vectors and plays"):
        catalog.query(k=3)
    with pytest.raises(NotFoundError, match="no artist 'Nobody There'"):
        catalog.query(seeds=["Nobody There"])
