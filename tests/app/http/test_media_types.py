"""The header Accept chooses among the media types of a response."""

from __future__ import annotations

import pytest

from riyl.app.http.media_types import negotiated


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "a/x"),
        ("*/*", "a/x"),
        ("b/y", "b/y"),
        ("B/Y ; q=1", "b/y"),
        ("b/*", "b/y"),
        ("a/x, b/y", "a/x"),
        ("a/x;q=0.5, b/y", "b/y"),
        ("a/x;q=0.5, */*", "b/y"),
        ("a/x;q=0, */*;q=0.1", "b/y"),
        ("text/html, */*;q=0.8", "a/x"),
        ("b/y;v=1;q=0.9, a/*;q=0.8", "b/y"),
        ("a/x;q=0", None),
        ("c/z", None),
        ("*", None),
        ("a/x;q=nan", None),
        ("a/x;q=2, b/y;q=0.1", "b/y"),
        (",,;,", None),
    ],
)
def test_the_header_accept_chooses_the_media_type(accept: str, media_type: str | None) -> None:
    assert negotiated(accept, ["a/x", "b/y"]) == media_type
