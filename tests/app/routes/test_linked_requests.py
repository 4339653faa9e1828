"""Tests of sequences of requests, with ids from earlier responses, against the OpenAPI document."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.core.transport import Response
from schemathesis.generation.stateful.state_machine import APIStateMachine
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from riyl.app.main import create_app
from riyl.app.serving.reloader import VersionReloader
from riyl.core.settings import Home, Settings
from tests.app.conftest import key_headers
from tests.app.routes.test_artists import state  # noqa: F401

ARTIST = ("/v1/artists/{id}", "id")
LINKS: list[tuple[str, str, tuple[str, ...], str, tuple[str, str], str]] = [
    ("put", "/v1/artists/{id}", ("200", "201"), "get patch delete put", ARTIST, "id"),
    ("patch", "/v1/artists/{id}", ("200",), "get delete put", ARTIST, "id"),
    ("delete", "/v1/artists/{id}", ("200",), "get put patch", ARTIST, "id"),
    ("put", "/v1/artists/{id}", ("200", "201"), "get", ("/v1/artists/{id}/similar", "id"), "id"),
    ("delete", "/v1/artists/{id}", ("200",), "get", ("/v1/artists/{id}/similar", "id"), "id"),
    ("post", "/v1/artists:batch", ("200",), "get delete", ARTIST, "items/0/id"),
    ("post", "/v1/rules", ("200", "201"), "delete", ("/v1/rules/{number}", "number"), "number"),
]
"""Links between operations: method, path and statuses of a response; methods, path and parameter of the requests that
follow; and the place of the parameter in the response. Schemathesis infers other links from the names of schemas."""

OPTIONS = settings(
    max_examples=20,
    stateful_step_count=15,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def with_links(document: dict[str, Any]) -> dict[str, Any]:
    """Add `LINKS` to the document."""
    for method, path, statuses, next_methods, (next_path, parameter), place in LINKS:
        for status in statuses:
            response = document["paths"][path][method]["responses"].get(status)
            for next_method in next_methods.split() if response is not None else ():
                operation = document["paths"][next_path][next_method]["operationId"]
                links = response.setdefault("links", {})
                links[operation] = {"operationId": operation, "parameters": {parameter: f"$response.body#/{place}"}}
    return document


def machine(home: Home, answers: Counter[str]) -> type[APIStateMachine]:
    """Create a state machine that sends requests which follow from earlier responses, and applies changes after each.

    Schemathesis starts the app, and stops it with the test.
    """
    app, headers = create_app(Settings(home=home.root)), key_headers(home)
    document = with_links(json.loads(json.dumps(app.openapi())))
    # events of a waiting job do not end, and no worker runs here that would store evaluations
    schema = schemathesis.openapi.from_dict(document).exclude(path_regex="/events$|^/v1/evaluations/{id}/")

    @schema.hook
    def map_query(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
        """Use existing names in requests."""
        if context.operation.path == "/v1/artists:resolve" and query:
            return {"name": f"Artist {sum(map(ord, str(query))) % 59}"}
        return query

    reloader = app.state.reloader
    assert isinstance(reloader, VersionReloader)

    class Linked(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"base_url": "http://localhost", "app": app, "headers": headers}

        def after_call(self, response: Response, case: schemathesis.Case) -> None:
            super().after_call(response, case)
            reloader.poll()
            answers[f"{case.operation.label} {response.status_code}"] += 1

        def validate_response(self, response: Response, case: schemathesis.Case, *_: Any, **__: Any) -> None:
            # as for single operations in tests/app/routes/test_artists.py
            excluded = [ignored_auth, negative_data_rejection, positive_data_acceptance]
            case.validate_response(response, excluded_checks=excluded, recorder=self.recorder)

    return Linked


def explore(home: Home, requests: int) -> Counter[str]:
    """Count the responses to random sequences of requests, by operation and status."""
    answers = Counter[str]()
    sequences = machine(home, answers)
    while answers.total() < requests:
        # a response depends on earlier sequences, which Hypothesis notices if two of them begin alike
        with suppress(FlakyStrategyDefinition):
            sequences.run(settings=OPTIONS)
    return answers


SEQUENCES = {
    *("PUT /v1/artists/{id} 201", "GET /v1/artists/{id} 200", "PATCH /v1/artists/{id} 200"),
    *("DELETE /v1/artists/{id} 200", "GET /v1/artists/{id} 404", "GET /v1/artists/{id}/similar 200"),
    *("POST /v1/jobs 202", "GET /v1/jobs/{id} 200", "POST /v1/jobs/{id}/cancel 200"),
    *("POST /v1/rules 201", "DELETE /v1/rules/{number} 204", "POST /v1/evaluations 202"),
}


def test_a_few_sequences_are_answered_as_the_document_says(state: Home) -> None:  # noqa: F811
    assert explore(state, 50)


@pytest.mark.slow
def test_sequences_are_answered_as_the_document_says(state: Home) -> None:  # noqa: F811
    assert explore(state, 3000).keys() >= SEQUENCES
