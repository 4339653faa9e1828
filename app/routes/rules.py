"""Routes of editorial rules (blocked artists, separated pairs, pinned pairs), for admins only."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor
from riyl.app.http.dependencies import TheDatabase, TheReloader, fresh
from riyl.app.http.errors import problems
from riyl.app.http.media_types import NO_STORE
from riyl.app.http.route_facts import RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.schemas.rules import BlockRequest, RuleRequest, RuleResponse, RulesResponse
from riyl.app.services.rules import describe_rule
from riyl.core.db.keys import Role
from riyl.core.db.rules import add_rule, drop_rule, list_rules
from riyl.core.rules import MAX_ID_LENGTH, RuleKind

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["rules"], route_class=StrictRoute)

MAX_NUMBER = 2**31 - 1
"""Largest value of an integer column in the database."""


@router.get("/rules", summary="List editorial rules", response_model=RulesResponse)
@RouteFacts(role=Role.ADMIN)
def get_rules(
    database: TheDatabase,
    reloader: TheReloader,
    kind: Annotated[RuleKind | None, Query(description="Only rules of this kind.")] = None,
    artist: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_ID_LENGTH,
            pattern=r"^[^\x00]*$",
            description="Only rules that name this artist, first or second.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of rules.")] = 50,
    before: Annotated[
        int | None,
        Query(ge=1, le=MAX_NUMBER, description="Only rules with a lower number, for paging."),
    ] = None,
) -> Response:
    """List the rules, the newest first, each with its state in the version that serves."""
    rules = list_rules(database, kind=kind, artist=artist, limit=limit, before=before)
    state = reloader.state
    return fresh(RulesResponse(rules=[describe_rule(each, state) for each in rules]))


@router.post(
    "/rules",
    status_code=201,
    summary="Add an editorial rule",
    response_model=RuleResponse,
    responses={
        200: {"description": "The rule existed already and is unchanged.", "model": RuleResponse},
    },
)
@RouteFacts(role=Role.ADMIN)
def make_rule(
    by: TheAuthor, database: TheDatabase, reloader: TheReloader, request: Annotated[RuleRequest, Body()]
) -> Response:
    """Add a rule; this replica applies it before it responds, other replicas within about a second.

    The artists need not be in the version that serves; `known` is then false.
    """
    other = None if isinstance(request, BlockRequest) else request.other
    written, new = add_rule(database, RuleKind(request.kind), request.artist, other, by=by, why=request.why)
    reloader.reload_rules()
    if new:
        log.info("rule_made", extra={"rule": written.rule.number, "kind": request.kind, "by": by})
    return fresh(describe_rule(written, reloader.state), 201 if new else 200)


@router.delete(
    "/rules/{number}",
    status_code=204,
    summary="Drop an editorial rule",
    response_class=Response,
    responses=problems({404: "There is no such rule."}),
)
@RouteFacts(role=Role.ADMIN)
def remove_rule(
    by: TheAuthor,
    database: TheDatabase,
    reloader: TheReloader,
    number: Annotated[int, Path(ge=1, le=MAX_NUMBER, description="Number of the rule.")],
) -> Response:
    """Drop a rule; this replica does so before it responds, other replicas within about a second."""
    dropped = drop_rule(database, number)
    reloader.reload_rules()
    log.info("rule_dropped", extra={"rule": number, "kind": dropped.rule.kind, "by": by})
    return Response(status_code=204, headers=NO_STORE)
