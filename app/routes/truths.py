"""Routes of ground truths: upload, list, and coverage by the catalog."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import gettempdir
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor
from riyl.app.http.dependencies import TheReloader, TheSettings, TheUploads, fresh
from riyl.app.http.errors import damage_raised_as, problems
from riyl.app.http.media_types import FORM
from riyl.app.http.request_errors import DamagedTruthError
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.schemas.ground_truths import DamagedTruth, TruthDetails, TruthResponse, TruthsResponse
from riyl.app.services.truth_uploads import Upload, UploadedFile, keep_upload
from riyl.app.serving.reloader import VersionReloader
from riyl.core.catalog.graph import IDS_FORMATS
from riyl.core.catalog.pairs import FORMATS
from riyl.core.db.keys import Role
from riyl.core.errors import FormatError, InputError, NotFoundError
from riyl.core.files import Manifest
from riyl.core.settings import Home
from riyl.core.storage.entries import pick
from riyl.core.storage.ground_truth import MANIFEST, MAX_NAME_LENGTH, Coverage, Truth, truths
from riyl.core.storage.snapshot import find_snapshot

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["truths"], route_class=StrictRoute)

MAX_UPLOAD_BYTES = 64 << 20

MAX_FIELD_BYTES = 1 << 12
"""Maximum size of a part that is not a file, in bytes; every such part is refused, with its name."""

PARTS = {"file": FORMATS, "ids": IDS_FORMATS}
BODY_OF_FORM: dict[str, Any] = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": "Parquet, CSV or TSV file with artist_id and similar_id, or a SciPy sparse "
                        "matrix (.npz) of artists by artists; the ending of the file name gives the format.",
                    },
                    "ids": {
                        "type": "string",
                        "format": "binary",
                        "description": "Artist of each row of the matrix: .txt with one id per line, or .csv with "
                        "artist_id or OLGA's musicbrainz_id.",
                    },
                },
            }
        }
    },
}
DAMAGED = {409: "The ground truth exists already, and is damaged."}


@dataclass(frozen=True)
class Catalog:
    """Version or snapshot that ground truths are compared to: its kind, its id, and the ids of its artists."""

    kind: str
    id: str
    artist_ids: pa.Array


@router.post(
    "/truths",
    status_code=201,
    summary="Upload a ground truth",
    response_model=TruthDetails,
    responses=problems(
        DAMAGED | {422: "The file is invalid: `detail` gives the place, the value found and the value wanted."}
    ),
    openapi_extra={"requestBody": BODY_OF_FORM},
)
@RouteFacts(role=Role.ADMIN, concurrency=Concurrency.UPLOADS, max_body_bytes=MAX_UPLOAD_BYTES, streams_body=True)
async def bring_truth(
    by: TheAuthor,
    request: Request,
    settings: TheSettings,
    reloader: TheReloader,
    uploads: TheUploads,
    name: Annotated[
        str | None,
        Query(min_length=1, max_length=MAX_NAME_LENGTH, description="Name; default: that of the file."),
    ] = None,
    directed: Annotated[bool, Query(description="Whether pairs count only from artist_id to similar_id.")] = False,
) -> Response:
    """Store a file of similar pairs, as `riyl truth import` does, and count the pairs that the catalog does not know.

    The same pairs under the same name are the same ground truth, which becomes the newest.
    """
    try:
        async with request.form(max_files=len(PARTS), max_fields=len(PARTS), max_part_size=MAX_FIELD_BYTES) as form:
            upload = _upload(form, name, directed)
            async with uploads:
                catalog = await run_in_threadpool(_catalog, settings.home, reloader)
                known = None if catalog is None else catalog.artist_ids
                with damage_raised_as(DamagedTruthError):
                    kept = await keep_upload(upload, Home(settings.home).truths, known, request.receive)
    except HTTPException as error:
        raise InputError(f"body: found no readable {FORM} ({error.detail}); wanted one with a part `file`") from error
    except ClientDisconnect as error:
        raise InputError("body: found an early end; wanted the whole body") from error
    except OSError as error:
        if not error.errno or error.filename is not None:
            raise
        # an error of the code that spools the parts, which does not name the folder
        raise OSError(error.errno, error.strerror, gettempdir()) from error
    details = _details(kept.manifest, catalog, kept.coverage)
    log.info("truth_brought", extra={"truth": details.id, "called": details.name, "by": by})
    return fresh(details, 201, {"location": f"/v1/truths/{details.id}"})


@router.get("/truths", summary="List ground truths", response_model=TruthsResponse)
def list_truths(settings: TheSettings) -> Response:
    """List the ground truths of this home, the newest first."""
    listed, damaged = list[TruthResponse](), list[DamagedTruth]()
    for id, state in reversed(truths(Home(settings.home).truths).items()):
        if isinstance(state, FormatError):
            damaged.append(DamagedTruth(truth=id, reason=str(state)))
        else:
            listed.append(TruthResponse.of(state))
    return fresh(TruthsResponse(truths=listed, damaged=damaged))


@router.get(
    "/truths/{id}",
    summary="Get a ground truth and its coverage",
    response_model=TruthDetails,
    responses=problems({404: "There is no such ground truth.", 409: "The ground truth is damaged."}),
)
def get_truth(
    id: Annotated[str, InPath(pattern="^[0-9a-f]{16}$", description="Id of the ground truth.")],
    settings: TheSettings,
    reloader: TheReloader,
) -> Response:
    """Get a ground truth, and the number of its pairs that have both artists in the version that serves."""
    with damage_raised_as(DamagedTruthError):
        truth = Truth.open(pick(Home(settings.home).truths, id, "truth", MANIFEST))
    catalog = _catalog(settings.home, reloader)
    return fresh(_details(truth.manifest, catalog, None if catalog is None else truth.coverage(catalog.artist_ids)))


def _upload(form: FormData, name: str | None, directed: bool) -> Upload:
    """Return the upload of a form, whose files are not read yet.

    Raises:
        InputError: a part is missing, of another kind or unknown.
    """
    if unknown := form.keys() - PARTS.keys():
        shown_part = f"a part called {min(unknown)[:MAX_NAME_LENGTH]!r}"
        raise InputError(f"body: found {shown_part}; wanted {' and '.join(PARTS)} (other values go into the address)")
    file = _file(form, "file")
    ids = _file(form, "ids") if "ids" in form else None
    return Upload(file, ids, name or PurePosixPath(file.name).stem, directed)


def _file(form: FormData, name: str) -> UploadedFile:
    """Return a part of the form as a file; the ending of its name gives its format."""
    values = form.getlist(name)
    if len(values) != 1 or not isinstance(values[0], UploadFile):
        raise InputError(f"body.{name}: found {_told(values)}; wanted one file, as curl -F {name}=@FILE sends it")
    shown = PurePosixPath((values[0].filename or "").replace("\\", "/")).name
    if PurePosixPath(shown).suffix not in PARTS[name]:
        wanted = f"one that ends in {', '.join(PARTS[name])}"
        raise InputError(f"body.{name}: found a file called {shown[:MAX_NAME_LENGTH]!r}; wanted {wanted}")
    return UploadedFile(values[0].file, shown)


def _told(parts: Sequence[object]) -> str:
    return "nothing" if not parts else "text without a file name" if len(parts) == 1 else f"{len(parts)} of them"


def _catalog(home: Path, reloader: VersionReloader) -> Catalog | None:
    """Return the catalog that a ground truth is compared to: the version that serves, else the newest snapshot."""
    searcher = reloader.searcher
    if searcher is not None:
        return Catalog("version", searcher.version_id, searcher.artist_ids)
    try:
        snapshot = find_snapshot(Home(home).snapshots, None)
    except (NotFoundError, FormatError):
        return None
    return Catalog("snapshot", snapshot.id, snapshot.artists.column("artist_id").combine_chunks())


def _details(manifest: Manifest, catalog: Catalog | None, coverage: Coverage | None) -> TruthDetails:
    """Describe a ground truth, with its coverage by the catalog if there is one."""
    if catalog is None or coverage is None:
        return TruthDetails(**TruthResponse.of(manifest).model_dump(), known=None, warning=None)
    return TruthDetails.held(manifest, catalog.kind, catalog.id, coverage)
