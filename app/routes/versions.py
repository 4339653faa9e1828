"""Routes of index versions: list, promote, and roll back."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Body, Path
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor, TheAuthors
from riyl.app.http.dependencies import TheDatabase, TheReloader, TheSettings, fresh
from riyl.app.http.errors import damage_raised_as, problems
from riyl.app.http.request_errors import DamagedVersionError
from riyl.app.http.route_facts import RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.routes.index import described
from riyl.app.schemas.health import Refused
from riyl.app.schemas.versions import (
    PromoteRequest,
    PromotionResponse,
    RollbackRequest,
    VerdictResponse,
    VersionResponse,
    VersionsResponse,
)
from riyl.core.db.keys import Role
from riyl.core.db.promotions import Promotion, all_promotions, last_verdicts
from riyl.core.errors import FormatError
from riyl.core.settings import Home
from riyl.core.storage.current import read_current
from riyl.index.versions.lifecycle import rollback, states
from riyl.index.versions.promotion import promote_checked
from riyl.index.versions.promotion_policy import Limits

router = APIRouter(prefix="/v1", tags=["index"], route_class=StrictRoute)

HISTORY_LENGTH = 100


@router.get("/index/versions", summary="List versions", response_model=VersionsResponse)
def list_versions(authors: TheAuthors, settings: TheSettings, database: TheDatabase, reloader: TheReloader) -> Response:
    """List all versions of this home with the verdicts of the promotion policy, and the history of promotions."""
    with database.read() as connection:
        promotions, verdicts = all_promotions(connection), last_verdicts(connection)
    current = promotions[-1].version if promotions else None
    if reloader.unbelieved is not None:
        current = read_current(Home(settings.home).versions)
    serving_state = None if reloader.searcher is None else reloader.searcher.version_id
    versions, damaged = list[VersionResponse](), list[Refused]()
    for id, state in reversed(states(Home(settings.home).versions).items()):
        if isinstance(state, FormatError):
            damaged.append(Refused(version=id, reason=str(state)))
            continue
        verdict = VerdictResponse.model_validate(verdicts[id]) if id in verdicts else None
        facts = described(state).model_dump()
        versions.append(VersionResponse(**facts, current=id == current, serving=id == serving_state, verdict=verdict))
    newest = [
        PromotionResponse.model_validate(replace(entry, by=authors(entry.by)))
        for entry in promotions[: -HISTORY_LENGTH - 1 : -1]
    ]
    return fresh(VersionsResponse(versions=versions, damaged=damaged, promotions=newest))


@router.post(
    "/index/versions/{id}:promote",
    summary="Make a version current",
    response_model=PromotionResponse,
    responses=problems(
        {404: "There is no such version.", 409: "The promotion policy refuses it (see `checks`), or it is damaged."}
    ),
)
@RouteFacts(role=Role.ADMIN)
def promote_version(
    by: TheAuthor,
    id: Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Id of the version.")],
    request: Annotated[PromoteRequest, Body()],
    settings: TheSettings,
    database: TheDatabase,
    reloader: TheReloader,
) -> Response:
    """Make a version current after its files are verified and it is compared to the current one.

    Every replica then switches to it without interrupting its answers.
    """
    with damage_raised_as(DamagedVersionError):
        entry = promote_checked(
            Home(settings.home).versions,
            database,
            id,
            Limits.of(settings),
            by=by,
            why=request.why,
            force=request.force,
        )
    reloader.poll()
    return _told(entry)


@router.post(
    "/index:rollback",
    summary="Return to the previous version",
    response_model=PromotionResponse,
    responses=problems(
        {404: "There is no previous version, or it was removed.", 409: "The previous version is damaged."}
    ),
)
@RouteFacts(role=Role.ADMIN)
def rollback_version(
    by: TheAuthor,
    request: Annotated[RollbackRequest, Body()],
    settings: TheSettings,
    database: TheDatabase,
    reloader: TheReloader,
) -> Response:
    """Make the version current that was current before the last promotion; a repeat goes back one more."""
    with damage_raised_as(DamagedVersionError):
        entry = rollback(Home(settings.home).versions, database, by=by, why=request.why)
    reloader.poll()
    return _told(entry)


def _told(entry: Promotion) -> Response:
    return fresh(PromotionResponse.model_validate(entry))
