"""Methods besides artist.getSimilar, and the ways in which all of them are asked."""

from __future__ import annotations

import pytest

from riyl.core.db.keys import Role
from riyl.core.settings import Home
from tests.app.compat.lastfm.client import Lastfm, error_of
from tests.app.conftest import key_headers
from tests.app.rules import BLOCK, make
from tests.index.conftest import MBID

NOT_FOUND = (6, "The artist you supplied could not be found")
ODD_NAMES = ["AC/DC", "Guns N' Roses", "!!!", "أم كلثوم", "MØ", "[/red] herring [bold]"]
SKA = {"ska", "dub", "roots", "reggae"}


@pytest.mark.parametrize("path", ["/2.0", "/2.0/"])
@pytest.mark.parametrize("method", ["artist.getInfo", "artist.getinfo", "ARTIST.GETINFO"])
def test_both_addresses_and_any_case_of_a_method_answer_get_and_post(lastfm: Lastfm, path: str, method: str) -> None:
    question = {"method": method, "artist": "Radiohead", "format": "json", "api_key": "anything", "unknown": "ignored"}
    answers = [
        lastfm.ask(path, **question),
        lastfm.post(path, **question),
        lastfm.post(path, "?artist=Bjork", **question),
    ]
    assert [answer.json()["artist"]["name"] for answer in answers] == ["Radiohead"] * 3


def test_query_and_form_are_read_together(lastfm: Lastfm) -> None:
    answer = lastfm.post(query="?username=me&format=json", method="artist.getInfo", artist="bjork")
    assert answer.json()["artist"]["name"] == "Björk"


def test_a_body_that_is_no_form_is_ignored(lastfm: Lastfm) -> None:
    body = b'{"method": "artist.getInfo"}'
    answer = lastfm.run(lastfm.client.post("/2.0/?method=artist.getInfo&artist=AC/DC", json=body.decode()))
    assert b"<name>AC/DC</name>" in answer.content


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_artist_is_found_by_an_odd_name(lastfm: Lastfm, name: str) -> None:
    for method in ("artist.getInfo", "artist.getCorrection", "artist.getTopTags", "artist.getSimilar"):
        assert name in str(lastfm.json(method, artist=name))
    assert name in str(lastfm.json("artist.search", artist=name))


def test_info_has_popularity_tags_and_similar_artists(lastfm: Lastfm) -> None:
    info = lastfm.json("artist.getInfo", artist="on a friday")["artist"]
    (response,) = lastfm.get("/v1/artists/a001")
    details = response.json()["artist"]
    assert (info["name"], info["mbid"]) == ("Radiohead", details["mbid"])
    assert info["stats"] == {"listeners": str(details["listeners"]), "playcount": str(round(details["plays"]))}
    similar = lastfm.get("/v1/artists/a001/similar?k=5")[0].json()["similar"]
    assert [artist["name"] for artist in info["similar"]["artist"]] == [artist["name"] for artist in similar]
    assert info["url"] == "http://localhost/?artist=a001"
    nobody = lastfm.json("artist.getInfo", artist="Nobody Knows")["artist"]
    assert (nobody["mbid"], nobody["similar"], nobody["tags"]) == ("", {"artist": []}, {"tag": []})


def test_an_mbid_comes_before_a_name(lastfm: Lastfm) -> None:
    for mbid in (MBID, MBID.upper()):
        assert lastfm.json("artist.getInfo", mbid=mbid, artist="Björk")["artist"]["name"] == "Radiohead"
    other = "00000000-0000-4000-8000-000000000000"
    assert lastfm.json("artist.getInfo", mbid=other, artist="Björk")["artist"]["name"] == "Björk"
    assert error_of(lastfm.ask(method="artist.getInfo", mbid=other)) == NOT_FOUND


def test_of_several_artists_of_a_name_the_best_known_one_is_meant(lastfm: Lastfm) -> None:
    (search,) = lastfm.get("/v1/artists?q=auróra")
    exact = lastfm.json("artist.getInfo", artist="AURORA")["artist"]
    listeners = [each["listeners"] for each in search.json()["artists"] if each["name"].casefold() == "aurora"]
    assert exact["stats"]["listeners"] == str(max(listeners))


def test_counts_of_tags_are_in_proportion_to_the_largest(lastfm: Lastfm) -> None:
    question = {"seeds": [{"id": "a001"}], "k": 1, "explain": True}
    tags = lastfm.json("artist.getTopTags", artist="Radiohead")["toptags"]["tag"]
    assert tags[0]["count"] == 100
    assert [tag["count"] for tag in tags] == sorted((tag["count"] for tag in tags), reverse=True)
    assert {tag["name"] for tag in tags} <= {"noise", "drone", "doom", "sludge"}
    answer = lastfm.run(lastfm.client.post("/v1/similar", json=question)).json()
    for common in answer["similar"][0]["why"]["common"].get("tags", []):
        (count,) = [tag["count"] for tag in tags if tag["name"] == common["term"]]
        assert 1 <= count <= 100


def test_a_search_has_pages(lastfm: Lastfm) -> None:
    whole = lastfm.json("artist.search", artist="artist", limit=200)["results"]
    names = [artist["name"] for artist in whole["artistmatches"]["artist"]]
    assert whole["opensearch:totalResults"] == str(len(names))
    assert len(names) > 40
    for page in (1, 2, 7, 8):
        results = lastfm.json("artist.search", artist="artist", limit=7, page=page)["results"]
        shown = [artist["name"] for artist in results["artistmatches"]["artist"]]
        assert shown == names[7 * (page - 1) : 7 * page]
        assert results["opensearch:startIndex"] == str(7 * (page - 1))
        assert results["opensearch:totalResults"] == whole["opensearch:totalResults"]
    beyond = lastfm.json("artist.search", artist="artist", page=10_000)["results"]
    assert beyond["artistmatches"] == {"artist": []}
    nothing = lastfm.json("artist.search", artist="zzzzzz")["results"]
    assert (nothing["opensearch:totalResults"], nothing["artistmatches"]) == ("0", {"artist": []})


def test_a_correction_is_the_artist_as_the_catalog_spells_it(lastfm: Lastfm) -> None:
    correction = lastfm.json("artist.getCorrection", artist="  umm KULTHUM ")["corrections"]["correction"]
    assert correction["artist"]["name"] == "أم كلثوم"
    assert not lastfm.json("artist.getCorrection", artist="zzzzzz")["corrections"].strip()


def test_artists_of_a_tag_are_those_of_our_own_query(lastfm: Lastfm) -> None:
    answer = lastfm.run(lastfm.client.post("/v1/similar", json={"tags": {"ska": 1}, "k": 20})).json()
    names = [artist["name"] for artist in answer["similar"]]
    for page in (1, 2):
        top = lastfm.json("tag.getTopArtists", tag="SKA", limit=10, page=page)["topartists"]
        assert [artist["name"] for artist in top["artist"]] == names[10 * (page - 1) : 10 * page]
        assert [artist["@attr"]["rank"] for artist in top["artist"]] == [
            str(rank) for rank in range(10 * page - 9, 10 * page + 1)
        ]
        assert top["@attr"] | {"total": "", "totalPages": ""} == {
            "tag": "SKA",
            "page": str(page),
            "perPage": "10",
            "total": "",
            "totalPages": "",
        }
    unknown = lastfm.json("tag.getTopArtists", tag="no such tag")["topartists"]
    assert (unknown["artist"], unknown["@attr"]["total"]) == ([], "0")


def test_tags_similar_to_a_tag_are_those_of_its_artists(lastfm: Lastfm) -> None:
    tags = [tag["name"] for tag in lastfm.json("tag.getSimilar", tag="Ska")["similartags"]["tag"]]
    assert set(tags[:3]) == SKA - {"ska"}
    assert "ska" not in tags
    assert lastfm.json("tag.getSimilar", tag="no such tag")["similartags"]["tag"] == []


@pytest.mark.parametrize("form", ["xml", "json"])
@pytest.mark.parametrize(
    ("question", "code", "message"),
    [
        ({}, 3, "Invalid Method"),
        ({"method": "artist.getEvents"}, 3, "Invalid Method"),
        ({"method": "track.scrobble"}, 3, "Invalid Method"),
        ({"method": "artist.getInfo"}, 6, "missing a required parameter: artist"),
        ({"method": "artist.getSimilar", "artist": ""}, 6, "missing a required parameter: artist"),
        ({"method": "artist.search"}, 6, "missing a required parameter: artist"),
        ({"method": "artist.getCorrection", "mbid": MBID}, 6, "missing a required parameter: artist"),
        ({"method": "tag.getTopArtists"}, 6, "missing a required parameter: tag"),
        ({"method": "tag.getSimilar"}, 6, "missing a required parameter: tag"),
        ({"method": "artist.getInfo", "artist": "zzzzzz"}, *NOT_FOUND),
        ({"method": "artist.getSimilar", "artist": "x" * 2000}, *NOT_FOUND),
        ({"method": "artist.search", "artist": "a", "page": "0"}, 6, "page: found '0'; wanted a number from 1"),
    ],
)
def test_an_error_has_last_fms_code_and_a_status_whose_body_is_read(
    lastfm: Lastfm, form: str, question: dict[str, str], code: int, message: str
) -> None:
    for answer in (lastfm.ask(format=form, **question), lastfm.post(format=form, **question)):
        found_code, found_message = error_of(answer)
        assert found_code == code
        assert message in found_message


def test_another_format_is_an_error_in_xml(lastfm: Lastfm) -> None:
    answer = lastfm.ask(method="artist.getSimilar", artist="Björk", format="yaml")
    assert error_of(answer) == (5, "Invalid format - This service doesn't exist in that format")
    assert answer.headers["content-type"] == "text/xml; charset=UTF-8"


def test_a_blocked_artist_is_in_no_answer(home: Home) -> None:
    make(home, (BLOCK, "a001", None))
    lastfm = Lastfm(home)
    for question in ({"artist": "Radiohead"}, {"mbid": MBID}):
        assert error_of(lastfm.ask(method="artist.getInfo", **question)) == NOT_FOUND
    assert lastfm.json("artist.search", artist="Radiohead")["results"]["artistmatches"]["artist"] == []
    lastfm.close()


def test_a_change_is_visible_and_a_merged_artist_leads_to_its_target(home: Home) -> None:
    headers = key_headers(home, Role.WRITE)
    lastfm = Lastfm(home)

    async def change() -> None:
        await lastfm.client.patch("/v1/artists/a000", headers=headers, json={"name": "Björk Guðmundsdóttir"})
        await lastfm.client.post("/v1/artists/a001:merge", headers=headers, json={"into": "a002"})

    lastfm.run(change())
    lastfm.app.state.reloader.poll()
    assert lastfm.json("artist.getInfo", artist="bjork gudmundsdottir")["artist"]["name"] == "Björk Guðmundsdóttir"
    assert lastfm.json("artist.getInfo", mbid=MBID)["artist"]["name"] == "AC/DC"
    assert error_of(lastfm.ask(method="artist.getSimilar", artist="Radiohead")) == NOT_FOUND
    lastfm.close()
