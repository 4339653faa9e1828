"""The pages at / and /evaluations, and the files they are made of."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from riyl.app.http.route_facts import OPEN

router = APIRouter(include_in_schema=False)

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


def web_files() -> StaticFiles:
    """Scripts and styles of the pages."""
    return StaticFiles(directory=WEB)
