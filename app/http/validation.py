"""Validation errors of pydantic, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MAX_TOLD = 20
"""Maximum number of faults that an error reports."""

MAX_FOUND_LENGTH = 100
"""Maximum number of characters of a value that an error shows."""


def invalid(entries: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, str]], str]:
    """Describe the first `MAX_TOLD` errors of pydantic, one by one and in one sentence."""
    errors = [_invalid(entry) for entry in entries[:MAX_TOLD]]
    texts = [f"{e['where']}: found {e['found']}; wanted: {e['wanted']}" for e in errors]
    more = [f"and {len(entries) - MAX_TOLD:,} more"] if len(entries) > MAX_TOLD else []
    return errors, "; ".join([*texts, *more])


def _invalid(entry: Mapping[str, Any]) -> dict[str, str]:
    where = _cut(".".join(str(part) for part in entry["loc"])) or "body"
    match entry["type"]:
        case "json_invalid":
            at = f" at {entry['loc'][1]}" if len(entry["loc"]) > 1 else ""
            return {"where": "body", "found": f"invalid JSON: {entry['ctx']['error']}{at}", "wanted": "JSON"}
        case "missing":
            return {"where": where, "found": "nothing", "wanted": entry["msg"]}
        case _:
            return {"where": where, "found": _cut(repr(entry["input"])), "wanted": entry["msg"]}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_FOUND_LENGTH else text[: MAX_FOUND_LENGTH - 3] + "..."
