"""One bit flipped in a file of a version that another host promotes: it is never served, and /readyz says why."""

from __future__ import annotations

import shutil

import httpx
import pytest

from riyl.core.db.promotions import add_promotion
from riyl.core.files import write_bytes
from riyl.index.versions.lifecycle import promote
from tests.faults.processes import Site, serving, until

pytestmark = pytest.mark.slow


def test_a_version_with_a_flipped_bit_in_any_file_is_never_served(sqlite_site: Site) -> None:
    site = sqlite_site
    good, damaged = site.world.versions
    folder = site.home.versions / damaged
    originals = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(originals) > 15
    promote(site.home.versions, site.database, good, by="test", why="test")
    with serving(site, "--no-worker") as (_, client):
        before, reason = "", ""
        for name, data in sorted(originals.items()):
            write_bytes(folder / name, flipped(data))
            if before:  # only now, so that the version is never undamaged
                write_bytes(folder / before, originals[before])
            else:
                with site.database.alone() as connection:
                    add_promotion(connection, damaged, "promote", by="another host", why="test")
            until(lambda: refusal(client, good, damaged) not in {"", reason}, f"refusal for {name}")  # noqa: B023
            reason = refusal(client, good, damaged)
            assert reason.startswith(str(folder))
            assert name in reason
            assert client.get("/v1/artists/a001/similar?k=3").json()["version"] == good
            before = name
        write_bytes(folder / before, originals[before])
        taken = {"status": "ready", "version": damaged, "refused": None, "database": None}
        until(lambda: client.get("/readyz").json() == taken, "the version once it is whole")


def test_a_version_cut_off_in_the_middle_is_refused_at_the_start_too(sqlite_site: Site) -> None:
    site = sqlite_site
    good, damaged = site.world.versions
    shutil.rmtree(site.home.versions / damaged / "names")
    with serving(site, "--no-worker") as (_, client):
        assert refusal(client, good, damaged).startswith(str(site.home.versions / damaged / "names"))


def refusal(client: httpx.Client, good: str, damaged: str) -> str:
    """Return why the damaged version does not serve; the good one serves."""
    answer = client.get("/readyz")
    body = answer.json()
    assert (answer.status_code, body["version"]) == (200, good)
    if body["refused"] is None:
        return ""
    assert body["refused"]["version"] == damaged
    return body["refused"]["reason"]


def flipped(data: bytes) -> bytes:
    """Flip one bit in the middle."""
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    return bytes(changed)
