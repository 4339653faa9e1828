"""Routes that put, patch, delete and merge artists. A change is durable once its response is sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable
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
from riyl.app.http.media_types import JSON, MERGE_PATCH, NDJSON, NO_STORE
from riyl.app.http.off_loop_body import OffLoopBodyRoute, body_errors
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
    # as StrictRoute does for reading: an id that ends in /similar must be percent-encoded
    if request.scope["raw_path"].endswith(SIMILAR.encode()):
        artist_id = request.scope["path"].rpartition("/v1/artists/")[2]
        raise InputError(
            f"id: found {artist_id!r}, the address of similar artists; wanted %2Fsimilar if the id ends in /similar"
        )


router = APIRouter(prefix="/v1", tags=["changes"], route_class=OffLoopBodyRoute, dependencies=[Depends(_own_address)])

WRITER = RouteFacts(role=Role.WRITE)

WRITER_OF_ARTIST = RouteFacts(role=Role.WRITE, max_body_bytes=MAX_ARTIST_BYTES)

WRITER_OF_BATCH = RouteFacts(role=Role.WRITE, max_body_bytes=16 << 20)

MAX_NUMBER = 2**53 - 1
"""Largest integer that JSON readers represent exactly."""

LINES: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": {"$ref": "#/components/schemas/ChangeBatch"}},
        NDJSON: {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": "One change per line: kind (put, patch, delete, merge), id, and the fields of PUT, "
                "PATCH or a merge.",
            }
        },
    },
}
NO_ADDRESS = {404: "The id contains a line break, which this address cannot hold; use a batch."}
SHARED = {409: "The id is an mbid that several artists share (`candidates`)."}
NOT_FOUND = {404: "The artist is in no version and was not put, or it is deleted or merged."}
NOT_INTO = {404: "The artist to merge into is in no version and was not put, or it is itself deleted or merged."}
WRONG_BATCH = {422: "The batch has no changes or too many, or another batch was sent with this key."}

IdPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        pattern=r"^[^\x00]*$",
        description="The catalog's own id of the artist, or its MusicBrainz id if the version that serves has it.",
    ),
]


@router.put(
    "/artists/{id:path}",
    status_code=201,
    summary="Put an artist",
    response_model=ChangeResponse,
    responses={
        **problems(NO_ADDRESS | SHARED),
        200: {"description": "The artist existed already.", "model": ChangeResponse},
    },
)
@WRITER_OF_ARTIST
def put_artist(by: TheAuthor, database: TheDatabase, reloader: TheReloader, id: IdPath, payload: ArtistPut) -> Response:
    """Set the values of an artist, new or existing; they replace those of all earlier changes.

    Given tags and plays replace those of the tables as a whole; given attributes and vectors replace them one by one.
    The tables supply the values that are omitted. An attribute of another type than the catalog's is refused.
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
    """Merge values into those that changes and tables give an artist, as a merge patch (RFC 7396).

    Tags, plays, attributes and vectors merge key by key: null removes a key, and null instead of a whole field removes
    all its keys. Text, numbers and lists replace the former value. Omitted values stay, and follow later tables. The
    same body is accepted as application/json.
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
    """Hide an artist in every version, even if tables contain it, until it is put again."""
    return _change(by, database, reloader, change_request(reloader.state, id, ChangeKind.DELETE))


@router.post(
    "/artists/{id:path}:merge",
    summary="Merge an artist into another one",
    response_model=ChangeResponse,
    responses=problems(NOT_INTO | SHARED),
)
@WRITER
def merge_artist(by: TheAuthor, database: TheDatabase, reloader: TheReloader, id: IdPath, merge: MergeInto) -> Response:
    """Hide an artist like a deleted one, and redirect its id to another artist, until it is put again.

    The other artist keeps its own data. The merged id need not exist: it may be an id from an earlier catalog.
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
            description="Name that you give this batch. A batch sent again under its name changes nothing and gets the "
            "same response; an interrupted one is completed. Names are remembered for a week.",
        ),
    ] = None,
) -> Response:
    """Apply changes in order and return a verdict for each: the result of the change, or its problem.

    The body is one JSON object with `items`, or lines of JSON (application/x-ndjson); the response has the same format.
    A refused change does not stop the others.
    """
    body, sender, as_lines = await request.body(), Sender(writer.id, by), content_type_of(request) == NDJSON
    batch = await run_in_threadpool(_batch, body, as_lines)
    verdicts = carry_out(database, reloader.state, batch, sender, key, reloader.seconds_until)
    content = await run_in_threadpool(_written, verdicts, as_lines)
    await run_in_threadpool(reloader.copy_tombstones)
    reloader.wake()
    log.info("artists_changed", extra={"lines": len(batch.given), "by": sender.by, "key": key})
    return Response(content, headers=NO_STORE, media_type=NDJSON if as_lines else JSON)


@router.get("/changes", summary="List changes", response_model=ChangesResponse)
@RouteFacts(role=Role.ADMIN)
def get_changes(
    database: TheDatabase,
    number: Annotated[
        int,
        Query(alias="since", ge=0, le=MAX_NUMBER, description="Only changes with a higher number."),
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of changes.")] = 50,
) -> Response:
    """List changes in the order in which they were made, with the number of values that each sets by field."""
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
        raise RequestValidationError(body_errors(error)) from error


def _written(verdicts: Iterable[Verdict], as_lines: bool) -> bytes:
    """Apply a batch by taking its verdicts, and write each at once, so that few are in memory."""
    written = (each.model_dump_json(exclude_none=True).encode() for each in verdicts)
    if as_lines:
        return b"".join(each + b"\n" for each in written)
    return b'{"items":[' + b",".join(written) + b"]}"


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
