"""The OpenAPI document: FastAPI's own, with error media types, headers, the errors of the limits, and examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts

from riyl.app.http.body_limits import PART_BYTES, PART_S
from riyl.app.http.dependencies import NO_ROOM, STORING, UNAVAILABLE
from riyl.app.http.errors import MEDIA_TYPE
from riyl.app.http.examples import add_examples, load_examples
from riyl.app.http.hosts import allowed_hosts
from riyl.app.http.limited_route import MAX_OF_CLIENT
from riyl.app.http.media_types import JSON, MERGE_PATCH
from riyl.app.http.request_context import MAX_TARGET_BYTES
from riyl.app.http.route_facts import facts_of
from riyl.app.schemas.changes import ChangeBatch
from riyl.core.settings import Settings

VERSION_HEADERS = {
    "RIYL-Version": "Id of the index version that answered.",
    "ETag": "Entity tag of the version and of the editorial rules where there are any; send it as If-None-Match to "
    "get 304 while nothing has changed.",
}

LOCATION = {
    "201": "Address of the new resource.",
    "202": "Address to poll for progress and result.",
    "301": "Address of the artist that this one was merged into.",
}
"""Descriptions of the header Location, by status."""

OVERLOADED = "The service is overloaded; Retry-After says when to retry."
TOO_SLOW = f"Neither {PART_BYTES >> 10} KiB more of the body nor its end arrived within {PART_S:g} s."
TOO_LONG = f"Path and query are longer than {MAX_TARGET_BYTES} bytes."
FAULT = "The service failed; its log has the error under `request_id`."
INVALID = "A parameter is missing or out of range; `errors` says which."
UNKNOWN_PARAMETER = "The request has a query parameter; this operation takes none."
TOO_MANY = "The key, or the address without a key, has reached its rate limit; Retry-After says when to retry."
TOO_MANY_OF_CLIENT = {
    concurrency: f"The client already has {most} open {name}." for concurrency, (most, name) in MAX_OF_CLIENT.items()
}
WRONG_HOST = "The header Host names a host that the service does not answer for (RIYL_ALLOWED_HOSTS)."
NO_KEY = "The header Authorization has no key, or the key is unknown or revoked."
NO_TEXT = "The body is not text in UTF-8."

VALIDATION_ERROR = "HTTPValidationError"
"""Schema that FastAPI gives to the 422 of every operation with parameters; RIYL answers with a Problem."""


def describe_bodies(document: dict[str, Any]) -> None:
    """Add the schemas of bodies that a route reads itself; describe merge patches by their own type alone.

    The description in words says that a merge patch is accepted as plain JSON too: client generators treat two types of
    one model as one, and openapi-python-client makes a module of it that cannot be imported.
    """
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            if MERGE_PATCH in content:
                del content[JSON]
    for name in (VALIDATION_ERROR, "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    schema = ChangeBatch.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= {**schema.pop("$defs"), "ChangeBatch": schema}


def _describe(operation: dict[str, Any], route: RouteContext, settings: Settings) -> None:
    """Add the errors that follow from the facts of the route and from the settings."""
    facts = facts_of(route.endpoint)
    if facts.is_open:
        return
    responses = operation["responses"]
    calls = list(_calls(route.dependant))
    unavailable = dict.fromkeys(UNAVAILABLE[call] for call in calls if call in UNAVAILABLE)
    responses["503"] = _problem(" Or: ".join([*unavailable, OVERLOADED]))
    if VALIDATION_ERROR in str(responses.get("422")):
        responses["422"] = _problem(INVALID)
    responses.setdefault("422", _problem(UNKNOWN_PARAMETER))
    if allowed_hosts(settings) is not None:
        responses["421"] = _problem(WRONG_HOST)
    responses["414"] = _problem(TOO_LONG)
    responses["500"] = _problem(FAULT)
    if "requestBody" in operation:
        responses["408"] = _problem(TOO_SLOW)
        content = operation["requestBody"]["content"]
        accepted = " or ".join(sorted({*content, *([JSON] if MERGE_PATCH in content else [])}))
        responses["415"] = _problem(f"The body's Content-Type is not {accepted}.")
        kibibytes = facts.max_body_bytes >> 10
        size = f"{kibibytes} KiB" if kibibytes < 1024 else f"{kibibytes >> 10} MiB"
        responses["413"] = _problem(f"The body is larger than {size}.")
        if route.body_field is not None:
            responses["400"] = _problem(NO_TEXT)
    if facts.role is not None:
        responses["401"] = _problem(NO_KEY)
        responses["403"] = _problem(f"The role of the key is lower than {facts.role}.")
    reasons = [TOO_MANY] if settings.rate_limit is not None else []
    if facts.concurrency in TOO_MANY_OF_CLIENT:
        reasons.append(TOO_MANY_OF_CLIENT[facts.concurrency])
    if reasons:
        responses["429"] = _problem(" Or: ".join(reasons))
    if settings.require_key or not STORING.isdisjoint(calls):
        responses["507"] = _problem(NO_ROOM)
    if settings.require_key:
        operation.setdefault("security", [{"key": []}])
        responses.setdefault("401", _problem(f"{NO_KEY[:-1]}; the role read suffices."))
    operation["responses"] = dict(sorted(responses.items()))


def _calls(dependant: Dependant) -> Iterator[object]:
    """Yield the dependencies of an operation, direct and indirect."""
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def build_openapi(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Build the OpenAPI document: FastAPI's own, with the media type of errors and RIYL's headers."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    routes = {
        (route.path_format, method.lower()): route
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            for status, response in responses.items():
                if status >= "4":
                    (content,) = response["content"].values()
                    response["content"] = {MEDIA_TYPE: content}
            if "304" in responses:
                responses["200"].setdefault("headers", {}).update(_headers(VERSION_HEADERS))
            for status in responses.keys() & LOCATION.keys():
                responses[status]["headers"] = _headers({"Location": LOCATION[status]})
            _describe(operation, routes[path, method], settings)
    describe_bodies(document)
    add_examples(document, load_examples())
    return document


def _headers(texts: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}
