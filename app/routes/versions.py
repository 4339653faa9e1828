"""Versions of the index: which there are, and which is current."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Body, Path
from starlette.responses import Response

from app import security
from app.deps import BODY, INVALID, UNREACHABLE, TheDatabase, TheServing, TheSettings, fresh
from app.errors import DamagedVersionError, problems
from app.promoting import promote_checked
from app.routes.index import described
from app.schemas import Refused
from app.schemas_versions import (
    PromoteAsked,
    PromotionAnswer,
    RollbackAsked,
    VerdictAnswer,
    VersionAnswer,
    VersionsAnswer,
)
from app.security import TheAdmin
from app.strict_route import StrictRoute
from core.current import read_current
from core.db.promotions import Promotion, all_promotions, last_verdicts
from core.errors import FormatError
from core.settings import Home
from index.policy import Limits
from index.versions import rollback, states

router = APIRouter(prefix="/v1", tags=["index"], route_class=StrictRoute)

HISTORY_LENGTH = 100


@router.get("/index/versions", summary="List versions", response_model=VersionsAnswer, responses=problems(UNREACHABLE))
def list_versions(settings: TheSettings, database: TheDatabase, serving: TheServing) -> Response:
    """Every version of this home with what the gate said of it, and the history of promotions."""
    with database.read() as connection:
        promotions, verdicts = all_promotions(connection), last_verdicts(connection)
    current = promotions[-1].version if promotions else None
    if serving.unbelieved is not None:
        current = read_current(Home(settings.home).versions)
    served = None if serving.searcher is None else serving.searcher.version_id
    versions, damaged = list[VersionAnswer](), list[Refused]()
    for id, state in reversed(states(Home(settings.home).versions).items()):
        if isinstance(state, FormatError):
            damaged.append(Refused(version=id, reason=str(state)))
            continue
        verdict = VerdictAnswer.model_validate(verdicts[id]) if id in verdicts else None
        facts = described(state).model_dump()
        versions.append(VersionAnswer(**facts, current=id == current, serving=id == served, verdict=verdict))
    newest = [PromotionAnswer.model_validate(entry) for entry in promotions[: -HISTORY_LENGTH - 1 : -1]]
    return fresh(VersionsAnswer(versions=versions, damaged=damaged, promotions=newest))


@router.post(
    "/index/versions/{id}:promote",
    summary="Make a version current",
    response_model=PromotionAnswer,
    responses=problems(
        security.PROBLEMS
        | {404: "There is no such version.", 409: "The gate refuses it, and `checks` says why; or it is damaged."}
        | BODY
        | INVALID
        | UNREACHABLE
    ),
)
def promote_version(
    admin: TheAdmin,
    id: Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Id of the version.")],
    asked: Annotated[PromoteAsked, Body()],
    settings: TheSettings,
    database: TheDatabase,
    serving: TheServing,
) -> Response:
    """It is verified, and held against the current one; then every replica takes it up while it answers."""
    by = security.author(admin)
    with _damage_is_a_conflict():
        entry = promote_checked(
            Home(settings.home).versions,
            database,
            id,
            Limits.of(settings),
            by=by,
            why=asked.why,
            force=asked.force,
        )
    serving.look()
    return _told(entry)


@router.post(
    "/index:rollback",
    summary="Go back to the version before",
    response_model=PromotionAnswer,
    responses=problems(
        security.PROBLEMS
        | {404: "There was none before, or it is gone.", 409: "It is damaged."}
        | BODY
        | INVALID
        | UNREACHABLE
    ),
)
def rollback_version(
    admin: TheAdmin,
    asked: Annotated[RollbackAsked, Body()],
    settings: TheSettings,
    database: TheDatabase,
    serving: TheServing,
) -> Response:
    """Make current what was so before the last promotion; once more goes one further back."""
    with _damage_is_a_conflict():
        entry = rollback(Home(settings.home).versions, database, by=security.author(admin), why=asked.why)
    serving.look()
    return _told(entry)


@contextmanager
def _damage_is_a_conflict() -> Iterator[None]:
    try:
        yield
    except FormatError as error:
        raise DamagedVersionError(str(error)) from error


def _told(entry: Promotion) -> Response:
    return fresh(PromotionAnswer.model_validate(entry))
