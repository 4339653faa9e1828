"""Tests of all operations by the OpenAPI document, and of names that no artist has."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from riyl.app.evaluations.store import store
from riyl.app.main import create_app
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import flip_a_byte, key_headers
from tests.conftest import made_up_run

Answer = TypeVar("Answer")

ODD = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\n",
    "%",
    "%00",
    "%zz",
    "..",
    "../../etc/passwd",
    "/",
    "//",
    "\\",
    "?",
    "#",
    "&limit=3",
    "+",
    "*",
    "a" * 1000,
    "a" * 10_000,
    "é" * 1500,
    "\U0001f3b8" * 500,
    "أم كلثوم",
    "\u202eabc\u202c",
    "\u200b",
    "\ufeff",
    "\ufffd",
    "e\u0301" * 300,
    "Z" + "\u0335" * 500,
    "' OR 1=1 --",
    '"; DROP TABLE artists; --',
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[/red] herring",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "field:value AND (a OR b)",
    "a~2",
    "^boost^3",
    "[a TO z]",
    '"unfinished',
    "-",
    "!!!",
    "word " * 200,
    "\t".join("abc"),
    "1e999",
    "null",
    "undefined",
    "NaN",
]

schemathesis.serializer.alias("application/x-ndjson", "text/plain")

ROUTES = ["/v1/artists?q={}", "/v1/artists:resolve?name={}", "/v1/artists/{}", "/v1/artists/{}/similar?k=3"]


@pytest.fixture(scope="module")
def state(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Home:
    """Create a home that no test of this module changes."""
    home = Home(tmp_path_factory.mktemp("served"))
    # a copy, because a promotion writes beside the versions, and other homes have other databases
    shutil.copytree(version.folder, home.versions / version.id)
    for name, folder in {"models": named_model.folder, "snapshots": named_snapshot.folder}.items():
        (home.root / name).symlink_to(folder.parent)
    database = Database.of(Settings(home=home.root))
    promote(home.versions, database, version.id, by="test", why="test")
    run = made_up_run({("raw", "mine"): {"a000": 0.5, "a001": 0.25}}, expected={"a000": ["a001"]})
    for identity in ("e1", "e2"):
        store(home, database, identity, {}, by="test", **run)
    flip_a_byte(home.evaluations / "e2" / "queries.parquet")
    return home


class Asking:
    """Started app with a client, for code that is not asynchronous."""

    def __init__(self, home: Home) -> None:
        self.app = create_app(Settings(home=home.root))
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._runner.run(self._lifespan.__aenter__())
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def get(self, *paths: str, headers: dict[str, str] | None = None) -> list[httpx.Response]:
        async def ask() -> list[httpx.Response]:
            return [await self.client.get(path, headers=headers) for path in paths]

        return self.run(ask())

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine in the event loop of the app."""
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture(scope="module")
def asking(state: Home) -> Iterator[Asking]:
    asking = Asking(state)
    yield asking
    asking.close()


def check(asking: Asking, name: str) -> None:
    escaped = quote(name.encode(errors="surrogatepass"), safe="")
    for answer in asking.get(*(route.format(escaped) for route in ROUTES)):
        # /v1/artists/../similar is requested as /v1/similar
        assert answer.status_code in (200, 404, 405, 409, 414, 422), (name, answer.text)
        answer.json()


@pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name[:20]))
def test_an_odd_name_is_answered(asking: Asking, name: str) -> None:
    check(asking, name)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(), max_size=40)
    | st.text(st.sampled_from("Björk AC/DC!'\"\\\u0301\x00%&+أ"), max_size=12)
)
def test_a_thousand_odd_names_never_fail(asking: Asking, name: str) -> None:
    check(asking, name)


@pytest.mark.parametrize("raw", ["%", "%00", "%ff%fe", "%c0%80", "%ed%a0%80", "%u0041", "a%2", "%2e%2e%2f"])
def test_bytes_that_are_no_text_are_answered(asking: Asking, raw: str) -> None:
    for answer in asking.get(*(route.format(raw) for route in ROUTES)):
        assert answer.status_code in (200, 404, 409, 422)


def explore(asking: Asking, operation: APIOperation, headers: dict[str, str], seen: set[int]) -> None:
    """Send valid and invalid requests to an operation, and check the responses against its description."""

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        for name in {"id", "number"} & case.path_parameters.keys():
            if data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(ids))
        response = case.call(base_url="http://localhost", app=asking.app, headers=headers)
        seen.add(response.status_code)
        case.validate_response(response, excluded_checks=excluded)

    ids = ids_of(asking, operation.path, headers)
    # a valid key and a valid id may have replaced all the invalid values
    excluded = [ignored_auth, negative_data_rejection] if "security" in operation.definition.raw else []
    if "multipart/form-data" in operation.definition.raw.get("requestBody", {}).get("content", {}):
        # the required content of a file is not described
        excluded.append(positive_data_acceptance)
    if (operation.method, operation.path) in {
        ("post", "/v1/rules"),
        ("post", "/v1/jobs"),
        ("post", "/v1/similar"),
        ("post", "/v1/similar:batch"),
        ("post", "/v1/artists:batch"),
        ("put", "/v1/artists/{id}"),
        ("patch", "/v1/artists/{id}"),
        ("post", "/v1/artists/{id}:merge"),
    }:
        # nor that the second artist of a pair or merge differs from the first, that a condition can hold, what a
        # column of the catalog holds, which folder lies below RIYL_IMPORT_ROOT, or what a line of a batch is
        excluded.append(positive_data_acceptance)
    ask()


def ids_of(asking: Asking, path: str, headers: dict[str, str]) -> list[str]:
    """Existing ids for the parameters of paths, and one id that does not exist."""
    if path.startswith("/v1/artists"):
        return ["a001", "a059", "nobody"]
    if path.startswith("/v1/index"):
        return [asking.get("/v1/index")[0].json()["version"], "0123456789abcdef"]
    if path.startswith("/v1/evaluations/{id}/"):
        return ["nobody", "e1", "e2"]
    if path.startswith("/v1/rules"):
        return [str(number) for number in range(1, 20)]
    if path.startswith("/v1/truths"):
        truths = asking.get("/v1/truths")[0].json()["truths"]
        return ["0123456789abcdef", *(truth["id"] for truth in truths)]
    if path.startswith("/v1/embeddings"):
        return ["0123456789abcdef", *(each["id"] for each in asking.get("/v1/embeddings")[0].json()["embeddings"])]
    jobs = asking.get("/v1/jobs?limit=200", headers=headers)[0].json()["jobs"]
    # the events of other jobs would not end
    return ["nobody", *(job["id"] for job in jobs if job["state"] == "cancelled" or not path.endswith("/events"))]


def test_schemathesis_finds_nothing(asking: Asking, state: Home) -> None:
    headers = key_headers(state)
    schema = schemathesis.openapi.from_dict(asking.get("/openapi.json")[0].json())
    seen = set[int]()
    for operation in schema.get_all_operations():
        explore(asking, operation.ok(), headers, seen)
    assert seen >= {200, 201, 202, 204, 404, 409, 422}
