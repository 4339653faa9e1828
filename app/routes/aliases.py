"""Routes of aliases: the ids that media servers have for artists, replaced by an upload, and counted."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor
from riyl.app.http.dependencies import TheDatabase, TheState, TheUploads, fresh
from riyl.app.http.errors import problems
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.routes.forms import body_of_form, file_of, file_schema, received_form, unknown_part
from riyl.app.schemas.aliases import AliasCount, AliasesImported, AliasesResponse
from riyl.app.services.aliases import FORMATS, AliasTable, read_aliases
from riyl.app.services.uploads import UploadedFile
from riyl.app.serving.state import ServingState
from riyl.core.db.aliases import AliasKind, count_aliases, replace_aliases
from riyl.core.db.keys import Role
from riyl.core.errors import InputError, TableError

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["aliases"], route_class=StrictRoute)

MAX_BYTES = 16 << 20

BODY_OF_FORM = body_of_form(
    {
        "required": ["file"],
        "properties": {
            "file": file_schema(
                "CSV or TSV file with external_id, the id in the media server, and artist_id, mbid or name; the first "
                "of them by which there is an artist counts."
            )
        },
    }
)


@router.get("/aliases", summary="Count aliases", response_model=AliasesResponse)
def list_aliases(database: TheDatabase) -> Response:
    """Count the ids of each media server that are mapped to artists."""
    counts = [AliasCount(kind=kind, aliases=count) for kind, count in count_aliases(database).items()]
    return fresh(AliasesResponse(aliases=counts))


@router.post(
    "/aliases/{kind}",
    summary="Replace the aliases of a media server",
    response_model=AliasesImported,
    responses=problems({422: "The file is invalid: `detail` gives the row, the value found and the value wanted."}),
    openapi_extra=BODY_OF_FORM,
)
@RouteFacts(role=Role.WRITE, concurrency=Concurrency.UPLOADS, max_body_bytes=MAX_BYTES, streams_body=True)
async def import_aliases(
    kind: Annotated[AliasKind, InPath(description="The media server.")],
    by: TheAuthor,
    request: Request,
    state: TheState,
    database: TheDatabase,
    uploads: TheUploads,
) -> Response:
    """Replace all aliases of a media server by those of a file, as `riyl aliases import` does.

    Rows of which the version has no artist are skipped and counted.
    """
    async with received_form(request, most_parts=1, wanted="`file`") as form:
        if unknown := form.keys() - {"file"}:
            raise unknown_part(min(unknown), "file")
        uploaded = file_of(form, "file", FORMATS)
        async with uploads:
            table = await run_in_threadpool(_read, uploaded, kind, state)
            await run_in_threadpool(replace_aliases, database, kind, table.artists)
    log.info("aliases_imported", extra={"kind": kind.value, "aliases": len(table.artists), "by": by})
    return fresh(AliasesImported(kind=kind, aliases=len(table.artists), unknown=table.unknown, examples=table.examples))


def _read(uploaded: UploadedFile, kind: AliasKind, state: ServingState) -> AliasTable:
    """Read an uploaded table; errors show its own name."""
    with TemporaryDirectory(prefix="riyl-upload-") as folder:
        path = Path(folder) / uploaded.name_as("file")
        with path.open("xb") as out:
            shutil.copyfileobj(uploaded.content, out)
        try:
            return read_aliases(path, kind, state)
        except TableError as error:
            raise InputError(str(error).replace(str(path), uploaded.shown)) from error
