"""A service over a home that tests change while it runs."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from riyl.app.main import create_app
from riyl.app.serving.reloader import VersionReloader
from riyl.core.catalog.tables import Tables
from riyl.core.changes.fold import fold
from riyl.core.db.effective import freeze_changes
from riyl.core.db.keys import Role, create_key
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.features.build import build_snapshot
from tests.conftest import SMALL_RECIPE

SKA = {"tags": {"ska": 9.0, "dub": 4.0}, "vectors": {"audio": [[1.0, 0, 0, 0, 0, 0, 0, 0]]}}


class Service:
    """A service over a home, called without a socket; it applies changes when the test tells it to."""

    def __init__(self, home: Home, url: str | None = None) -> None:
        self.home = home
        self.database = Database.of(Settings(home=home.root, database_url=url))  # type: ignore[arg-type]
        _, token = create_key(self.database, "test", Role.WRITE)
        self._headers = {"authorization": f"Bearer {token}"}
        self._settings = Settings(home=home.root, database_url=url)  # type: ignore[arg-type]
        self.start()

    def start(self) -> None:
        self.app = create_app(self._settings, poll_s=3600)
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._runner.run(self._lifespan.__aenter__())
        transport = httpx.ASGITransport(self.app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=self._headers)

    def stop(self) -> None:
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def ask(self, method: str, path: str, payload: Any = None) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, json=payload))

    def post_lines(self, lines: bytes) -> bytes:
        headers = {"content-type": "application/x-ndjson"}
        answer = self._runner.run(self._client.post("/v1/artists:batch", content=lines, headers=headers))
        self.poll()
        return answer.content

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def change(self, method: str, path: str, payload: Any = None, status: int = 200) -> Any:
        """Make a change, and wait until it is visible."""
        answer = self.ask(method, f"/v1/artists/{path}", payload)
        assert answer.status_code == status, answer.text
        self.poll()
        return answer.json()

    def poll(self) -> None:
        self.reloader.poll()

    @property
    def reloader(self) -> VersionReloader:
        reloader = self.app.state.reloader
        assert isinstance(reloader, VersionReloader)
        return reloader

    def listed(self, path: str) -> list[str]:
        return [each["id"] for each in self.get(path)["similar"]]

    def asked(self, question: Any) -> list[str]:
        answer = self.ask("POST", "/v1/similar", question)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["similar"]]


def reindex(service: Service) -> str:
    """Run a re-index as the job does: fold the effective changes into the tables, and promote the version of them."""
    home = service.home
    identity, last = freeze_changes(service.database, home.changes)
    tables: Tables = Tables.open(home.tables / "t")
    if identity is not None:
        tables = fold(tables, home.changes / f"{identity}.ndjson", last)
    first = min(
        (Snapshot.open(path.parent) for path in home.snapshots.glob("*/manifest.json")), key=lambda s: s.last_change
    )
    snapshot = build_snapshot(tables, SMALL_RECIPE, home.snapshots, keep=first)
    (model,) = (Model.open(path.parent) for path in home.models.glob("*/card.json"))
    version = build_version(model, snapshot, home.versions)
    promote(home.versions, service.database, version.id, by="test", why="test", force=True)
    return version.id
