"""Commands `riyl rules list`, `add` and `drop`."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer

from riyl.app.commands.current import current
from riyl.app.commands.index import who
from riyl.app.commands.session import Session, session
from riyl.app.services.rules import describe_rule
from riyl.app.serving.state import ServingState
from riyl.core.db.rules import WrittenRule, add_rule, copy_rules, drop_rule, list_rules
from riyl.core.errors import NotFoundError, OutdatedError
from riyl.core.rules import RuleKind

log = logging.getLogger(__name__)

app = typer.Typer(no_args_is_help=True, help="Editorial rules: hide an artist, separate two, or pin one.")


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[RuleKind | None, typer.Option(help="Only rules of this kind.")] = None,
    artist: Annotated[str | None, typer.Option(help="Only rules that name this artist, by id.")] = None,
) -> None:
    """List the rules, the newest first.

    The state says whether a rule takes effect in the current version.
    """
    run = session(context)
    rules, state = list_rules(run.database, kind=kind, artist=artist), _current(run)
    described = [_told(each, state) for each in rules]
    run.show(described)
    columns = ["number", "kind", "artist", "other", "state", "by", "at", "why"]
    rows = [
        [
            str(each["number"]),
            each["kind"],
            each["artist"],
            each["other"] or "",
            each["state"] or "",
            each["by"],
            f"{written.at:%Y-%m-%d %H:%M}",
            each["why"],
        ]
        for each, written in zip(described, rules, strict=True)
    ]
    run.table("rules, times in UTC", columns, rows, words=True)


@app.command()
def add(
    context: typer.Context,
    kind: Annotated[
        RuleKind,
        typer.Argument(
            help="block ARTIST: hide it everywhere. never ARTIST OTHER: list neither as similar to the other. "
            "pin ARTIST OTHER: put OTHER first in the list of ARTIST."
        ),
    ],
    artist: Annotated[str, typer.Argument(help="Id of the artist; it need not be in the catalog yet.")],
    other: Annotated[str | None, typer.Argument(help="Id of the second artist, for never and pin.")] = None,
    why: Annotated[str, typer.Option(help="Reason, shown in the list of rules.")] = "",
) -> None:
    """Add a rule.

    Services apply it within about a second.
    """
    run = session(context)
    written, new = add_rule(run.database, kind, artist, other, by=who(), why=why)
    copy_rules(run.database, run.home.rules)
    described = _told(written, _current(run))
    run.show({**described, "new": new})
    named = f"{kind} {artist}" + (f" {other}" if other else "")
    run.say(f"rule {written.rule.number}, {named}: {'added' if new else 'existed already'}")
    if described["state"] not in (None, "in force"):
        run.say(f"in the current version: {described['state']}")


@app.command()
def drop(context: typer.Context, number: Annotated[int, typer.Argument(help="Number of the rule.")]) -> None:
    """Remove a rule.

    Services stop applying it within about a second.
    """
    run = session(context)
    written = drop_rule(run.database, number)
    copy_rules(run.database, run.home.rules)
    run.show({"dropped": number})
    run.say(f"rule {number}, {written.rule.kind} of {written.rule.artist}, is dropped")


def _current(run: Session) -> ServingState | None:
    try:
        return current(run, verify=False)
    except (NotFoundError, OutdatedError):
        return None


def _told(written: WrittenRule, state: ServingState | None) -> dict[str, Any]:
    return describe_rule(written, state).model_dump(mode="json")
