"""What pydantic found wrong with a request, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MAX_TOLD = 20
"""Maximum faults that an error tells."""

MAX_FOUND_LENGTH = 100
"""Characters of a value that are shown."""


def invalid(entries: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, str]], str]:
    """What pydantic found wrong, thing by thing and in one sentence; the first `MAX_TOLD` of them."""
    errors = [_invalid(entry) for entry in entries[:MAX_TOLD]]
    texts = [f"{e['where']}: found {e['found']}; wanted: {e['wanted']}" for e in errors]
    more = [f"and {len(entries) - MAX_TOLD:,} more"] if len(entries) > MAX_TOLD else []
    return errors, "; ".join([*texts, *more])


def _invalid(entry: Mapping[str, Any]) -> dict[str, str]:
    where = _cut(".".join(str(part) for part in entry["loc"])) or "body"
    match entry["type"]:
        case "json_invalid":
            at = f" at {entry['loc'][1]}" if len(entry["loc"]) > 1 else ""
            return {"where": "body", "found": f"no JSON: {entry['ctx']['error']}{at}", "wanted": "JSON"}
        case "missing":
            return {"where": where, "found": "nothing", "wanted": entry["msg"]}
        case _:
            return {"where": where, "found": _cut(repr(entry["input"])), "wanted": entry["msg"]}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_FOUND_LENGTH else text[: MAX_FOUND_LENGTH - 3] + "..."
