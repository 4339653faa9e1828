"""Promotions while queries run: no query fails, and each is answered from one version."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.faults.load import Query, load
from tests.faults.processes import Site, serving, until

pytestmark = pytest.mark.slow

PROMOTIONS = 20
K = 20


def test_twenty_promotions_fail_no_query_and_mix_no_versions(site: Site) -> None:
    versions = {id: Version.open(site.home.versions / id) for id in site.world.versions}
    ids = next(iter(versions.values())).artist_ids
    paths = {f"/v1/artists/{ids[row]}/similar?k={K}": row for row in range(len(ids) - 1)}
    with serving(site, "--no-worker") as (_, client):

        async def scenario() -> list[Query]:
            async with load(str(client.base_url), list(paths)) as queries:
                for number in range(PROMOTIONS):
                    await asyncio.to_thread(take, site.world.versions[number % 2])
            return queries

        def take(version: str) -> None:
            promote(site.home.versions, site.database, version, by="test", why="test")
            until(lambda: client.get("/readyz").json()["version"] == version, f"promotion of {version}")

        queries = asyncio.run(scenario())
    assert {query.error or query.status for query in queries} == {200}
    assert len(queries) > len(paths)
    seen = set()
    for query in queries:
        assert query.body is not None
        assert query.headers is not None
        version = query.body["version"]
        assert (query.headers["riyl-version"], query.headers["etag"]) == (version, f'"{version}"')
        actual = [(each["id"], each["score"]) for each in query.body["similar"]]
        row = paths[query.path]
        wanted = [ids[near] for near in versions[version].neighbours[row, :K]]
        assert [each for each, _ in actual] == wanted
        np.testing.assert_allclose([score for _, score in actual], versions[version].scores[row, :K], atol=1e-6)
        seen.add((query.path, version))
    assert {version for _, version in seen} == set(versions)
