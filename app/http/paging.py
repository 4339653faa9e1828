"""Paging of lists by offset: its bound, and the header Link (RFC 8288) with the addresses of other pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query

MAX_OFFSET = 1000
"""Maximum offset of a page. Behind a ready list, each page costs an exact search among all artists."""

PAGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": "Addresses of the pages `first`, `prev` and `next`, as far as they exist (RFC 8288); "
                "the other parameters of the request stay. Absent where the whole list is one page.",
                "schema": {"type": "string"},
            }
        }
    }
}
"""OpenAPI response of a route that answers with the header Link."""

Offset = Annotated[
    int,
    Query(
        ge=0,
        le=MAX_OFFSET,
        description="Number of entries of the list before this page. The pages of one version, its changes and rules, "
        "which are one ETag, have no gaps and no entry twice.",
    ),
]


def address_of_pages(path: str, parameters: Iterable[tuple[str, str]], size_name: str) -> str:
    """Return the address of a list as far as its pages share it: to the value of the parameter `size_name`.

    Args:
        path: path of the request, percent-encoded.
        parameters: query parameters of the request; those of the page are left out.
        size_name: name of the parameter that gives the size of a page.
    """
    others = [(name, value) for name, value in parameters if name not in (size_name, "offset")]
    return f"{path}?{urlencode([*others, (size_name, '')])}"


def page_links(address: str, size: int, offset: int, *, has_next: bool) -> str | None:
    """Return the header Link of a page; None where there is no other page.

    Args:
        address: as `address_of_pages` returns it.
        size: size of a page.
        offset: number of entries before this page.
        has_next: whether the list goes on behind this page.
    """
    pages = []
    if offset:
        start = max(offset - size, 0)
        at_start = f"&offset={start}" if start else ""
        pages += [f'<{address}{size}>; rel="first"', f'<{address}{offset - start}{at_start}>; rel="prev"']
    if has_next and offset + size <= MAX_OFFSET:
        pages.append(f'<{address}{size}&offset={offset + size}>; rel="next"')
    return ", ".join(pages) or None
