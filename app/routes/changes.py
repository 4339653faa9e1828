"""Artists put, patched, deleted and merged; durable when answered."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from app import security
from app.bodies import ReadAsideRoute
from app.bounds import LARGEST_ARTIST_BYTES, LARGEST_BATCH_BYTES
from app.changing import answer_of, carry_out, kept_of, merge_wish, status_of_done, wish
from app.deps import BODY, INVALID, UNREACHABLE, TheDatabase, TheServing, fresh
from app.errors import MediaTypeError, problems
from app.schemas_changes import (
    EXAMPLE_LINES,
    EXAMPLE_VERDICTS,
    LONGEST_KEY,
    ArtistPatch,
    ArtistPut,
    ChangeAnswer,
    ChangesAnswer,
    ListedChange,
    MergeInto,
)
from app.security import TheAdmin, TheWriter
from app.watch import Serving
from core.changes import ChangeKind
from core.db.batches import Sender
from core.db.changes import Wish, write_change
from core.db.keys import Key
from core.db.session import Database
from core.db.standing import head, since
from core.errors import InputError
from core.rules import LONGEST_ID

log = logging.getLogger(__name__)


async def _no_line_break(request: Request) -> None:
    # a route's `$` lets one at the end through, and the id would be that of another artist
    if "\n" in request.scope["path"]:
        raise HTTPException(404)


async def _merge_patch(request: Request) -> None:
    found = request.headers.get("content-type")
    if found is not None and found.split(";")[0].strip().lower() not in PATCHES:
        raise MediaTypeError(f"found Content-Type {found[:LONGEST_KEY]!r}; wanted {' or '.join(PATCHES)}")


router = APIRouter(prefix="/v1", tags=["changes"], route_class=ReadAsideRoute, dependencies=[Depends(_no_line_break)])

LARGEST_NUMBER = 2**53 - 1
"""What JSON's readers hold."""

NDJSON = "application/x-ndjson"
LINES: dict[str, Any] = {
    "required": True,
    "content": {
        NDJSON: {
            "schema": {
                "type": "string",
                "description": "A line a change: kind (put, patch, delete, merge), id, and what is said, as of PUT, "
                "PATCH and a merge.",
                "example": EXAMPLE_LINES,
            }
        }
    },
}
NO_ADDRESS = {404: "The id has a line break, which this address cannot have; a batch can."}
NOT_FOUND = {404: "The artist is in no version and was not put, or is deleted or merged."}
MERGE_PATCH = "application/merge-patch+json"
PATCHES = (MERGE_PATCH, "application/json")
NOT_PATCH = {415: f"The body is neither {PATCHES[0]} nor {PATCHES[1]}."}
NOT_INTO = {404: "The artist to merge into is in no version and was not put, or is deleted or merged itself."}
ARTIST_BODY = BODY | {413: f"The body has more than {LARGEST_ARTIST_BYTES >> 20} mebibytes."}
BATCH_BODY = {
    413: f"The body has more than {LARGEST_BATCH_BYTES >> 20} mebibytes.",
    415: f"The body is not {NDJSON}.",
    422: "There are no lines, or too many, or another batch came under this key.",
}

IdPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=LONGEST_ID,
        pattern=r"^[^\x00]*$",
        description="The catalog's own id of the artist, or its MusicBrainz id where the version that serves has it.",
        examples=["a9001"],
    ),
]


@router.put(
    "/artists/{id:path}",
    status_code=201,
    summary="Put an artist",
    response_model=ChangeAnswer,
    responses={
        **problems(security.WRITER_PROBLEMS | ARTIST_BODY | NO_ADDRESS | INVALID | UNREACHABLE),
        200: {"description": "The artist was there.", "model": ChangeAnswer},
    },
)
def put_artist(writer: TheWriter, database: TheDatabase, serving: TheServing, id: IdPath, said: ArtistPut) -> Response:
    """Say this of an artist, new or known, instead of all that earlier changes said of it.

    Tags and plays that are said replace those of the tables; of attributes and vectors each entry does, by itself. What
    is not said the tables say. An attribute of another type than the catalog's is refused.
    """
    return _change(writer, database, serving, id, wish(serving.served, id, ChangeKind.PUT, said))


@router.patch(
    "/artists/{id:path}",
    summary="Patch an artist",
    response_model=ChangeAnswer,
    responses=problems(security.WRITER_PROBLEMS | ARTIST_BODY | NOT_FOUND | NOT_PATCH | INVALID | UNREACHABLE),
    dependencies=[Depends(_merge_patch)],
    openapi_extra={"requestBody": {"content": {MERGE_PATCH: {"schema": {"$ref": "#/components/schemas/ArtistPatch"}}}}},
)
def patch_artist(
    writer: TheWriter, database: TheDatabase, serving: TheServing, id: IdPath, said: ArtistPatch
) -> Response:
    """Merge this into what changes and tables say of an artist, as a merge patch (RFC 7396).

    Tags, plays, attributes and vectors merge key by key, and null takes a key away; null instead of a field takes all
    of it. Text, numbers and lists replace what was there. What is left out stays, also as the tables come to say it.
    """
    return _change(writer, database, serving, id, wish(serving.served, id, ChangeKind.PATCH, said))


@router.delete(
    "/artists/{id:path}",
    summary="Delete an artist",
    response_model=ChangeAnswer,
    responses=problems(security.WRITER_PROBLEMS | NOT_FOUND | INVALID | UNREACHABLE),
)
def delete_artist(writer: TheWriter, database: TheDatabase, serving: TheServing, id: IdPath) -> Response:
    """Let an artist be in no version, whatever tables say, until it is put again."""
    return _change(writer, database, serving, id, wish(serving.served, id, ChangeKind.DELETE))


@router.post(
    "/artists/{id:path}:merge",
    summary="Merge an artist into another one",
    response_model=ChangeAnswer,
    responses=problems(security.WRITER_PROBLEMS | BODY | NOT_INTO | INVALID | UNREACHABLE),
)
def merge_artist(
    writer: TheWriter, database: TheDatabase, serving: TheServing, id: IdPath, merge: MergeInto
) -> Response:
    """Let an artist be in no version, whatever tables say, until it is put again, and another one in its place.

    The other one keeps its own inputs. Of whom is merged nothing need be known: it may be an id of long ago.
    """
    return _change(writer, database, serving, id, merge_wish(serving.served, id, merge.into))


@router.post(
    "/artists:batch",
    summary="Put, patch, delete and merge many artists",
    response_class=Response,
    responses={
        **problems(security.WRITER_PROBLEMS | BATCH_BODY | UNREACHABLE),
        200: {"content": {NDJSON: {"schema": {"type": "string"}, "example": EXAMPLE_VERDICTS}}},
    },
    openapi_extra={"requestBody": LINES},
)
async def change_artists(
    writer: TheWriter,
    request: Request,
    database: TheDatabase,
    serving: TheServing,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=LONGEST_KEY,
            pattern="^[!-~]+$",
            description="Your own name of this batch. Sent again under it, the batch changes nothing and is answered "
            "alike; one that was cut off goes on. Remembered for a week.",
            examples=["catalog-2026-03-01"],
        ),
    ] = None,
) -> Response:
    """Lines of JSON in, a verdict a line out, in their order: what became of the change, or what was wrong with it.

    A line that is refused does not hold up the others.
    """
    found = request.headers.get("content-type", "")
    if found.split(";")[0].strip().lower() != NDJSON:
        raise MediaTypeError(f"found Content-Type {found[:LONGEST_KEY]!r}; wanted {NDJSON}")
    body, sender = await request.body(), Sender(writer.id, security.author(writer))
    verdicts = await run_in_threadpool(lambda: b"".join(carry_out(database, serving.served, body, sender, key)))
    await run_in_threadpool(serving.copy_tombstones)
    serving.wake()
    log.info("artists_changed", extra={"lines": verdicts.count(b"\n"), "by": sender.by, "key": key})
    return Response(verdicts, headers={"cache-control": "no-store"}, media_type=NDJSON)


@router.get(
    "/changes",
    summary="List changes",
    response_model=ChangesAnswer,
    responses=problems(security.PROBLEMS | INVALID | UNREACHABLE),
)
def get_changes(
    admin: TheAdmin,
    database: TheDatabase,
    number: Annotated[
        int,
        Query(alias="since", ge=0, le=LARGEST_NUMBER, description="Only those after this number.", examples=[16]),
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.", examples=[50])] = 50,
) -> Response:
    """Changes of artists in the order in which they were made, with how much each says of what."""
    with database.read() as connection:
        last = head(connection)
        found = since(connection, number, limit)
    return fresh(ChangesAnswer(head=last, changes=[ListedChange.of(each) for each in found]))


def _change(writer: Key, database: Database, serving: Serving, id: str, asked: Wish) -> Response:
    if id.endswith("/similar"):
        raise InputError(f"id: found {id!r}, which is an address of its own; wanted the artist's")
    served = serving.served
    kept = kept_of(served, asked.said)
    by = security.author(writer)
    done = write_change(database, asked, by=by)
    if done.changed:
        if asked.kind in (ChangeKind.DELETE, ChangeKind.MERGE):
            serving.copy_tombstones()
        serving.wake()
        log.info("artist_changed", extra={"artist": asked.artist, "kind": asked.kind, "change": done.number, "by": by})
    status = status_of_done(asked.kind, done)
    where = {"location": f"/v1/artists/{quote(asked.artist, safe='')}"} if status == 201 else {}
    return fresh(answer_of(served, asked, done, kept), status, where)
