"""Editorial rules: blocked artists, pairs that are never shown, pinned pairs; for admins alone."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response

from app import security
from app.deps import BODY, INVALID, UNREACHABLE, TheDatabase, TheServing, fresh
from app.errors import problems
from app.schemas_rules import BlockAsked, RuleAnswer, RuleAsked, RulesAnswer
from app.security import TheAdmin
from app.strict_route import StrictRoute
from core.db.rules import add_rule, drop_rule, list_rules
from core.rules import LONGEST_ID, RuleKind

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["rules"], route_class=StrictRoute)

LARGEST_NUMBER = 2**31 - 1
"""What a database's integer holds."""


@router.get(
    "/rules",
    summary="List editorial rules",
    response_model=RulesAnswer,
    responses=problems(security.PROBLEMS | INVALID | UNREACHABLE),
)
def get_rules(
    admin: TheAdmin,
    database: TheDatabase,
    serving: TheServing,
    kind: Annotated[RuleKind | None, Query(description="Only of this kind.")] = None,
    artist: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=LONGEST_ID,
            pattern=r"^[^\x00]*$",
            description="Only those that name this artist, first or second.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
    before: Annotated[
        int | None,
        Query(ge=1, le=LARGEST_NUMBER, description="Only those of a lesser number, for pages."),
    ] = None,
) -> Response:
    """The rules, the newest first, each with what has become of it in the version that serves."""
    found = list_rules(database, kind=kind, artist=artist, limit=limit, before=before)
    served = serving.served
    return fresh(RulesAnswer(rules=[RuleAnswer.of(each, served) for each in found]))


@router.post(
    "/rules",
    status_code=201,
    summary="Make an editorial rule",
    response_model=RuleAnswer,
    responses={
        **problems(security.PROBLEMS | BODY | INVALID | UNREACHABLE),
        200: {"description": "The rule was there already, and stays as it was.", "model": RuleAnswer},
    },
)
def make_rule(
    admin: TheAdmin,
    database: TheDatabase,
    serving: TheServing,
    asked: Annotated[RuleAsked, Body()],
) -> Response:
    """This replica obeys it before it answers, every other one within a second or so.

    An artist that the version that serves has not is accepted: `known` is false.
    """
    other = None if isinstance(asked, BlockAsked) else asked.other
    by = security.author(admin)
    written, new = add_rule(database, RuleKind(asked.kind), asked.artist, other, by=by, why=asked.why)
    serving.obey()
    if new:
        log.info("rule_made", extra={"rule": written.rule.number, "kind": asked.kind, "by": by})
    return fresh(RuleAnswer.of(written, serving.served), 201 if new else 200)


@router.delete(
    "/rules/{number}",
    status_code=204,
    summary="Drop an editorial rule",
    response_class=Response,
    responses=problems(security.PROBLEMS | {404: "There is no such rule."} | INVALID | UNREACHABLE),
)
def remove_rule(
    admin: TheAdmin,
    database: TheDatabase,
    serving: TheServing,
    number: Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Number of the rule.")],
) -> Response:
    """Undo it; this replica does so before it answers, every other one within a second or so."""
    dropped = drop_rule(database, number)
    serving.obey()
    log.info("rule_dropped", extra={"rule": number, "kind": dropped.rule.kind, "by": security.author(admin)})
    return Response(status_code=204, headers={"cache-control": "no-store"})
