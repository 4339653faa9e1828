"""What every operation under /v1 may answer besides its own: the errors of the limits, in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from app.admission import API
from app.bounds import PART_BYTES, PART_S
from app.errors import MEDIA_TYPE
from core.settings import Settings

OVERLOADED = "There is more to do than the service takes on; Retry-After says when to ask again."
TOO_SLOW = f"No {PART_BYTES >> 10} KiB more of the body, and no end of it, came within {PART_S:g} s."
TOO_MANY = "The key, or the address without one, has no request left; Retry-After says when it has."
NO_KEY = "There is no key in the header Authorization, or it is unknown or revoked; the role read is enough."


def describe_limits(document: dict[str, Any], settings: Settings) -> None:
    """Add to a document what these settings make of it."""
    for path, operations in document["paths"].items():
        if path.startswith(API):
            for operation in operations.values():
                _describe(operation, settings)
                operation["responses"] = dict(sorted(operation["responses"].items()))


def _describe(operation: dict[str, Any], settings: Settings) -> None:
    responses = operation["responses"]
    other = f"{responses['503']['description']} Or: " if "503" in responses else ""
    responses["503"] = _problem(other + OVERLOADED)
    if "requestBody" in operation:
        responses["408"] = _problem(TOO_SLOW)
    if settings.rate_limit is not None:
        responses["429"] = _problem(TOO_MANY)
    if settings.require_key:
        operation.setdefault("security", [{"key": []}])
        responses.setdefault("401", _problem(NO_KEY))


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
