from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from riyl.core.errors import FormatError
from riyl.core.rules import NO_RULES, Rule, RuleKind, Rules
from riyl.core.storage.rules_copy import read_copy, read_stamped, write_copy
from riyl.core.storage.stamps import Stamp

BLOCK, NEVER, PIN = RuleKind
SOME = Rules(7, (Rule(2, BLOCK, "a/ö", None), Rule(3, NEVER, "b", "c"), Rule(9, PIN, "b", "d")))


def test_a_copy_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    assert read_copy(path) is None
    write_copy(path, SOME, Stamp("db", 7, "m"))
    assert read_copy(path) == SOME
    assert read_stamped(path) == (SOME, Stamp("db", 7, "m"))
    write_copy(path, NO_RULES, Stamp("db", 0, "n"))
    assert read_copy(path) == NO_RULES


def test_a_copy_of_an_earlier_release_says_the_revision_and_not_of_which_database(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    rule = {"number": 4, "kind": "block", "artist": "a", "other": None}
    path.write_text(json.dumps({"kind": "riyl-rules", "format": 1, "revision": 5, "rules": [rule]}))
    assert read_stamped(path) == (Rules(5, (Rule(4, BLOCK, "a", None),)), Stamp(None, 5, None))


def test_a_never_means_the_same_whichever_comes_first() -> None:
    assert Rule(1, NEVER, "a", "b").meaning == Rule(2, NEVER, "b", "a").meaning
    assert Rule(1, PIN, "a", "b").meaning != Rule(1, PIN, "b", "a").meaning
    assert Rule(1, BLOCK, "a", None).meaning != Rule(1, BLOCK, "b", None).meaning


def test_the_id_is_of_what_the_rules_say_and_nothing_else() -> None:
    moved = Rules(99, tuple(Rule(rule.number + 5, rule.kind, rule.artist, rule.other) for rule in SOME.rules))
    assert moved.id == SOME.id
    others = [Rules(7, SOME.rules[:2]), Rules(7, (SOME.rules[1], SOME.rules[0], SOME.rules[2]))]
    assert len({each.id for each in (SOME, *others)}) == 3
    assert NO_RULES.id == Rules(12, ()).id == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "riyl-model"}, "found {'kind': 'riyl-model', 'format': 2}; wanted kind 'riyl-rules', format 2"),
        ({"format": 3}, "'format': 3}; wanted kind 'riyl-rules', format 2"),
        ({"revision": None}, "damaged"),
        ({"rules": [{"number": 1, "kind": "ban", "artist": "a", "other": None}]}, "'ban' is not a valid RuleKind"),
        ({"rules": [{"number": 1, "kind": "pin", "artist": "a", "other": None}]}, "found none; wanted the id"),
        ({"rules": [{"number": 1, "kind": "block", "artist": 3, "other": None}]}, "damaged"),
        ({"rules": [1]}, "damaged"),
    ],
)
def test_a_damaged_copy_is_an_error(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "rules.json"
    write_copy(path, SOME, Stamp("db", 7, "m"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match=message):
        read_copy(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{", b"null"])
def test_what_is_no_copy_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="rules.json"):
        read_copy(path)
