"""Current version as the service uses it, for commands: with its changes and the editorial rules."""

from __future__ import annotations

from riyl.app.commands.session import Session
from riyl.app.serving.current import CurrentState, hidden_now
from riyl.app.serving.state import ServingState
from riyl.core.db.hidden import Hidden


def current(run: Session, *, verify: bool = True) -> ServingState:
    """Return the state that a service in this home would answer from.

    Raises the errors of `riyl.app.serving.current.CurrentState.read`.
    """
    return CurrentState(run.settings, lambda: run.database, verify=verify).read()


def hidden_of(run: Session) -> Hidden:
    """Return the rules in force, and the artists that were deleted or merged. Raises the errors of `current`."""
    return hidden_now(run.settings, lambda: run.database)
