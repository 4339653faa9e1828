"""Answers in both forms, against documents written by hand after those of Last.fm."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riyl.app.compat.lastfm.answers import (
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
from riyl.app.compat.lastfm.json_form import write_json
from riyl.app.compat.lastfm.xml_form import FORBIDDEN, write_xml

CHER = LastfmArtist("Cher", "bfcc6d75", "http://r/?artist=1", 12)
OTHER = LastfmArtist("Sonny & <Co>", "", "http://r/?artist=2", 0)
POP = LastfmTag("pop", "http://r/?tag=pop", 100)
SIZES = ("small", "medium", "large", "extralarge", "mega", "")
XML_IMAGES = "".join(f'<image size="{size}"/>' for size in SIZES)
JSON_IMAGES = [{"#text": "", "size": size} for size in SIZES]
URL = "http://r/?artist=1"

EXAMPLES: list[tuple[Answer, str, Any]] = [
    (
        Failure(6, "Not found"),
        '<lfm status="failed"><error code="6">Not found</error></lfm>',
        {"error": 6, "message": "Not found", "links": []},
    ),
    (
        Info(CHER, 345, [OTHER], [POP]),
        f'<lfm status="ok"><artist><name>Cher</name><mbid>bfcc6d75</mbid><url>{URL}</url>{XML_IMAGES}'
        "<streamable>0</streamable><ontour>0</ontour><stats><listeners>12</listeners><playcount>345</playcount></stats>"
        "<similar><artist><name>Sonny &amp; &lt;Co&gt;</name><url>http://r/?artist=2</url>"
        f"{XML_IMAGES}</artist></similar><tags><tag><name>pop</name><url>http://r/?tag=pop</url></tag></tags>"
        f'<bio><links><link rel="original" href="{URL}"/></links><published/><summary/><content/></bio></artist></lfm>',
        {
            "artist": {
                "name": "Cher",
                "mbid": "bfcc6d75",
                "url": URL,
                "image": JSON_IMAGES,
                "streamable": "0",
                "ontour": "0",
                "stats": {"listeners": "12", "playcount": "345"},
                "similar": {
                    "artist": [{"name": "Sonny & <Co>", "url": "http://r/?artist=2", "image": JSON_IMAGES}],
                },
                "tags": {"tag": [{"name": "pop", "url": "http://r/?tag=pop"}]},
                "bio": {
                    "links": {"link": {"#text": "", "rel": "original", "href": URL}},
                    "published": "",
                    "summary": "",
                    "content": "",
                },
            }
        },
    ),
    (
        SearchResults('"cher" & co', [CHER], 3, 2, 5),
        '<lfm status="ok"><results for=\'"cher" &amp; co\' '
        'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
        '<opensearch:Query role="request" searchTerms=\'"cher" &amp; co\' startPage="3"/>'
        "<opensearch:totalResults>5</opensearch:totalResults><opensearch:startIndex>4</opensearch:startIndex>"
        "<opensearch:itemsPerPage>2</opensearch:itemsPerPage><artistmatches><artist><name>Cher</name>"
        f"<listeners>12</listeners><mbid>bfcc6d75</mbid><url>{URL}</url><streamable>0</streamable>"
        f"{XML_IMAGES}</artist></artistmatches></results></lfm>",
        {
            "results": {
                "opensearch:Query": {
                    "#text": "",
                    "role": "request",
                    "searchTerms": '"cher" & co',
                    "startPage": "3",
                },
                "opensearch:totalResults": "5",
                "opensearch:startIndex": "4",
                "opensearch:itemsPerPage": "2",
                "artistmatches": {
                    "artist": [
                        {
                            "name": "Cher",
                            "listeners": "12",
                            "mbid": "bfcc6d75",
                            "url": URL,
                            "streamable": "0",
                            "image": JSON_IMAGES,
                        }
                    ]
                },
                "@attr": {"for": '"cher" & co'},
            }
        },
    ),
    (
        TopTags("Cher", [POP]),
        '<lfm status="ok"><toptags artist="Cher"><tag><count>100</count><name>pop</name>'
        "<url>http://r/?tag=pop</url></tag></toptags></lfm>",
        {
            "toptags": {
                "tag": [{"count": 100, "name": "pop", "url": "http://r/?tag=pop"}],
                "@attr": {"artist": "Cher"},
            }
        },
    ),
    (
        Correction(CHER),
        '<lfm status="ok"><corrections><correction index="0"><artist><name>Cher</name><mbid>bfcc6d75</mbid>'
        f"<url>{URL}</url></artist></correction></corrections></lfm>",
        {
            "corrections": {
                "correction": {"artist": {"name": "Cher", "mbid": "bfcc6d75", "url": URL}, "@attr": {"index": "0"}}
            }
        },
    ),
    (
        Correction(None),
        '<lfm status="ok"><corrections/></lfm>',
        {"corrections": "\n                "},
    ),
    (
        TopArtists("disco", [CHER], 2, 2, 3),
        '<lfm status="ok"><topartists tag="disco" page="2" perPage="2" totalPages="2" total="3">'
        f'<artist rank="3"><name>Cher</name><mbid>bfcc6d75</mbid><url>{URL}</url><streamable>0</streamable>'
        f"{XML_IMAGES}</artist></topartists></lfm>",
        {
            "topartists": {
                "artist": [
                    {
                        "name": "Cher",
                        "mbid": "bfcc6d75",
                        "url": URL,
                        "streamable": "0",
                        "image": JSON_IMAGES,
                        "@attr": {"rank": "3"},
                    }
                ],
                "@attr": {"tag": "disco", "page": "2", "perPage": "2", "totalPages": "2", "total": "3"},
            }
        },
    ),
    (
        SimilarTags("disco", [POP]),
        '<lfm status="ok"><similartags tag="disco"><tag><name>pop</name><url>http://r/?tag=pop</url></tag>'
        "</similartags></lfm>",
        {"similartags": {"tag": [{"name": "pop", "url": "http://r/?tag=pop"}], "@attr": {"tag": "disco"}}},
    ),
]


@pytest.mark.parametrize(("answer", "xml", "document"), EXAMPLES, ids=[type(each[0]).__name__ for each in EXAMPLES])
def test_an_answer_is_written_as_last_fm_writes_it(answer: Answer, xml: str, document: Any) -> None:
    assert write_xml(answer).decode() == f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}\n'
    written = json.loads(write_json(answer))
    assert written == document
    assert json.dumps(written) == json.dumps(document)  # the order of members too


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_name_is_read_back_from_both_forms(name: str) -> None:
    artist = LastfmArtist(name, "", "http://r/", 0)
    allowed = FORBIDDEN.sub("\ufffd", name)
    for answer in (Correction(artist), SearchResults(name, [artist], 1, 30, 1), TopTags(name, [LastfmTag(name, "")])):
        root = ElementTree.fromstring(write_xml(answer))
        assert [element.text for element in root.iter("name")] == [allowed]
        (document,) = json.loads(write_json(answer)).values()
        assert json.dumps(name) in json.dumps(document)
    (toptags,) = root
    assert toptags.attrib == {"artist": allowed}


@pytest.mark.parametrize("name", ["\x00", "a\x1fb", "\ufffe", "\uffff", "x\x0by"])
def test_what_no_xml_can_contain_is_replaced(name: str) -> None:
    root = ElementTree.fromstring(write_xml(TopTags(name, [])))
    replaced = root[0].attrib["artist"]
    assert replaced.count("\ufffd") == 1
    assert len(replaced) == len(name)
