"""Tests of artist.getSimilar: the artists of GET similar in the same order, and the fast path and the route alike."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest

from riyl.app.compat.lastfm.similar_form import SIMILAR_JSON, SIMILAR_XML, SimilarWriter, matches_of
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.search.neighbours import Neighbours
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import promote
from tests.app.compat.lastfm.client import Lastfm, error_of
from tests.app.conftest import database
from tests.app.rules import BLOCK, NEVER, PIN, make

SIMILAR = "artist.getSimilar"


@pytest.fixture(scope="module")
def many(crowd: Version, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lastfm]:
    """Return a client of a service over more than a hundred artists."""
    home = Home(tmp_path_factory.mktemp("many"))
    shutil.copytree(crowd.folder, home.versions / crowd.id)
    promote(home.versions, database(home), crowd.id, by="test", why="test")
    lastfm = Lastfm(home)
    yield lastfm
    lastfm.close()


def test_a_match_is_half_of_one_more_than_the_score_between_0_and_1() -> None:
    scores = np.array([1.5, 1.0, 0.5, 0.123456, 0.0, -0.25, -1.0, -3.0], np.float32)
    matches = matches_of(Neighbours(np.zeros(8, np.int32), scores))
    assert [float(match) for match in matches] == [1.0, 1.0, 0.75, 0.561728, 0.5, 0.375, 0.0, 0.0]
    assert matches_of(Neighbours(np.zeros(0, np.int32), scores[:0])) == []


def test_a_hundred_artists_have_the_artists_of_our_own_answer_in_the_same_order_in_every_form(many: Lastfm) -> None:
    for number in range(100):
        id, name = f"a{number:03d}", f"Artist {number}"
        ours = many.get(f"/v1/artists/{id}/similar?k=50")[0].json()["similar"]
        names = [artist["name"] for artist in ours]
        matches = [min(1.0, max(0.0, (1 + artist["score"]) / 2)) for artist in ours]
        assert len(ours) == 50
        by_get = many.json(SIMILAR, artist=name, limit=50)["similarartists"]
        by_form = many.post(method=SIMILAR, artist=name, limit=50, format="json").json()["similarartists"]
        for document in (by_get, by_form):
            assert document["@attr"] == {"artist": name}
            assert [artist["name"] for artist in document["artist"]] == names
            assert [float(artist["match"]) for artist in document["artist"]] == pytest.approx(matches, abs=6e-7)
            pages = [f"http://localhost/?artist={artist['id']}" for artist in ours]
            assert [artist["url"] for artist in document["artist"]] == pages
        posted = many.post(method=SIMILAR, artist=name, limit=50)
        for answer in (many.xml(SIMILAR, artist=name, limit=50), ElementTree.fromstring(posted.content)[0]):
            assert (answer.tag, answer.attrib) == ("similarartists", {"artist": name})
            assert [element.text for element in answer.iter("name")] == names
            assert [float(str(element.text)) for element in answer.iter("match")] == pytest.approx(matches, abs=6e-7)


@pytest.mark.parametrize("limit", [1, 7, 30, 200])
def test_the_fast_path_answers_what_the_route_answers(lastfm: Lastfm, limit: int) -> None:
    for name in ("Björk", "AC/DC", "!!!", "Umm Kulthum", "[/red] herring [bold]"):
        for form in ("xml", "json"):
            question = {"method": SIMILAR, "artist": name, "limit": limit, "format": form}
            fast, route = lastfm.ask(**question), lastfm.post(**question)
            assert fast.status_code == 200
            assert (fast.content, fast.headers["content-type"]) == (route.content, route.headers["content-type"])
            assert fast.headers["riyl-version"] == route.headers["riyl-version"]
            assert fast.headers["cache-control"] == route.headers["cache-control"] == "no-store"


def test_an_artist_is_an_element_of_seven_kinds_in_this_order(lastfm: Lastfm) -> None:
    (artist,) = lastfm.xml(SIMILAR, artist="Björk", limit=1)
    kinds = ["name", "mbid", "match", "url", *["image"] * 6, "streamable"]
    assert [element.tag for element in artist] == kinds
    (artist,) = lastfm.json(SIMILAR, artist="Björk", limit=1)["similarartists"]["artist"]
    assert list(artist) == ["name", "mbid", "match", "url", "image", "streamable"]
    assert {type(artist[name]) for name in artist if name != "image"} == {str}


def test_lists_have_30_artists_by_default_and_at_most_200(many: Lastfm) -> None:
    for limit, length in [("", 30), ("1", 1), ("200", 200), ("100000", 200), (" 5", 5)]:
        question = {"limit": limit} if limit else {}
        assert len(many.json(SIMILAR, artist="Artist 1", **question)["similarartists"]["artist"]) == length
    for limit in ("0", "-1", "x", "1.5", "٣", "9" * 5000):
        code, message = error_of(many.ask(method=SIMILAR, artist="Artist 1", limit=limit))
        assert code == 6
        assert "wanted a number from 1" in message


def test_an_artist_of_which_nothing_is_known_has_an_empty_list(lastfm: Lastfm) -> None:
    document = lastfm.json(SIMILAR, artist="Nobody Knows")
    assert document == {"similarartists": {"artist": [], "@attr": {"artist": "Nobody Knows"}}}
    answer = lastfm.xml(SIMILAR, artist="Nobody Knows")
    assert (list(answer), answer.attrib) == ([], {"artist": "Nobody Knows"})


def test_rules_change_the_list_as_they_change_our_own(home: Home) -> None:
    before = Lastfm(home)
    whole = before.get("/v1/artists/a000/similar?k=200")[0].json()["similar"]
    before.close()
    first, second, *_, last = whole
    make(home, (BLOCK, first["id"], None), (NEVER, "a000", second["id"]), (PIN, "a000", last["id"]))
    lastfm = Lastfm(home)
    similar = [a["name"] for a in lastfm.json(SIMILAR, artist="Björk", limit=200)["similarartists"]["artist"]]
    assert similar == [last["name"], *(artist["name"] for artist in whole[2:-1])]
    assert error_of(lastfm.ask(method=SIMILAR, artist=first["name"]))[0] == 6
    lastfm.close()


def test_parts_are_dropped_where_too_many_are_kept(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riyl.app.compat.lastfm.similar_form.MAX_KEPT", 7)
    searcher = Searcher(version)
    for form in (SIMILAR_XML, SIMILAR_JSON):
        writer = SimilarWriter(form, searcher)
        for row in np.flatnonzero(version.has_embedding).tolist():
            neighbours = searcher.similar(row, 20)
            fresh = SimilarWriter(form, searcher).write(row, neighbours, "http://r")
            assert writer.write(row, neighbours, "http://r") == fresh
