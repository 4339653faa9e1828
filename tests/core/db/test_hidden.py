from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from riyl.core.changes.effective import ChangeKind, EffectiveChanges
from riyl.core.db.changes import ChangeRequest, write_change
from riyl.core.db.hidden import Hidden, hidden, hidden_by_copies, hidden_by_either
from riyl.core.db.rules import add_rule
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDownError, FormatError
from riyl.core.rules import NO_RULES, Rule, RuleKind, Rules
from riyl.core.settings import Home, Settings
from tests.core.db.streams import copy_all


@pytest.fixture
def away(settings: Settings) -> Iterator[Database]:
    """Make the home's database unreachable."""
    closed = SecretStr("postgresql://riyl@127.0.0.1:1/riyl")
    database = Database.of(settings.model_copy(update={"database_url": closed}))
    yield database
    database.close()


def test_the_database_says_what_is_hidden_and_away_the_copies_do(
    database: Database, home: Home, away: Database
) -> None:
    with pytest.raises(DatabaseDownError):
        hidden(away, home)
    add_rule(database, RuleKind.BLOCK, "a", None, by="t", why="")
    write_change(database, ChangeRequest("b", ChangeKind.DELETE, {}, None), by="t")
    wanted = Hidden(Rules(1, (Rule(1, RuleKind.BLOCK, "a", None),)), {"b": EffectiveChanges("b", True, {})}, True)
    assert hidden(database, home) == wanted
    assert hidden_by_copies(home) == Hidden(NO_RULES, {}, False)
    copy_all(database, home)
    copied = Hidden(wanted.rules, wanted.tombstones, False)
    assert hidden(away, home) == hidden_by_copies(home) == hidden_by_either(away, home) == copied


@pytest.mark.parametrize("name", ["rules.json", "tombstones.ndjson"])
def test_a_damaged_copy_hides_nothing_in_silence(database: Database, home: Home, away: Database, name: str) -> None:
    copy_all(database, home)
    (home.root / name).write_text("{\n")
    for read in (hidden_by_copies, lambda home: hidden_by_either(away, home), lambda home: hidden(away, home)):
        with pytest.raises(FormatError, match=name):
            read(home)
