"""Media types of request bodies."""

from __future__ import annotations

JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
FORM = "multipart/form-data"

JSON_KINDS = (JSON, MERGE_PATCH)
"""Media types whose body is one JSON value."""
