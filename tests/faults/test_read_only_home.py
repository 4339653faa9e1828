"""The home is read-only: each failed write names the file and the reason, and nothing is left half done."""

from __future__ import annotations

import pytest

from tests.faults.processes import Site, riyl, serving
from tests.storage_faults import read_only

pytestmark = pytest.mark.slow

REASON = "Read-only file system"


def test_every_command_that_writes_names_the_file_and_the_reason(sqlite_site: Site) -> None:
    site, tables = sqlite_site, str(sqlite_site.world.tables)
    with read_only(site.home.root):
        for command in (
            ["snapshot", "build", tables],
            ["train", "--config", "pca", "--seed", "7"],
            ["truth", "import", f"{tables}/similar.parquet"],
            ["data", "tables", tables, str(site.home.root / "checked")],
            ["index", "promote", site.world.versions[0]],
            ["keys", "create", "a", "--role", "read"],
            ["rules", "add", "block", "a001"],
            ["jobs", "run", "reindex"],
            ["db", "upgrade"],
            ["demo", "--no-serve", tables],
            ["worker"],
            ["serve"],
        ):
            error_message = riyl(site, *command, code=1).stderr.splitlines()[-1]
            assert error_message.startswith("error: "), command
            assert str(site.home.root) in error_message, command
            assert REASON in error_message, command
        assert "a001" in riyl(site, "similar", "a001").stdout


@pytest.mark.postgres
def test_with_postgres_a_service_answers_from_it(postgres_site: Site) -> None:
    site = postgres_site
    with read_only(site.home.root), serving(site, "--no-worker") as (_, client):
        assert client.get("/v1/artists/a001/similar?k=3").json()["version"] == site.world.versions[1]
    assert REASON in site.log.read_text()
