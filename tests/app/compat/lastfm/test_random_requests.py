"""Odd requests never get a status of 500 or above, and always a document that can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from xml.etree import ElementTree

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riyl.app.compat.lastfm.methods import METHODS, SIMILAR
from tests.app.compat.lastfm.client import Lastfm
from tests.index.conftest import MBID, NAMES

texts = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.sampled_from(["0", "1", "-1", "3", "50", "201", "1e3", "99999999999999999999", "\u0663"]) | texts
names = st.sampled_from([*NAMES.values(), "ska", MBID, " ", "\x00", "&amp;", "]]>"]) | texts
methods = st.sampled_from([SIMILAR, "artist.getSimilar", *METHODS, "track.scrobble"]) | texts
parameters = st.fixed_dictionaries(
    {},
    optional={
        "method": methods,
        "artist": names,
        "tag": names,
        "mbid": names,
        "limit": numbers,
        "page": numbers,
        "autocorrect": numbers,
        "api_key": texts,
        "format": st.sampled_from(["json", "JSON", "xml", "yaml"]) | texts,
        "callback": texts,
    },
)
hosts = st.sampled_from(["localhost", "127.0.0.1:8000"])
types = st.sampled_from(["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/2.0", "/2.0/"]),
    query=parameters,
    more=st.binary(max_size=30),
    form=st.none() | parameters | st.binary(max_size=60),
    host=hosts,
    content_type=types,
)
def test_any_request_is_answered_with_a_document(
    lastfm: Lastfm,
    path: str,
    query: dict[str, str],
    more: bytes,
    form: dict[str, str] | bytes | None,
    host: str,
    content_type: str,
) -> None:
    raw = "".join(f"&%{byte:02x}" if byte % 2 else chr(33 + byte % 90) for byte in more)
    address = lastfm.client.build_request("GET", path, params=query).url
    url = f"{address}{'&' if query else '?'}{raw}".replace("#", "%23")
    headers = {"host": host}
    if form is None:
        response = lastfm.run(lastfm.client.get(url, headers=headers))
    elif isinstance(form, Mapping):
        response = lastfm.run(lastfm.client.post(url, headers=headers, data=form))
    else:
        headers["content-type"] = content_type
        response = lastfm.run(lastfm.client.post(url, headers=headers, content=form))
    assert response.status_code < 500, response.text
    if response.headers["content-type"] == "application/json":
        assert isinstance(json.loads(response.content), dict)
    else:
        assert response.headers["content-type"] == "text/xml; charset=UTF-8"
        assert ElementTree.fromstring(response.content).tag == "lfm"
