"""Pages at / and /evaluations, and their files."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from fastapi import APIRouter
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from riyl.app.http.route_facts import OPEN

router = APIRouter(include_in_schema=False)

SERVED = frozenset({".css", ".html", ".js"})

WEB = Path(__file__).parent.parent / "web"


@router.get("/")
@OPEN
async def page() -> FileResponse:
    """Return the page; its script reads the query from the address."""
    return FileResponse(WEB / "index.html", headers={"cache-control": "no-cache"})


@router.get("/evaluations")
@OPEN
async def evaluations_page() -> FileResponse:
    """Return the page of stored evaluations; its script reads the view from the address."""
    return FileResponse(WEB / "evaluations.html", headers={"cache-control": "no-cache"})


class WebFiles(StaticFiles):
    """Scripts and styles of the pages. The folder is a Python package, whose Python files are not served."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file of the pages; without a stat result, Starlette answers 404."""
        return super().lookup_path(path) if PurePath(path).suffix in SERVED else ("", None)


def web_files() -> StaticFiles:
    """Create the application that serves /web/."""
    return WebFiles(directory=WEB)
