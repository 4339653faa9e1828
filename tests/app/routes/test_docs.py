from __future__ import annotations

from html import unescape
from urllib.parse import quote

from app.evaluations import store
from app.schemas import EXAMPLE_VERSION
from app.schemas_evaluations import EXAMPLE_RUN_ID, EXAMPLE_SYSTEM
from app.schemas_jobs import EXAMPLE_JOB_ID
from core.settings import Home
from tests.app.conftest import asked, database, key_headers
from tests.conftest import made_up_run


def test_the_reference_fetches_nothing_and_has_an_example_of_every_operation(home: Home) -> None:
    docs, style, document = asked(home, "/docs", "/docs/style.css", "/openapi.json")
    assert style.headers["content-type"].startswith("text/css")
    assert "<script" not in docs.text
    assert "style=" not in docs.text
    assert "//" not in docs.text.replace("http://127.0.0.1:8000/", "")
    operations = [
        f"{method.upper()} {path}" for path, operations in document.json()["paths"].items() for method in operations
    ]
    assert sorted(operations) == [
        "DELETE /v1/artists/{id}",
        "DELETE /v1/rules/{number}",
        "GET /healthz",
        "GET /metrics",
        "GET /readyz",
        "GET /v1/artists",
        "GET /v1/artists/{id}",
        "GET /v1/artists/{id}/similar",
        "GET /v1/artists:resolve",
        "GET /v1/changes",
        "GET /v1/evaluations",
        "GET /v1/evaluations/compare",
        "GET /v1/evaluations/{id}",
        "GET /v1/evaluations/{id}/artists",
        "GET /v1/evaluations/{id}/report",
        "GET /v1/index",
        "GET /v1/index/versions",
        "GET /v1/jobs",
        "GET /v1/jobs/{id}",
        "GET /v1/jobs/{id}/events",
        "GET /v1/rules",
        "GET /v1/truths",
        "GET /v1/truths/{id}",
        "PATCH /v1/artists/{id}",
        "POST /v1/artists/{id}:merge",
        "POST /v1/artists:batch",
        "POST /v1/evaluations",
        "POST /v1/index/versions/{id}:promote",
        "POST /v1/index:rollback",
        "POST /v1/jobs",
        "POST /v1/jobs/{id}/cancel",
        "POST /v1/rules",
        "POST /v1/similar",
        "POST /v1/similar:batch",
        "POST /v1/truths",
        "PUT /v1/artists/{id}",
    ]
    assert docs.text.count("<h3>Example</h3>") == len(operations)
    for operation in operations:
        assert f"<code>{operation}</code>" in docs.text


def test_an_example_of_a_change_has_its_key_and_its_body(home: Home) -> None:
    (docs,) = asked(home, "/docs")
    examples = [unescape(part.split("</pre>")[0]) for part in docs.text.split("<pre>")]
    assert (
        "curl 'http://127.0.0.1:8000/v1/jobs' \\\n  -X POST \\\n"
        '  -H "Authorization: Bearer $RIYL_KEY" \\\n'
        """  -H 'Content-Type: application/json' -d '{"kind": "reindex", "params": {"promote": true}}'"""
    ) in examples
    assert "curl 'http://127.0.0.1:8000/v1/jobs?kind=reindex&state=done&limit=10'" in examples
    assert "reindex, train, evaluate, import" in docs.text
    assert (
        "curl 'http://127.0.0.1:8000/v1/truths?name=editorial&directed=false' \\\n  -X POST \\\n"
        '  -H "Authorization: Bearer $RIYL_KEY" \\\n  -F file=@editorial.csv'
    ) in examples
    assert (
        "curl 'http://127.0.0.1:8000/v1/artists:batch' \\\n  -X POST \\\n"
        '  -H "Authorization: Bearer $RIYL_KEY" \\\n'
        "  -H 'Content-Type: application/x-ndjson' "
        """--data-binary '{"kind": "put", "id": "a9001", "name": "Hildur Guðnadóttir", "tags": {"drone": 3}}\n"""
        """{"kind": "delete", "id": "a204"}\n{"kind": "merge", "id": "a205", "into": "a9001"}'"""
    ) in examples


def test_every_example_request_of_the_reference_is_possible(home: Home) -> None:
    headers = key_headers(home)
    (job,) = asked(home, "/v1/jobs", method="POST", headers=headers, json={"kind": "reindex"})
    run = made_up_run({("raw", EXAMPLE_SYSTEM): {"a000": 1.0}, ("raw", "pca"): {"a000": 0.5}}, version=EXAMPLE_VERSION)
    for identity in (EXAMPLE_RUN_ID, EXAMPLE_JOB_ID):
        store(home, database(home), identity, {}, by="test", **run)
    pairs = {"file": ("t.csv", "artist_id,similar_id\na000,a001\n")}
    (truth,) = asked(home, "/v1/truths", method="POST", headers=headers, files=pairs)
    ids = {"jobs": job.json()["id"], "truths": truth.json()["id"]}
    (document,) = asked(home, "/openapi.json")
    for path, operations in document.json()["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"]
            assert operation["description"]
            address, query = path, list[str]()
            for parameter in operation.get("parameters", []):
                value = quote(str(parameter["schema"]["examples"][0]), safe="")
                assert parameter["description"]
                value = ids.get(path.split("/")[2], value) if parameter["in"] == "path" else value
                address = address.replace("{" + parameter["name"] + "}", value)
                if parameter["in"] == "query":
                    query.append(f"{parameter['name']}={value}")
            if method == "get" and not path.endswith("/events"):
                (answer,) = asked(home, f"{address}?{'&'.join(query)}", headers=headers)
                assert answer.status_code == 200, path
