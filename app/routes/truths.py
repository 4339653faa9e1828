"""Routes of ground truths: upload, list, and coverage by the catalog."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor
from riyl.app.http.dependencies import TheReloader, TheSettings, TheUploads, fresh
from riyl.app.http.errors import damage_raised_as, problems
from riyl.app.http.request_errors import DamagedTruthError
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.routes.forms import MAX_UPLOAD_BYTES, body_of_form, file_of, file_schema, received_form, unknown_part
from riyl.app.schemas.ground_truths import DamagedTruth, TruthDetails, TruthResponse, TruthsResponse
from riyl.app.services.truth_uploads import TruthUpload
from riyl.app.services.uploads import keep_upload
from riyl.app.serving.reloader import VersionReloader
from riyl.core.catalog.graph import IDS_FORMATS
from riyl.core.catalog.pairs import FORMATS
from riyl.core.db.keys import Role
from riyl.core.errors import FormatError, NotFoundError
from riyl.core.files import Manifest
from riyl.core.settings import Home
from riyl.core.storage.entries import pick
from riyl.core.storage.ground_truth import MANIFEST, MAX_NAME_LENGTH, Coverage, Truth, truths
from riyl.core.storage.snapshot import find_snapshot

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["truths"], route_class=StrictRoute)

PARTS = {"file": FORMATS, "ids": IDS_FORMATS}
BODY_OF_FORM = body_of_form(
    {
        "required": ["file"],
        "properties": {
            "file": file_schema(
                "Parquet, CSV or TSV file with artist_id and similar_id, or a SciPy sparse matrix (.npz) of artists by "
                "artists; the ending of the file name gives the format."
            ),
            "ids": file_schema(
                "Artist of each row of the matrix: .txt with one id per line, or .csv with artist_id or OLGA's "
                "musicbrainz_id."
            ),
        },
    }
)
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
    openapi_extra=BODY_OF_FORM,
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
    async with received_form(request, most_parts=len(PARTS), wanted="`file`") as form:
        upload = _upload(form, name, directed)
        async with uploads:
            catalog = await run_in_threadpool(_catalog, settings.home, reloader)
            known = None if catalog is None else catalog.artist_ids
            with damage_raised_as(DamagedTruthError):
                kept = await keep_upload(upload, Home(settings.home).truths, known, request.receive)
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


def _upload(form: FormData, name: str | None, directed: bool) -> TruthUpload:
    """Return the upload of a form, whose files are not read yet.

    Raises:
        InputError: a part is missing, of another kind or unknown.
    """
    if unknown := form.keys() - PARTS.keys():
        raise unknown_part(min(unknown), " and ".join(PARTS))
    file = file_of(form, "file", PARTS["file"])
    ids = file_of(form, "ids", PARTS["ids"]) if "ids" in form else None
    return TruthUpload(file, ids, name or PurePosixPath(file.name).stem, directed)


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
