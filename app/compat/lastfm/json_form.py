"""Answers as Last.fm's JSON: its XML converted, where numbers are strings, except the counts of an artist's tags."""

from __future__ import annotations

from typing import Any

import orjson

from riyl.app.compat.lastfm.answers import (
    IMAGE_SIZES,
    Answer,
    Correction,
    Failure,
    Info,
    LastfmArtist,
    LastfmTag,
    SearchResults,
    SimilarTags,
    TopArtists,
    TopTags,
)

IMAGES = [{"#text": "", "size": size} for size in IMAGE_SIZES]

NO_CORRECTION = "\n                "
"""Value where Last.fm's XML has an empty element on lines of its own."""


def write_json(answer: Answer) -> bytes:
    """Write an answer as a document."""
    return orjson.dumps(_document(answer))


def _document(answer: Answer) -> dict[str, Any]:
    match answer:
        case Failure(code, message):
            return {"error": code, "message": message, "links": []}
        case Info():
            return {"artist": _info(answer)}
        case SearchResults():
            return {"results": _results(answer)}
        case TopTags(artist, tags):
            return {
                "toptags": {"tag": [{"count": tag.count, **_tag(tag)} for tag in tags], "@attr": {"artist": artist}}
            }
        case Correction(LastfmArtist() as artist):
            return {"corrections": {"correction": {"artist": _identity(artist), "@attr": {"index": "0"}}}}
        case Correction():
            return {"corrections": NO_CORRECTION}
        case TopArtists():
            return {"topartists": _top_artists(answer)}
        case SimilarTags(name, tags):
            return {"similartags": {"tag": [_tag(tag) for tag in tags], "@attr": {"tag": name}}}


def _identity(artist: LastfmArtist) -> dict[str, Any]:
    return {"name": artist.name, "mbid": artist.mbid, "url": artist.url}


def _info(info: Info) -> dict[str, Any]:
    artist = info.artist
    return {
        **_identity(artist),
        "image": IMAGES,
        "streamable": "0",
        "ontour": "0",
        "stats": {"listeners": str(artist.listeners), "playcount": str(info.plays)},
        "similar": {
            "artist": [{"name": other.name, "url": other.url, "image": IMAGES} for other in info.similar],
        },
        "tags": {"tag": [_tag(tag) for tag in info.tags]},
        "bio": {
            "links": {"link": {"#text": "", "rel": "original", "href": artist.url}},
            "published": "",
            "summary": "",
            "content": "",
        },
    }


def _results(results: SearchResults) -> dict[str, Any]:
    query = {"#text": "", "role": "request", "searchTerms": results.text, "startPage": str(results.page)}
    artists = [
        {
            "name": artist.name,
            "listeners": str(artist.listeners),
            "mbid": artist.mbid,
            "url": artist.url,
            "streamable": "0",
            "image": IMAGES,
        }
        for artist in results.artists
    ]
    return {
        "opensearch:Query": query,
        "opensearch:totalResults": str(results.total),
        "opensearch:startIndex": str((results.page - 1) * results.per_page),
        "opensearch:itemsPerPage": str(results.per_page),
        "artistmatches": {"artist": artists},
        "@attr": {"for": results.text},
    }


def _top_artists(top: TopArtists) -> dict[str, Any]:
    first = (top.page - 1) * top.per_page + 1
    artists = [
        {**_identity(artist), "streamable": "0", "image": IMAGES, "@attr": {"rank": str(rank)}}
        for rank, artist in enumerate(top.artists, first)
    ]
    attributes = {
        "tag": top.tag,
        "page": str(top.page),
        "perPage": str(top.per_page),
        "totalPages": str(-(-top.total // top.per_page)),
        "total": str(top.total),
    }
    return {"artist": artists, "@attr": attributes}


def _tag(tag: LastfmTag) -> dict[str, Any]:
    return {"name": tag.name, "url": tag.url}
