"""Ground truths: bringing one, which there are, and how much of them the catalog knows."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated, Any

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
from riyl.app.serving.reloader import VersionReloader
from riyl.core.catalog.graph import IDS_FORMATS
from riyl.core.catalog.pairs import FORMATS, read_pairs
from riyl.core.db.keys import Role
from riyl.core.errors import FormatError, InputError, NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.entries import pick
from riyl.core.storage.ground_truth import MANIFEST, MAX_NAME_LENGTH, Truth, save_truth, truths
from riyl.core.storage.snapshot import find_snapshot

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["truths"], route_class=StrictRoute)

MAX_UPLOAD_BYTES = 64 << 20

MAX_UNPACKED_BYTES = 128 << 20
"""Of an upload: some four million pairs, which take half a gigabyte of memory; a whole one where no id stands twice."""

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
                        "description": "Parquet, CSV or TSV file with artist_id and similar_id, or a scipy sparse "
                        "matrix (.npz) of artists by artists; the file's name says which.",
                    },
                    "ids": {
                        "type": "string",
                        "format": "binary",
                        "description": "Who each row of the matrix is: .txt with an id a line, or .csv with artist_id "
                        "or OLGA's musicbrainz_id.",
                    },
                },
            }
        }
    },
}
DAMAGED = {409: "It is there, and damaged."}


@router.post(
    "/truths",
    status_code=201,
    summary="Bring a ground truth",
    response_model=TruthDetails,
    responses=problems(
        DAMAGED | {422: "The file is not what it should be: `detail` says where, what was found and what was wanted."}
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
        Query(min_length=1, max_length=MAX_NAME_LENGTH, description="Name [the file's]."),
    ] = None,
    directed: Annotated[bool, Query(description="Whether a pair counts from artist_id to similar_id alone.")] = False,
) -> Response:
    """Keep a file of similar pairs, as `riyl truth import` does; the answer counts what the catalog does not know.

    The same pairs under the same name are the same truth, and become the newest.
    """
    try:
        async with request.form(max_files=len(PARTS), max_fields=len(PARTS)) as form, uploads:
            truth = await run_in_threadpool(_keep, Home(settings.home), form, name, directed)
    except HTTPException as error:
        raise InputError(f"body: found no readable {FORM} ({error.detail}); wanted one with the part file") from error
    except ClientDisconnect as error:
        raise InputError("body: found an early end; wanted the whole of it") from error
    log.info("truth_brought", extra={"truth": truth.id, "called": truth.name, "by": by})
    details = await run_in_threadpool(_details, truth, settings.home, reloader)
    return fresh(details, 201, {"location": f"/v1/truths/{truth.id}"})


@router.get("/truths", summary="List ground truths", response_model=TruthsResponse)
def list_truths(settings: TheSettings) -> Response:
    """Every truth of this home, the newest first."""
    listed, damaged = list[TruthResponse](), list[DamagedTruth]()
    for id, state in reversed(truths(Home(settings.home).truths).items()):
        if isinstance(state, FormatError):
            damaged.append(DamagedTruth(truth=id, reason=str(state)))
        else:
            listed.append(TruthResponse.of(state))
    return fresh(TruthsResponse(truths=listed, damaged=damaged))


@router.get(
    "/truths/{id}",
    summary="What the catalog knows of a ground truth",
    response_model=TruthDetails,
    responses=problems({404: "There is no such truth.", 409: "It is damaged."}),
)
def get_truth(
    id: Annotated[str, InPath(pattern="^[0-9a-f]{16}$", description="Id of the truth.")],
    settings: TheSettings,
    reloader: TheReloader,
) -> Response:
    """One truth, and how many of its pairs have both artists in the version that serves."""
    with damage_raised_as(DamagedTruthError):
        truth = Truth.open(pick(Home(settings.home).truths, id, "truth", MANIFEST))
    return fresh(_details(truth, settings.home, reloader))


def _keep(home: Home, form: FormData, name: str | None, directed: bool) -> Truth:
    """The truth of an upload, whose parts are put beside each other while they are read."""
    if unknown := form.keys() - PARTS.keys():
        shown_part = f"a part called {min(unknown)[:MAX_NAME_LENGTH]!r}"
        raise InputError(f"body: found {shown_part}; wanted {' and '.join(PARTS)} (the rest belongs into the address)")
    with TemporaryDirectory(prefix="riyl-truth-") as folder:
        put = {part: _put(form, part, Path(folder)) for part in PARTS if part == "file" or part in form}
        source = put["file"][1]
        try:
            pairs = read_pairs(put["file"][0], put["ids"][0] if "ids" in put else None, most_bytes=MAX_UNPACKED_BYTES)
        except InputError as error:
            text = str(error)
            for path, shown in put.values():
                text = text.replace(str(path), shown[:MAX_NAME_LENGTH]).replace(path.name, shown[:MAX_NAME_LENGTH])
            raise InputError(text) from error
    with damage_raised_as(DamagedTruthError):
        return save_truth(home.truths, name or PurePosixPath(source).stem, pairs, directed=directed, source=source)


def _put(form: FormData, name: str, folder: Path) -> tuple[Path, str]:
    """A part of the form as a file under a name of ours, and the name that it came with."""
    values = form.getlist(name)
    if len(values) != 1 or not isinstance(values[0], UploadFile):
        raise InputError(f"body.{name}: found {_told(values)}; wanted one file, as curl -F {name}=@FILE sends it")
    shown = PurePosixPath((values[0].filename or "").replace("\\", "/")).name
    suffix = PurePosixPath(shown).suffix
    if suffix not in PARTS[name]:
        wanted = f"one that ends in {', '.join(PARTS[name])}"
        raise InputError(f"body.{name}: found a file called {shown[:MAX_NAME_LENGTH]!r}; wanted {wanted}")
    path = folder / f"uploaded-{name}{suffix}"
    with path.open("xb") as out:
        shutil.copyfileobj(values[0].file, out)
    return path, shown


def _told(parts: Sequence[object]) -> str:
    return "nothing" if not parts else "text without a file name" if len(parts) == 1 else f"{len(parts)} of them"


def _details(truth: Truth, home: Path, reloader: VersionReloader) -> TruthDetails:
    """The truth held against the version that serves, else against the newest snapshot, else alone."""
    searcher = reloader.searcher
    if searcher is not None:
        return TruthDetails.held(truth, "version", searcher.version_id, truth.coverage(searcher.artist_ids))
    try:
        snapshot = find_snapshot(Home(home).snapshots, None)
    except (NotFoundError, FormatError):
        return TruthDetails(**TruthResponse.of(truth.manifest).model_dump(), known=None, warning=None)
    ids = snapshot.artists.column("artist_id").combine_chunks()
    return TruthDetails.held(truth, "snapshot", snapshot.id, truth.coverage(ids))
