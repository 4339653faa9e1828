"""A body read in a worker thread gets the same responses as FastAPI's own reading: the same values and faults."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, field_validator
from starlette.responses import PlainTextResponse, Response

from riyl.app.http.limited_route import RequestLimits
from riyl.app.http.logging import RequestLog
from riyl.app.http.metrics import Metrics
from riyl.app.http.off_loop_body import MAX_CONTAINERS, OffLoopBodyRoute, check_containers
from riyl.app.http.request_context import RequestContextMiddleware
from riyl.app.http.request_errors import MediaTypeError
from riyl.app.http.strict_route import StrictRoute
from riyl.app.http.validation import invalid
from riyl.app.jobs.types import PARAMS
from riyl.app.routes.changes import router
from riyl.app.schemas.changes import ArtistPatch, ArtistPut
from riyl.app.schemas.query import BatchRequest, SimilarRequest
from riyl.core.errors import InputError
from riyl.core.settings import Settings

JSON = "application/json"

GOOD = [
    b'{"name": "N"}',
    b' \n{"name": "\\ud83c\\udfb8 \xc3\xa9", "mbid": null, "aliases": ["a"], "vectors": {"audio": [[1, -0.0, 1e-7]]}}',
    b'{"name": "N", "attributes": {"a": 1, "b": 1.0, "c": true, "d": "1", "e": null, "f": -0}}',
    b'{"name": "N", "attributes": {"a": -9223372036854775808, "b": 0.30000000000000004441, "c": 1E+22}}',
    b'{"name": "A", "tags": {"x": 1, "y": 0.1}, "tags": {"z": 0.3, "z": 123456789012345678}, "name": "B"}',
    b'\xef\xbb\xbf{"name": "behind a byte order mark"}',
    '{"name": "UTF-16"}'.encode("utf-16"),
]
BAD = [
    b"",
    b" ",
    b"{",
    b"null",
    b"[]",
    b'"name"',
    b"{}",
    b'{"name": "N"} x',
    b'{"name": "N",}',
    b"{'name': 'N'}",
    b'{"name": "\xff"}',
    b'{"name": "\xed\xa0\x80"}',
    b'{"name": "\\ud800"}',
    b'{"name": "a\tb"}',
    b'{"name": 1}',
    b'{"name": "N", "tags": {"a": NaN, "b": Infinity, "c": 1e400, "d": "1", "e": true, "f": null, "g": 0}}',
    b'{"name": "N", "attributes": {"a": [1], "b": {}, "c": 9223372036854775808, "d": -1e400, "": 1}}',
    b'{"name": "N", "vectors": {"audio": [[1, "2", null], [], 3], "Audio": null}, "aliases": [1, null, ""]}',
    b'{"name": "N", "tags": {"a": ' + b"1" * 400 + b"}}",
    b'{"name": "N", "tags": {"a": ' + b"1" * 5000 + b"}}",
    b'{"name": "N", "nmae": 1, "mbid": 5}',
    b"[" * 5000,
    b'{"name": ' * 300 + b"1" + b"}" * 300,
]


class Both:
    """Two apps, one with bodies read in a worker thread and one without; each echoes its input."""

    def __init__(self) -> None:
        self._apps = [_app(kind) for kind in (OffLoopBodyRoute, StrictRoute)]
        self._runner = asyncio.Runner()

    def ask(self, method: str, body: bytes, kind: str | None = JSON) -> list[tuple[int, str]]:
        """Return status and text of both responses."""

        async def ask() -> list[tuple[int, str]]:
            headers = {} if kind is None else {"content-type": kind}
            answers = []
            for app in self._apps:
                async with httpx.AsyncClient(transport=transport_to(app), base_url="http://localhost") as client:
                    answers.append(await client.request(method, "/a", content=body, headers=headers))
            return [(answer.status_code, answer.text) for answer in answers]

        return self._runner.run(ask())

    def close(self) -> None:
        self._runner.close()


def _app(kind: type[APIRoute]) -> FastAPI:
    routes = APIRouter(route_class=kind)

    @routes.put("/{id}")
    def put(id: str, payload: ArtistPut) -> str:
        return repr(payload.model_dump(exclude_unset=True))

    @routes.patch("/{id}")
    async def patch(id: str, payload: ArtistPatch) -> str:
        return repr(payload.model_dump(exclude_unset=True))

    async def invalid_body(request: Request, error: Exception) -> Response:
        errors = error.errors() if isinstance(error, RequestValidationError) else []
        return PlainTextResponse(repr(invalid(errors)), 422)

    async def refused(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), 415)

    app = FastAPI(exception_handlers={RequestValidationError: invalid_body, MediaTypeError: refused})
    app.state.limits = RequestLimits(Settings(), Metrics())
    app.include_router(routes)
    return app


def transport_to(app: FastAPI) -> httpx.ASGITransport:
    return httpx.ASGITransport(RequestContextMiddleware(app, Metrics(), RequestLog()))


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    both = Both()
    yield both
    both.close()


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("body", [*GOOD, *BAD], ids=lambda body: ascii(body[:60]))
def test_any_body_is_answered_alike(both: Both, method: str, body: bytes) -> None:
    aside, plain = both.ask(method, body)
    assert aside == plain
    assert plain[0] in ((200,) if body in GOOD else (400, 422) if method == "PUT" else (200, 400, 422))


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/merge-patch+json", f"{JSON}; charset=latin-1", "", "x"]
)
@pytest.mark.parametrize("body", [b'{"name": "N"}', b'{"name": 1}', b"{", b'{"name": "\xff"}'])
def test_any_content_type_is_answered_alike(both: Both, kind: str | None, body: bytes) -> None:
    aside, plain = both.ask("PUT", body, kind)
    assert aside == plain


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = {
    "name": st.text(max_size=5) | values,
    "mbid": st.text(max_size=5) | values,
    "aliases": st.lists(st.text(max_size=5), max_size=3) | values,
    "attributes": st.dictionaries(st.text(max_size=5), st.floats() | st.integers() | values, max_size=4) | values,
    "tags": st.dictionaries(st.text(max_size=5), st.floats(min_value=0) | st.integers(), max_size=4) | values,
    "vectors": st.dictionaries(st.sampled_from(["audio", "bio"]), st.lists(st.lists(st.floats()))) | values,
}


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.fixed_dictionaries({}, optional=fields), escaped=st.booleans())
def test_whatever_is_said_is_answered_alike(both: Both, payload: dict[str, Any], escaped: bool) -> None:
    aside, plain = both.ask("PATCH", json.dumps(payload, ensure_ascii=escaped).encode(errors="surrogatepass"))
    assert aside == plain


def test_a_body_is_validated_in_another_thread_and_once() -> None:
    threads: list[int] = []

    class Told(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def note(cls, name: str) -> str:
            threads.append(threading.get_ident())
            return name

    routes = APIRouter(route_class=OffLoopBodyRoute)

    def put(payload: Told) -> str:
        return payload.name

    put.__annotations__["payload"] = Told  # FastAPI resolves names in modules only
    routes.put("/a")(put)
    app = FastAPI()
    app.state.limits = RequestLimits(Settings(), Metrics())
    app.include_router(routes)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport_to(app), base_url="http://localhost") as client:
            return await client.put("/a", json={"name": "N"})

    assert asyncio.run(ask()).json() == "N"
    (thread,) = threads
    assert thread != threading.get_ident()


def test_what_is_said_of_artists_is_read_aside() -> None:
    assert router.routes
    assert all(isinstance(route, OffLoopBodyRoute) for route in router.routes)


def containers_of(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every list and dict in a pydantic core schema, with its enclosing schema."""
    if isinstance(schema, dict):
        if schema.get("type") in ("list", "dict"):
            yield path, schema
        for name, value in schema.items():
            yield from containers_of(value, f"{path}.{name}" if schema.get("type") != "function-before" else f"{path}<")
    elif isinstance(schema, (list, tuple)):
        for value in schema:
            yield from containers_of(value, path)


@pytest.mark.parametrize(
    "model", [ArtistPut, ArtistPatch, SimilarRequest, BatchRequest, *PARAMS.values()], ids=lambda model: model.__name__
)
def test_what_is_asked_for_fails_before_every_part_of_it_is_told(model: type[BaseModel]) -> None:
    """A list ends at its first fault, and an object is counted before its entries are validated."""
    for path, schema in containers_of(model.__pydantic_core_schema__):
        if schema["type"] == "list":
            assert schema.get("fail_fast"), path
            assert schema.get("max_length"), path
        else:
            assert "<" in path.rpartition(".fields.")[2], path


def a_list(entry: str, n: int) -> str:
    return "[" + ",".join(entry.replace("N", str(i)) for i in range(n)) + "]"


def an_object(entry: str, n: int) -> str:
    return "{" + a_list(entry, n)[1:-1] + "}"


@pytest.mark.parametrize("model", [ArtistPut, ArtistPatch, SimilarRequest, BatchRequest])
@pytest.mark.parametrize(
    "body",
    [
        '{"name":"a","attributes":' + an_object('"N":[]', 100_000) + "}",
        '{"name":"a","tags":' + an_object('"N":0', 100_000) + "}",
        '{"name":"a","vectors":{"audio":' + a_list("[1]", 10_000) + "}}",
        '{"name":"a","vectors":{"audio":[' + a_list('""', 100_000) + "]}}",
        '{"name":"a","vectors":' + an_object('"N":0', 100_000) + "}",
        '{"name":"a","aliases":' + a_list("N", 100_000) + "}",
        '{"seeds":' + a_list("N", 100_000) + "}",
        '{"avoid":' + a_list("{}", 10_000) + "}",
        '{"exclude":' + a_list("N", 100_000) + "}",
        '{"filters":{"modalities":' + a_list("N", 9_000) + ',"attributes":{"a":{"in":' + a_list("[]", 9_000) + "}}}}",
        '{"queries":' + a_list('{"seeds":[N]}', 9_000) + "}",
        an_object('"xN":1', 100_000),
    ],
    ids=lambda body: body[:24],
)
def test_a_body_of_faults_is_told_as_a_few(model: type[BaseModel], body: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(body)
    assert caught.value.error_count() <= 20


def test_lists_and_objects_are_counted_where_they_are_none_of_text() -> None:
    check_containers(b"[" + b"[]," * (MAX_CONTAINERS - 1) + b"]")
    with pytest.raises(InputError, match="found more than 20,000 lists and objects"):
        check_containers(b"[" + b"[]," * MAX_CONTAINERS + b"]")
    # braces within text, with quotes and backslashes
    check_containers(json.dumps({f'{{{i}}}"[\\': "[{" for i in range(2 * MAX_CONTAINERS)}).encode())
