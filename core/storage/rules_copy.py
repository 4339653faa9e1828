"""Copy of the editorial rules in a home."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from riyl.core.errors import FormatError, InputError
from riyl.core.files import write_json
from riyl.core.rules import Rule, RuleKind, Rules, check_rule
from riyl.core.storage.stamps import Stamp

KIND = "riyl-rules"

FORMAT = 2
"""Format number of the copy; copies of format 1 do not name the database that they were taken from."""


def write_copy(path: Path, rules: Rules, stamp: Stamp) -> None:
    """Replace a home's copy of the rules atomically."""
    value = {"revision": rules.revision, "rules": [asdict(rule) for rule in rules.rules]}
    write_json(path, {"kind": KIND, "format": FORMAT, **value, "database": stamp.database, "mark": stamp.mark})


def read_copy(path: Path) -> Rules | None:
    """Read the rules from a home's copy; None if there is none.

    Raises:
        FormatError: it is damaged, of another kind or of a newer format; the message has the value found and wanted.
    """
    stored = read_stamped(path)
    return None if stored is None else stored[0]


def read_stamped(path: Path) -> tuple[Rules, Stamp] | None:
    """Read the rules and the state of the database that the copy was taken from. Raises as `read_copy`."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(f"{path}: damaged, it is not JSON ({error})") from error
    if (
        not isinstance(document, dict)
        or document.get("kind") != KIND
        or document.get("format") not in range(1, FORMAT + 1)
    ):
        stated = {name: document.get(name) for name in ("kind", "format")} if isinstance(document, dict) else document
        raise FormatError(f"{path}: found {stated!r:.100}; wanted kind {KIND!r}, format {FORMAT}")
    try:
        rules = Rules(int(document["revision"]), tuple(_rule(entry) for entry in document["rules"]))
        stamp_fields = {"database": None, "mark": None} if document["format"] == 1 else document
        return rules, Stamp.of({**stamp_fields, "number": rules.revision})
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise FormatError(f"{path}: damaged, found {error!r}; wanted a revision and a list of rules") from error


def _rule(entry: dict[str, Any]) -> Rule:
    rule = Rule(int(entry["number"]), RuleKind(entry["kind"]), entry["artist"], entry["other"])
    check_rule(rule.kind, rule.artist, rule.other)
    return rule
