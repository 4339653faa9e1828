"""Answers as Last.fm's XML. Clients depend on the order of elements, and on which of them are called `name`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

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

MEDIA_TYPE = "text/xml; charset=UTF-8"

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain, not even escaped; they are written as U+FFFD."""

OPENSEARCH = "http://a9.com/-/spec/opensearch/1.1/"

START = '<?xml version="1.0" encoding="UTF-8"?>\n<lfm status="ok">'
END = "</lfm>\n"


def text(value: str) -> str:
    """Return a text as the content of an element."""
    return escape(FORBIDDEN.sub("\ufffd", value), {"\r": "&#13;"})


def element(name: str, *content: str, **attributes: str) -> str:
    """Return an element of ready content; attributes are escaped here."""
    start = name + "".join(f" {attribute}={_quoted(value)}" for attribute, value in attributes.items())
    inner = "".join(content)
    return f"<{start}>{inner}</{name}>" if inner else f"<{start}/>"


def _quoted(value: str) -> str:
    return quoteattr(FORBIDDEN.sub("\ufffd", value), {"\r": "&#13;"})


IMAGES = "".join(element("image", size=size) for size in IMAGE_SIZES)

STREAMABLE = element("streamable", "0")


def write_xml(answer: Answer) -> bytes:
    """Write an answer as a document."""
    if isinstance(answer, Failure):
        error = element("error", text(answer.message), code=str(answer.code))
        return (START.replace("ok", "failed") + error + END).encode()
    return (START + _body(answer) + END).encode()


def _body(answer: Info | SearchResults | TopTags | Correction | TopArtists | SimilarTags) -> str:
    match answer:
        case Info():
            return _info(answer)
        case SearchResults():
            return _results(answer)
        case TopTags(artist, tags):
            return element("toptags", *(_tag(tag, counted=True) for tag in tags), artist=artist)
        case Correction(LastfmArtist() as artist):
            corrected = element("artist", *_identity(artist))
            return element("corrections", element("correction", corrected, index="0"))
        case Correction():
            return element("corrections")
        case TopArtists():
            return _top_artists(answer)
        case SimilarTags(name, tags):
            return element("similartags", *(_tag(tag) for tag in tags), tag=name)


def _identity(artist: LastfmArtist) -> Iterable[str]:
    yield element("name", text(artist.name))
    yield element("mbid", text(artist.mbid))
    yield element("url", text(artist.url))


def _info(info: Info) -> str:
    artist = info.artist
    similar = (
        element("artist", element("name", text(other.name)), element("url", text(other.url)), IMAGES)
        for other in info.similar
    )
    link = element("link", rel="original", href=artist.url)
    return element(
        "artist",
        *_identity(artist),
        IMAGES,
        STREAMABLE,
        element("ontour", "0"),
        element("stats", element("listeners", str(artist.listeners)), element("playcount", str(info.plays))),
        element("similar", *similar),
        element("tags", *(_tag(tag) for tag in info.tags)),
        element("bio", element("links", link), element("published"), element("summary"), element("content")),
    )


def _results(results: SearchResults) -> str:
    artists = (
        element(
            "artist",
            element("name", text(artist.name)),
            element("listeners", str(artist.listeners)),
            element("mbid", text(artist.mbid)),
            element("url", text(artist.url)),
            STREAMABLE,
            IMAGES,
        )
        for artist in results.artists
    )
    return element(
        "results",
        element("opensearch:Query", role="request", searchTerms=results.text, startPage=str(results.page)),
        element("opensearch:totalResults", str(results.total)),
        element("opensearch:startIndex", str((results.page - 1) * results.per_page)),
        element("opensearch:itemsPerPage", str(results.per_page)),
        element("artistmatches", *artists),
        **{"for": results.text, "xmlns:opensearch": OPENSEARCH},
    )


def _top_artists(top: TopArtists) -> str:
    first = (top.page - 1) * top.per_page + 1
    return element(
        "topartists",
        *(
            element("artist", *_identity(artist), STREAMABLE, IMAGES, rank=str(rank))
            for rank, artist in enumerate(top.artists, first)
        ),
        tag=top.tag,
        page=str(top.page),
        perPage=str(top.per_page),
        totalPages=str(-(-top.total // top.per_page)),
        total=str(top.total),
    )


def _tag(tag: LastfmTag, *, counted: bool = False) -> str:
    count = [element("count", str(tag.count))] if counted else []
    return element("tag", *count, element("name", text(tag.name)), element("url", text(tag.url)))
