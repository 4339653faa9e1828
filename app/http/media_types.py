"""Media types of requests and responses, the choice among them by the header Accept, and NO_STORE."""

from __future__ import annotations

from collections.abc import Sequence

JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
FORM = "multipart/form-data"
PARQUET = "application/vnd.apache.parquet"

NO_STORE = {"cache-control": "no-store"}
"""Headers of responses that must not be cached."""

JSON_KINDS = (JSON, MERGE_PATCH)
"""Media types whose body is one JSON value."""


def negotiated(accept: str, offered: Sequence[str]) -> str | None:
    """Return the media type that a header Accept prefers (RFC 9110, section 12.5.1).

    Of equally preferred ones it is the first. Ranges that cannot be read are ignored.

    Args:
        accept: value of the header; empty accepts everything.
        offered: media types without parameters, in lower case.

    Returns:
        One of `offered`; None where the header accepts none.
    """
    if not accept.strip():
        return offered[0]
    ranges = [each for each in map(_range, accept.lower().split(",")) if each is not None]

    def weight(media_type: str) -> float:
        kind = media_type.partition("/")[0]
        for pattern in (media_type, f"{kind}/*", "*/*"):  # the most specific range counts
            weights = [q for name, q in ranges if name == pattern]
            if weights:
                return max(weights)
        return 0.0

    best = max(offered, key=weight)
    return best if weight(best) > 0 else None


def _range(text: str) -> tuple[str, float] | None:
    """Return a media range and its weight, 0 to 1; None where it cannot be read."""
    name, *parameters = (part.strip() for part in text.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return None
            return (name, weight) if 0 <= weight <= 1 else None
    return name, 1.0
