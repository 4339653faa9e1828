"""Helpers for tests of ground truths over HTTP: uploads, and the files that are stored."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
import scipy.sparse as sp

from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers

CSV = "artist_id,similar_id\na000,a003\na003,a000\na001,a001\na001,a004\na002,nobody\n"


def npz(matrix: sp.coo_matrix) -> bytes:
    out = io.BytesIO()
    sp.save_npz(out, matrix)
    return out.getvalue()


LINK = npz(sp.coo_matrix(([1], ([0], [2])), shape=(3, 3)))


def bring(home: Home, path: str = "/v1/truths", **parts: Any) -> httpx.Response:
    """Upload and return the response: `parts` in httpx's form of files, or only the file as CSV text."""
    files = {name: (f"mine.{name}", part) if isinstance(part, bytes | str) else part for name, part in parts.items()}
    (answer,) = asked(home, path, method="POST", headers=key_headers(home), files=files)
    return answer


def kept(home: Home) -> list[Path]:
    """Return all files in the folder of ground truths."""
    return list(home.truths.rglob("*")) if home.truths.exists() else []
