"""Asks a service of Last.fm's protocol by a client from PyPI, and prints what the client read, as JSON.

Run as a program, with the client, the address (with https://, that of a TLS front) and the names on the command line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

LIMIT = 20
UNKNOWN = "no such artist at all"
TAG = "ska"


def ask_pylast(address: str, names: list[str]) -> Any:
    """Ask by pylast, which speaks TLS alone; where the address is plain, a transport rewrites the scheme."""
    import httpx2
    import pylast

    class Plain(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            request.url = request.url.copy_with(scheme="http")
            return super().handle_request(request)

    scheme, _, host = address.partition("://")
    network = pylast.LastFMNetwork(api_key="k", proxy=None if scheme == "https" else {"https://": Plain()})
    network.ws_server = (host, "/2.0/")

    def answers(name: str) -> dict[str, Any]:
        artist, search = network.get_artist(name), network.search_for_artist(name)
        similar = artist.get_similar(limit=LIMIT)
        return {
            "similar": [entry.item.name for entry in similar],
            "matches": [entry.match for entry in similar],
            "search": [each.name for each in search.get_next_page()],
            "total": int(search.get_total_result_count()),
            "tags": [[entry.item.name, int(entry.weight)] for entry in artist.get_top_tags()],
            "listeners": artist.get_listener_count(),
            "plays": artist.get_playcount(),
            "mbid": artist.get_mbid(),
            "bio": artist.get_bio_content(),
            "correction": artist.get_correction(),
        }

    try:
        network.get_artist(UNKNOWN).get_similar()
    except pylast.WSError as error:
        unknown = [int(error.get_id()), str(error)]
    top = [entry.item.name for entry in network.get_tag(TAG).get_top_artists(limit=LIMIT)]
    return {"names": {name: answers(name) for name in names}, "unknown": unknown, "top artists": top}


def ask_pydrag(address: str, names: list[str]) -> Any:
    """Ask by pydrag."""
    from pydrag import Artist, Tag
    from pydrag.exceptions import ApiError
    from pydrag.models.common import Config

    Config.api_url = f"{address}/2.0/"
    Config.instance(api_key="k", api_secret="", username="", password="")

    def answers(name: str) -> dict[str, Any]:
        info, artist, search = Artist.find(name), Artist(name=name), Artist.search(name, limit=LIMIT)
        similar = artist.get_similar(limit=LIMIT)
        return {
            "similar": [each.name for each in similar],
            "matches": [each.match for each in similar],
            "search": [each.name for each in search],
            "total": search.total,
            "tags": [[tag.name, tag.count] for tag in artist.get_top_tags()],
            "listeners": info.listeners,
            "plays": info.playcount,
            "mbid": info.mbid or None,
            "bio": info.bio.content or None,
            "correction": artist.get_correction().name,
        }

    try:
        Artist(name=UNKNOWN).get_similar()
    except ApiError as error:
        unknown = [error.error, error.message]
    top, similar_tags = Tag(name=TAG).get_top_artists(limit=LIMIT), Tag(name=TAG).get_similar()
    return {
        "names": {name: answers(name) for name in names},
        "unknown": unknown,
        "top artists": [each.name for each in top],
        "similar tags": [each.name for each in similar_tags],
    }


def ask_lafmapi(address: str, names: list[str]) -> Any:
    """Ask by lafmapi, which has no limits, tags or corrections."""
    from lafmapi import LastfmAPI
    from lafmapi.errors import LastfmAPIError

    LastfmAPI.API_BASE_URL = f"{address}/2.0/"
    client = LastfmAPI("k")

    def answers(name: str) -> dict[str, Any]:
        similar, info = client.get_similar_artists(name), client.get_artist_info(name)
        return {
            "similar": [each["name"] for each in similar][:LIMIT],
            "matches": [float(each["match"]) for each in similar][:LIMIT],
            "search": [each["name"] for each in client.search_artists(name)],
            "listeners": int(info["stats"]["listeners"]),
            "plays": int(info["stats"]["playcount"]),
            "mbid": info["mbid"] or None,
            "bio": info["bio"]["content"] or None,
        }

    try:
        client.get_similar_artists(UNKNOWN)
    except LastfmAPIError as error:
        unknown = [6, str(error)]
    return {"names": {name: answers(name) for name in names}, "unknown": unknown}


def ask_lastfmpy(address: str, names: list[str]) -> Any:
    """Ask by lastfmpy, whose call for corrections reads no answer of Last.fm either."""
    import lastfmpy
    import lastfmpy.request

    lastfmpy.request.URL = f"{address}/2.0"

    async def answers(client: Any, name: str) -> dict[str, Any]:
        info = await client.artist.get_info(name)
        search = await client.artist.search(name, limit=LIMIT)
        return {
            "similar": [each.name for each in await client.artist.get_similar(name, limit=LIMIT)],
            "search": [each.name for each in search.items],
            "total": int(search.results),
            "tags": [[tag.name, tag.count] for tag in (await client.artist.get_top_tags(name)).items],
            "listeners": info.stats.listeners,
            "plays": info.stats.playcount,
            "mbid": info.mbid or None,
            "bio": info.bio.content or None,
        }

    async def ask() -> Any:
        client = await lastfmpy.LastFM("k")
        by_name = {name: await answers(client, name) for name in names}
        try:
            await client.artist.get_similar(UNKNOWN)
        except lastfmpy.InvalidInputError as error:
            unknown = [6, str(error)]
        return {"names": by_name, "unknown": unknown}

    return asyncio.run(ask())


CLIENTS: dict[str, Callable[[str, list[str]], Any]] = {
    "pylast": ask_pylast,
    "pydrag": ask_pydrag,
    "lafmapi": ask_lafmapi,
    "lastfmpy": ask_lastfmpy,
}

if __name__ == "__main__":
    _, client, address, *names = sys.argv
    sys.stdout.write(json.dumps(CLIENTS[client](address, names)))
