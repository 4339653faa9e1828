"""The pages at / and /evaluations, and the files they are made of."""

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
    """The page, whatever its address asks for: it reads that itself."""
    return FileResponse(WEB / "index.html", headers={"cache-control": "no-cache"})


@router.get("/evaluations")
@OPEN
async def evaluations_page() -> FileResponse:
    """The page of stored evaluations, likewise."""
    return FileResponse(WEB / "evaluations.html", headers={"cache-control": "no-cache"})


class WebFiles(StaticFiles):
    """Scripts and styles of the pages; the folder is a Python package, whose own files are nobody's business."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """The file of a path, and what the file system says of it; Starlette answers 404 without that."""
        return super().lookup_path(path) if PurePath(path).suffix in SERVED else ("", None)


def web_files() -> StaticFiles:
    """What is served under /web/."""
    return WebFiles(directory=WEB)
