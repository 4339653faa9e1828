"""Keys where reading needs one, rate limits, and CORS."""

from __future__ import annotations

import httpx

from riyl.app.http.request_context import RequestContextMiddleware
from riyl.core.db.keys import Role, all_keys, revoke_key
from riyl.core.settings import Home, Settings
from tests.app.conftest import asked, database, key_headers, problem_of, running
from tests.app.http.test_auth import MALFORMED, UNKNOWN, operations, with_headers

READY = "/v1/artists/a001/similar"
OPEN = ["/", "/evaluations", "/docs", "/openapi.json", "/web/app.js", "/healthz", "/readyz", "/metrics"]
ELSEWHERE = {"origin": "https://music.example"}


def closed(home: Home, **more: object) -> Settings:
    return Settings(home=home.root, require_key=True, **more)


async def test_where_reading_needs_a_key_every_operation_does_and_the_pages_do_not(home: Home) -> None:
    reader = key_headers(home, Role.READ)
    async with running(home, closed(home)) as (app, client):
        under_v1 = [each for each in operations(app.openapi()) if each[1].startswith("/v1/")]
        assert len(under_v1) > 30
        for method, address, operation, body in under_v1:
            assert operation["security"] == [{"key": []}]
            assert "401" in operation["responses"]
            for headers in ({}, UNKNOWN):
                answer = await client.request(method, address, **with_headers(body, headers))
                problem_of(answer, 401, "key needed")
                assert answer.headers["www-authenticate"] == "Bearer"
            if not address.endswith("/events"):
                answer = await client.request(method, address, **with_headers(body, reader))
                assert answer.status_code != 401, (method, address)
                assert answer.status_code != 403 or "role read" in answer.json()["detail"]
        for address in OPEN:
            assert (await client.get(address)).status_code == 200, address


async def test_a_ready_answer_needs_a_key_too_and_is_the_same_with_one(home: Home) -> None:
    reader = key_headers(home, Role.READ)
    async with running(home) as (_, client):
        without = await client.get(READY)
    async with running(home, closed(home)) as (_, client):
        for authorization in MALFORMED:
            problem_of(await client.get(READY, headers={"authorization": authorization.encode()}), 401, "key needed")
        problem_of(await client.get("/v1/nothing"), 401, "key needed")
        assert (await client.head(READY)).status_code == 401
        answer = await client.get(READY, headers=reader)
        assert (answer.status_code, answer.content) == (200, without.content)
        lower = {"Authorization": reader["authorization"].replace("Bearer", "bearer")}
        assert (await client.get(READY, headers=lower)).status_code == 200
        again = await client.get(READY, headers={**reader, "if-none-match": answer.headers["etag"]})
        assert again.status_code == 304


def test_a_revoked_key_does_not_open_reading(home: Home) -> None:
    revoked = key_headers(home, Role.READ)
    revoke_key(database(home), all_keys(database(home))[0].id)
    (answer,) = asked(home, READY, headers=revoked, settings=closed(home))
    assert problem_of(answer, 401, "key needed")["detail"].startswith("the key is unknown or revoked")


def test_what_a_key_may_not_do_it_may_not_do_where_reading_needs_one(home: Home) -> None:
    reader = key_headers(home, Role.READ)
    (answer,) = asked(home, "/v1/jobs", method="POST", headers=reader, settings=closed(home), json={"kind": "reindex"})
    problem_of(answer, 403, "not allowed")


async def test_requests_of_an_address_are_limited_and_those_of_a_key_by_themselves(home: Home) -> None:
    keys = [key_headers(home, Role.READ) for _ in range(2)]
    async with running(home, Settings(home=home.root, rate_limit="3/hour")) as (app, client):
        assert all("429" in each["responses"] for _, path, each, _ in operations(app.openapi()) if "/v1/" in path)
        for headers in ({}, *keys):
            for path in (READY, "/v1/index", "/v1/nothing"):
                assert (await client.get(path, headers=headers)).status_code in (200, 404)
            answer = await client.get(READY, headers=headers)
            problem_of(answer, 429, "too many requests")
            assert 0 < int(answer.headers["retry-after"]) <= 3601
        # a key without permission counts as none
        problem_of(await client.get(READY, headers=UNKNOWN), 429, "too many requests")
        for path in OPEN:
            assert (await client.get(path)).status_code == 200
        figures = (await client.get("/metrics")).text
        assert 'riyl_limited_total{by="address"} 2.0' in figures
        assert 'riyl_limited_total{by="key"} 2.0' in figures


def test_who_comes_without_a_key_where_one_is_needed_is_counted_too(home: Home) -> None:
    answers = asked(home, *[READY] * 3, settings=closed(home, rate_limit="2/hour"))
    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_where_nothing_is_set_a_request_passes_through_no_more_than_before(home: Home) -> None:
    for settings, outermost in [
        (Settings(home=home.root), "SimilarFastPath"),
        (closed(home), "AccessControlMiddleware"),
        (Settings(home=home.root, rate_limit="1/second"), "AccessControlMiddleware"),
    ]:
        async with running(home, settings) as (app, _):
            stack = app.build_middleware_stack()
            assert isinstance(stack, RequestContextMiddleware)
            assert type(stack._app).__name__ == outermost


async def test_every_operation_says_what_the_limits_may_answer_and_no_more(home: Home) -> None:
    async with running(home) as (app, _):
        for _, address, operation, body in operations(app.openapi()):
            statuses = set(operation["responses"])
            assert ("503" in statuses) == (address not in ("/healthz", "/metrics")), address
            assert ("408" in statuses) == bool(body), address
            assert ("429" in statuses) == (address.endswith("/events") or address == "/v1/export/neighbours")
            for status in statuses & {"408", "503"}:
                content = operation["responses"][status]["content"]
                assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            if address.startswith("/v1/"):
                assert "The service is overloaded" in operation["responses"]["503"]["description"]


async def test_pages_of_origins_that_are_named_may_ask_and_read(home: Home) -> None:
    settings = Settings(home=home.root, cors_origins="https://music.example, http://localhost:3000")
    preflight = {
        **ELSEWHERE,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization, content-type, idempotency-key, if-none-match",
    }
    async with running(home, settings) as (_, client):
        answer = await client.options("/v1/artists/a001", headers=preflight)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ELSEWHERE["origin"]
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        # a cached response, a response of a route, and an error
        for path, status in [(READY, 200), ("/v1/index", 200), ("/v1/artists/nobody", 404)]:
            answer = await client.get(path, headers=ELSEWHERE)
            assert (answer.status_code, allowed(answer)) == (status, ELSEWHERE["origin"])
            assert "RIYL-Version" in answer.headers["access-control-expose-headers"]
            assert answer.headers["vary"] == "Origin"
        stranger = {**preflight, "origin": "https://evil.example"}
        assert (await client.options("/v1/artists/a001", headers=stranger)).status_code == 400
        assert allowed(await client.get(READY, headers={"origin": "https://evil.example"})) is None


def test_refusals_can_be_read_by_pages_of_other_origins_too(home: Home) -> None:
    settings = closed(home, rate_limit="1/hour", cors_origins="*")
    answers = asked(home, READY, READY, headers=ELSEWHERE, settings=settings)
    assert [(answer.status_code, allowed(answer)) for answer in answers] == [(401, "*"), (429, "*")]
    assert "Retry-After" in answers[1].headers["access-control-expose-headers"]


async def test_where_no_origin_is_named_none_may_ask(home: Home) -> None:
    async with running(home) as (_, client):
        preflight = {**ELSEWHERE, "access-control-request-method": "GET"}
        answers = [await client.get(READY, headers=ELSEWHERE), await client.options(READY, headers=preflight)]
        assert [answer.status_code for answer in answers] == [200, 405]
        assert not [name for each in answers for name in each.headers if name.startswith("access-control")]


def allowed(answer: httpx.Response) -> str | None:
    return answer.headers.get("access-control-allow-origin")
