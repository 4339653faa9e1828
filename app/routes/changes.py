"""Artists put, patched, deleted and merged; durable when answered."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor, TheKey
from riyl.app.http.dependencies import TheDatabase, TheReloader, fresh
from riyl.app.http.errors import problems
from riyl.app.http.media_types import JSON, MERGE_PATCH, NDJSON
from riyl.app.http.off_loop_body import OffLoopBodyRoute
from riyl.app.http.route_facts import RouteFacts
from riyl.app.http.strict_route import content_type_of
from riyl.app.routes.artists import SIMILAR
from riyl.app.schemas.changes import (
    MAX_ARTIST_BYTES,
    MAX_KEY_LENGTH,
    ArtistPatch,
    ArtistPut,
    ChangeResponse,
    ChangesResponse,
    ChangeVerdicts,
    ListedChange,
    MergeInto,
    Verdict,
)
from riyl.app.services.change_batches import Batch, batch_of_items, batch_of_lines
from riyl.app.services.changes import (
    carry_out,
    change_request,
    change_response,
    kept_of,
    merge_request,
    status_of_done,
)
from riyl.app.serving.reloader import VersionReloader
from riyl.core.changes.effective import ChangeKind
from riyl.core.db.batches import Sender
from riyl.core.db.changes import ChangeRequest, write_change
from riyl.core.db.effective import head, since
from riyl.core.db.keys import Role
from riyl.core.db.session import Database
from riyl.core.errors import InputError
from riyl.core.rules import MAX_ID_LENGTH

log = logging.getLogger(__name__)


async def _own_address(request: Request) -> None:
    # what StrictRoute tells apart for reading is told apart here too: the id that ends so is spelled another way
    if request.scope["raw_path"].endswith(SIMILAR.encode()):
        artist_id = request.scope["path"].rpartition("/v1/artists/")[2]
        raise InputError(
            f"id: found {artist_id!r}, the address of similar artists; wanted %2Fsimilar, if the id ends so"
        )


router = APIRouter(prefix="/v1", tags=["changes"], route_class=OffLoopBodyRoute, dependencies=[Depends(_own_address)])

WRITER = RouteFacts(role=Role.WRITE)

WRITER_OF_ARTIST = RouteFacts(role=Role.WRITE, max_body_bytes=MAX_ARTIST_BYTES)

WRITER_OF_BATCH = RouteFacts(role=Role.WRITE, max_body_bytes=16 << 20)

MAX_NUMBER = 2**53 - 1
"""What JSON's readers hold."""

LINES: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": {"$ref": "#/components/schemas/ChangeBatch"}},
        NDJSON: {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": "A line a change: kind (put, patch, delete, merge), id, and what is said, as of PUT, "
                "PATCH and a merge.",
            }
        },
    },
}
NO_ADDRESS = {404: "The id has a line break, which this address cannot have; a batch can."}
SHARED = {409: "The id is an mbid that several artists share (`candidates`)."}
NOT_FOUND = {404: "The artist is in no version and was not put, or is deleted or merged."}
NOT_INTO = {404: "The artist to merge into is in no version and was not put, or is deleted or merged itself."}
WRONG_BATCH = {422: "There are no changes, or too many, or another batch came under this key."}

IdPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        pattern=r"^[^\x00]*$",
        description="The catalog's own id of the artist, or its MusicBrainz id where the version that serves has it.",
    ),
]


@router.put(
    "/artists/{id:path}",
    status_code=201,
    summary="Put an artist",
    response_model=ChangeResponse,
    responses={
        **problems(NO_ADDRESS | SHARED),
        200: {"description": "The artist was there.", "model": ChangeResponse},
    },
)
@WRITER_OF_ARTIST
def put_artist(by: TheAuthor, database: TheDatabase, reloader: TheReloader, id: IdPath, payload: ArtistPut) -> Response:
    """Say this of an artist, new or known, instead of all that earlier changes said of it.

    Tags and plays that are said replace those of the tables; of attributes and vectors each entry does, by itself. What
    is not said the tables say. An attribute of another type than the catalog's is refused.
    """
    return _change(by, database, reloader, change_request(reloader.state, id, ChangeKind.PUT, payload))


@router.patch(
    "/artists/{id:path}",
    summary="Patch an artist",
    response_model=ChangeResponse,
    responses=problems(NOT_FOUND | SHARED),
    openapi_extra={"requestBody": {"content": {MERGE_PATCH: {"schema": {"$ref": "#/components/schemas/ArtistPatch"}}}}},
)
@WRITER_OF_ARTIST
def patch_artist(
    by: TheAuthor, database: TheDatabase, reloader: TheReloader, id: IdPath, payload: ArtistPatch
) -> Response:
    """Merge this into what changes and tables say of an artist, as a merge patch (RFC 7396).

    Tags, plays, attributes and vectors merge key by key, and null takes a key away; null instead of a field takes all
    of it. Text, numbers and lists replace what was there. What is left out stays, also as the tables come to say it.
    The same body is taken as application/json.
    """
    return _change(by, database, reloader, change_request(reloader.state, id, ChangeKind.PATCH, payload))


@router.delete(
    "/artists/{id:path}",
    summary="Delete an artist",
    response_model=ChangeResponse,
    responses=problems(NOT_FOUND | SHARED),
)
@WRITER
def delete_artist(by: TheAuthor, database: TheDatabase, reloader: TheReloader, id: IdPath) -> Response:
    """Let an artist be in no version, whatever tables say, until it is put again."""
    return _change(by, database, reloader, change_request(reloader.state, id, ChangeKind.DELETE))


@router.post(
    "/artists/{id:path}:merge",
    summary="Merge an artist into another one",
    response_model=ChangeResponse,
    responses=problems(NOT_INTO | SHARED),
)
@WRITER
def merge_artist(by: TheAuthor, database: TheDatabase, reloader: TheReloader, id: IdPath, merge: MergeInto) -> Response:
    """Let an artist be in no version, whatever tables say, until it is put again, and another one in its place.

    The other one keeps its own inputs. Of whom is merged nothing need be known: it may be an id of long ago.
    """
    return _change(by, database, reloader, merge_request(reloader.state, id, merge.into))


@router.post(
    "/artists:batch",
    summary="Put, patch, delete and merge many artists",
    response_model=ChangeVerdicts,
    responses={
        **problems(WRONG_BATCH),
        200: {"content": {NDJSON: {"schema": {"type": "string"}}}},
    },
    openapi_extra={"requestBody": LINES},
)
@WRITER_OF_BATCH
async def change_artists(
    writer: TheKey,
    by: TheAuthor,
    request: Request,
    database: TheDatabase,
    reloader: TheReloader,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=MAX_KEY_LENGTH,
            pattern="^[!-~]+$",
            description="Your own name of this batch. Sent again under it, the batch changes nothing and is answered "
            "alike; one that was cut off goes on. Remembered for a week.",
        ),
    ] = None,
) -> Response:
    """Changes in, a verdict each out, in their order: what became of the change, or what was wrong with it.

    Either one JSON object with `items`, or lines of JSON (application/x-ndjson); the answer is of the same kind. A
    change that is refused does not hold up the others.
    """
    body, sender, as_lines = await request.body(), Sender(writer.id, by), content_type_of(request) == NDJSON
    batch = await run_in_threadpool(_batch, body, as_lines)
    verdicts = await run_in_threadpool(carry_out, database, reloader.state, batch, sender, key, reloader.seconds_until)
    await run_in_threadpool(reloader.copy_tombstones)
    reloader.wake()
    log.info("artists_changed", extra={"lines": len(verdicts), "by": sender.by, "key": key})
    content = await run_in_threadpool(_written, verdicts, as_lines)
    return Response(content, headers={"cache-control": "no-store"}, media_type=NDJSON if as_lines else JSON)


@router.get("/changes", summary="List changes", response_model=ChangesResponse)
@RouteFacts(role=Role.ADMIN)
def get_changes(
    database: TheDatabase,
    number: Annotated[
        int,
        Query(alias="since", ge=0, le=MAX_NUMBER, description="Only those after this number."),
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
) -> Response:
    """Changes of artists in the order in which they were made, with how much each says of what."""
    with database.read() as connection:
        last = head(connection)
        changes = since(connection, number, limit)
    return fresh(ChangesResponse(head=last, changes=[ListedChange.of(each) for each in changes]))


def _batch(body: bytes, as_lines: bool) -> Batch:
    if as_lines:
        return batch_of_lines(body)
    try:
        return batch_of_items(body)
    except ValidationError as error:
        errors = [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors(include_url=False)]
        raise RequestValidationError(errors) from error


def _written(verdicts: list[Verdict], as_lines: bool) -> bytes:
    if as_lines:
        return b"".join(each.model_dump_json(exclude_none=True).encode() + b"\n" for each in verdicts)
    return ChangeVerdicts(items=verdicts).model_dump_json(exclude_none=True).encode()


def _change(by: str, database: Database, reloader: VersionReloader, change: ChangeRequest) -> Response:
    state = reloader.state
    effect = kept_of(state, change.payload)
    done = write_change(database, change, by=by)
    if done.changed:
        if change.kind in (ChangeKind.DELETE, ChangeKind.MERGE):
            reloader.copy_tombstones()
        reloader.wake()
        log.info(
            "artist_changed", extra={"artist": change.artist, "kind": change.kind, "change": done.number, "by": by}
        )
    status = status_of_done(change.kind, done)
    where = {"location": f"/v1/artists/{quote(change.artist, safe='')}"} if status == 201 else {}
    seconds = reloader.seconds_until(done.number)
    return fresh(change_response(state, change, done, effect, seconds), status, where)
