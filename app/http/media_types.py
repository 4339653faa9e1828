"""Media types of bodies."""

from __future__ import annotations

JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
FORM = "multipart/form-data"

JSON_KINDS = (JSON, MERGE_PATCH)
"""Those of one JSON value."""
