"""Pages of lists: one after the other they are the one long list, and each names the others in its header Link."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest

from riyl.app.http.paging import MAX_OFFSET, address_of_pages, page_links
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import Version
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked, database, key_headers, problem_of, running
from tests.app.routes.similar.questions import post
from tests.app.routes.test_artists import Asking
from tests.app.rules import BLOCK, NEVER, PIN, make
from tests.index.search.test_rules import made, naive


def links_of(answer: httpx.Response) -> dict[str, str]:
    """Return the addresses of the header Link by relation, as httpx reads it."""
    return {str(relation): str(link["url"]) for relation, link in answer.links.items()}


def pages(asking: Asking, address: str, relation: str) -> Iterator[httpx.Response]:
    """Follow the links of one relation from an address on."""
    following: str | None = address
    while following is not None:
        (answer,) = asking.get(following)
        assert answer.status_code == 200, answer.text
        yield answer
        link = links_of(answer).get(relation)
        following = None if link is None else urljoin(address, link)


def ids_of(answer: httpx.Response) -> list[str]:
    body = answer.json()
    return [artist["id"] for artist in body.get("similar", body.get("artists"))]


def walked(asking: Asking, address: str) -> list[list[str]]:
    """Return the ids of all pages from an address on; the links backwards must lead over the same pages."""
    answers = list(pages(asking, address, "next"))
    last = str(answers[-1].request.url.raw_path, "ascii")
    assert [ids_of(answer) for answer in pages(asking, last, "prev")] == [ids_of(answer) for answer in answers[::-1]]
    for answer in answers[1:]:
        (first,) = asking.get(urljoin(address, links_of(answer)["first"]))
        assert first.json() == answers[0].json()
    assert links_of(answers[0]).keys() <= {"next"}
    return [ids_of(answer) for answer in answers]


@pytest.fixture(scope="module")
def crowded(crowd: Version, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Make a home of 400 artists, more than a ready list holds, with rules and a deleted artist."""
    home = Home(tmp_path_factory.mktemp("crowded"))
    shutil.copytree(crowd.folder, home.versions / crowd.id)
    promote(home.versions, database(home), crowd.id, by="test", why="test", force=True)
    make(home, *RULES)
    (deleted,) = asked(home, "/v1/artists/a030", method="DELETE", headers=key_headers(home))
    assert deleted.status_code == 200, deleted.text
    return home


@pytest.fixture(scope="module")
def asking(crowded: Home) -> Iterator[Asking]:
    asking = Asking(crowded)
    yield asking
    asking.close()


RULES = [(PIN, "a003", "a300"), (PIN, "a003", "a301"), (BLOCK, "a031", None), (NEVER, "a003", "a032")]
SEEN = made(*RULES, (BLOCK, "a030", None))
"""The rules as the naive reference takes them, which knows no deletions."""


@pytest.mark.parametrize("artist", ["a003", "a004"])
@pytest.mark.parametrize("k", [7, 100, 200])
@pytest.mark.parametrize("more", ["", "uncorrected=true&", "explain=true&", "uncorrected=true&explain=true&"])
def test_pages_of_similar_artists_are_one_list(asking: Asking, crowd: Version, artist: str, k: int, more: str) -> None:
    lists = walked(asking, f"/v1/artists/{artist}/similar?{more}k={k}")
    naive_list = naive(crowd, SEEN, int(artist[1:]), 400, uncorrected="uncorrected" in more)
    assert list(itertools.chain(*lists)) == [other for other, _, _ in naive_list]
    assert {len(page) for page in lists[:-1]} == {k}
    uncorrected = "uncorrected" in more
    one_list = post(asking, seeds=[{"id": artist}], k=1000, uncorrected=uncorrected).json()["similar"]
    assert [entry["id"] for entry in one_list] == list(itertools.chain(*lists))


def test_a_page_has_the_entries_that_the_long_list_has(asking: Asking) -> None:
    (long,) = asking.get("/v1/artists/a003/similar?k=200")
    for k, offset in ((1, 0), (1, 1), (2, 1), (5, 150), (50, 1)):
        (page,) = asking.get(f"/v1/artists/a003/similar?k={k}&offset={offset}")
        assert page.json() == {**long.json(), "similar": long.json()["similar"][offset : offset + k]}
        assert page.headers["etag"] == long.headers["etag"]
    (page,) = asking.get("/v1/artists/a003/similar?k=2&offset=1")
    assert [entry.get("pinned", False) for entry in page.json()["similar"]] == [True, False]
    (same,) = asking.get("/v1/artists/a003/similar?k=2&offset=1", headers={"if-none-match": page.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_behind_the_end_there_is_an_empty_page(asking: Asking) -> None:
    (page,) = asking.get("/v1/artists/a003/similar?k=10&offset=1000")
    assert page.json()["similar"] == []
    before = "/v1/artists/a003/similar?k=10"
    assert links_of(page) == {"first": before, "prev": f"{before}&offset=990"}


@pytest.mark.parametrize("limit", [3, 7, 50])
def test_pages_of_names_are_one_list(asking: Asking, crowd: Version, limit: int) -> None:
    lists = walked(asking, f"/v1/artists?q=artist+1&limit={limit}")
    searcher = Searcher(crowd)
    every_row = searcher.search_names("artist 1", 1000, {30, 31})
    assert len(every_row) > 100
    assert list(itertools.chain(*lists)) == [searcher.id_of(row) for row in every_row]


@pytest.mark.parametrize("address", ["/v1/artists/a003/similar?k=5&offset={}", "/v1/artists?q=artist&offset={}"])
def test_an_offset_beyond_the_bound_is_refused(asking: Asking, address: str) -> None:
    wanted = {1001: "less than or equal to 1000", -1: "greater than or equal to 0", "x": "a valid integer"}
    for offset, text in wanted.items():
        body = problem_of(asking.get(address.format(offset))[0], 422, "invalid request")
        assert body["detail"].startswith(f"query.offset: found '{offset}'; wanted: Input should be ")
        assert text in body["detail"]
    assert asking.get(address.format(1000))[0].status_code == 200


def test_links_keep_the_parameters_and_escape_them(asking: Asking) -> None:
    (page,) = asking.get("/v1/artists?q=artist%201%26%22%3E+%C3%A9&offset=1&limit=1")
    before = "/v1/artists?q=artist+1%26%22%3E+%C3%A9&limit=1"
    assert links_of(page) == {"first": before, "prev": before}
    (page,) = asking.get("/v1/artists/a003/similar?offset=20&explain=true&k=20")
    before = "/v1/artists/a003/similar?explain=true&k=20"
    assert links_of(page) == {"first": before, "prev": before, "next": f"{before}&offset=40"}


def test_the_header_link_names_the_pages_that_exist() -> None:
    address = address_of_pages("/v1/x%2Fy", [("a", "1"), ("k", "9"), ("b", "é &"), ("offset", "3")], "k")
    assert address == "/v1/x%2Fy?a=1&b=%C3%A9+%26&k="
    assert page_links("/x?k=", 10, 0, has_next=False) is None
    assert page_links("/x?k=", 10, 0, has_next=True) == '</x?k=10&offset=10>; rel="next"'
    first = '</x?k=10>; rel="first", '
    assert page_links("/x?k=", 10, 10, has_next=False) == first + '</x?k=10>; rel="prev"'
    # the page before is shorter, so that no entry comes twice
    assert page_links("/x?k=", 10, 4, has_next=False) == first + '</x?k=4>; rel="prev"'
    both = page_links("/x?k=", 10, MAX_OFFSET - 10, has_next=True)
    assert both == first + '</x?k=10&offset=980>; rel="prev", </x?k=10&offset=1000>; rel="next"'
    assert page_links("/x?k=", 10, MAX_OFFSET, has_next=True) == first + '</x?k=10&offset=990>; rel="prev"'


async def test_pages_of_other_origins_may_read_the_links(home: Home) -> None:
    origin = "https://music.example"
    async with running(home, Settings(home=home.root, cors_origins=origin)) as (_, client):
        answer = await client.get("/v1/artists/a001/similar", headers={"origin": origin})
        assert "Link" in answer.headers["access-control-expose-headers"].split(", ")
