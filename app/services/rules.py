"""Editorial rules as responses describe them."""

from __future__ import annotations

from riyl.app.schemas.rules import RuleResponse
from riyl.app.serving.state import ServingState
from riyl.core.db.rules import WrittenRule
from riyl.index.search.rules import RuleState


def describe_rule(written: WrittenRule, serving_state: ServingState | None) -> RuleResponse:
    """Describe a rule and its state in the serving version; `serving_state` is None where no version serves."""
    state = None if serving_state is None else serving_state.rules.state(written.rule, serving_state.searcher)
    return RuleResponse(
        number=written.rule.number,
        kind=written.rule.kind,
        artist=written.rule.artist,
        other=written.rule.other,
        why=written.why,
        by=written.by,
        at=written.at,
        known=None if state is None else state is not RuleState.UNKNOWN,
        state=state,
    )
