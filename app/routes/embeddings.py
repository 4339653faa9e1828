"""Routes of embeddings that other programs computed: upload, list and get, to name them in evaluations."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor
from riyl.app.http.dependencies import TheSettings, TheUploads, fresh
from riyl.app.http.errors import damage_raised_as, problems
from riyl.app.http.request_errors import DamagedEmbeddingsError
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.routes.forms import MAX_UPLOAD_BYTES, body_of_form, file_of, file_schema, received_form, unknown_part
from riyl.app.schemas.embeddings import DamagedEmbeddings, EmbeddingsListResponse, EmbeddingsResponse
from riyl.app.services.embedding_uploads import EmbeddingsUpload
from riyl.app.services.uploads import keep_upload
from riyl.core.db.keys import Role
from riyl.core.errors import FormatError
from riyl.core.external.embeddings import FORMATS
from riyl.core.settings import Home
from riyl.core.storage.embeddings import MANIFEST, embeddings_manifest, stored_embeddings
from riyl.core.storage.entries import pick
from riyl.core.storage.ground_truth import MAX_NAME_LENGTH

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["embeddings"], route_class=StrictRoute)

PART = "part-"
"""Beginning of the name of a part that is a modality's matrix."""

MAX_MODALITIES = 20

IDS_FORMATS = (".txt", ".parquet")

BODY_OF_FORM = body_of_form(
    {
        "properties": {
            "file": file_schema(
                "NumPy matrix (.npy) of floating-point numbers, with a row for each artist; or a Parquet file with "
                "artist_id and vector. The ending of the file name gives the format."
            ),
            "ids": file_schema(
                "Artist of each row of the matrices: .txt with one id per line, or a Parquet file with artist_id."
            ),
        },
        "patternProperties": {
            f"^{PART}": file_schema(
                f"NumPy matrix (.npy) of the modality that is named after `{PART}`; zeros, or NaN alone, in the row of "
                "an artist that lacks it. Without `file`, an artist's vector is the mean of its parts."
            )
        },
    }
)


@router.post(
    "/embeddings",
    status_code=201,
    summary="Upload embeddings",
    response_model=EmbeddingsResponse,
    responses={
        200: {"model": EmbeddingsResponse, "description": "The same embeddings are stored already."},
        **problems(
            {
                409: "The same embeddings exist already, and are damaged.",
                422: "A file is invalid: `detail` gives the place, the value found and the value wanted.",
            }
        ),
    },
    openapi_extra=BODY_OF_FORM,
)
@RouteFacts(role=Role.ADMIN, concurrency=Concurrency.UPLOADS, max_body_bytes=MAX_UPLOAD_BYTES, streams_body=True)
async def bring_embeddings(
    by: TheAuthor,
    request: Request,
    settings: TheSettings,
    uploads: TheUploads,
    name: Annotated[str, Query(min_length=1, max_length=MAX_NAME_LENGTH, description="Name, for tables.")],
) -> Response:
    """Store embeddings that another program computed, as `riyl embeddings import` does, to evaluate them.

    The same embeddings under the same name have the same id, and become the newest.
    """
    wanted = f"`file` or `{PART}NAME`"
    async with received_form(request, most_parts=MAX_MODALITIES + 2, wanted=wanted) as form:
        upload = _upload(form, name)
        async with uploads:
            with damage_raised_as(DamagedEmbeddingsError):
                kept = await keep_upload(upload, Home(settings.home).embeddings, None, request.receive)
    stored = EmbeddingsResponse.of(kept.manifest)
    log.info("embeddings_brought", extra={"embeddings": stored.id, "called": stored.name, "by": by})
    return fresh(stored, 201 if kept.is_new else 200, {"location": f"/v1/embeddings/{stored.id}"})


@router.get("/embeddings", summary="List embeddings", response_model=EmbeddingsListResponse)
def list_embeddings(settings: TheSettings) -> Response:
    """List the embeddings of this home, the newest first."""
    listed, damaged = list[EmbeddingsResponse](), list[DamagedEmbeddings]()
    for id, state in reversed(stored_embeddings(Home(settings.home).embeddings).items()):
        if isinstance(state, FormatError):
            damaged.append(DamagedEmbeddings(embeddings=id, reason=str(state)))
        else:
            listed.append(EmbeddingsResponse.of(state))
    return fresh(EmbeddingsListResponse(embeddings=listed, damaged=damaged))


@router.get(
    "/embeddings/{id}",
    summary="Get embeddings",
    response_model=EmbeddingsResponse,
    responses=problems({404: "There are no such embeddings.", 409: "The embeddings are damaged."}),
)
def get_embeddings(
    id: Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Id of the embeddings.")], settings: TheSettings
) -> Response:
    """Get the description of embeddings; of their files only the sizes are checked."""
    with damage_raised_as(DamagedEmbeddingsError):
        manifest = embeddings_manifest(pick(Home(settings.home).embeddings, id, "embeddings", MANIFEST))
    return fresh(EmbeddingsResponse.of(manifest))


def _upload(form: FormData, name: str) -> EmbeddingsUpload:
    """Return the upload of a form, whose files are not read yet.

    Raises:
        InputError: a part is missing, of another kind or unknown, or the parts do not belong together.
    """
    modalities = sorted({part for part in form if part.startswith(PART)})
    if unknown := form.keys() - {"file", "ids", *modalities}:
        raise unknown_part(min(unknown), f"file, ids and {PART}NAME")
    return EmbeddingsUpload(
        file_of(form, "file", FORMATS) if "file" in form else None,
        file_of(form, "ids", IDS_FORMATS) if "ids" in form else None,
        {part.removeprefix(PART): file_of(form, part, (".npy",)) for part in modalities},
        name,
    )
