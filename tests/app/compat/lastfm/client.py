"""A client of /2.0 that is not asynchronous."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import httpx

from tests.app.routes.test_artists import Asking


class Lastfm(Asking):
    """Service of a home, asked by Last.fm's protocol."""

    def ask(self, path: str = "/2.0/", **parameters: str | int) -> httpx.Response:
        """Send a GET request."""
        return self.run(self.client.get(path, params=parameters))

    def post(self, path: str = "/2.0/", query: str = "", **form: str | int) -> httpx.Response:
        """Send a form, as pylast does."""
        return self.run(self.client.post(f"{path}{query}", data=form))

    def json(self, method: str, **parameters: str | int) -> Any:
        """Return an answer as JSON."""
        response = self.ask(method=method, format="json", **parameters)
        assert response.headers["content-type"] == "application/json"
        return response.json()

    def xml(self, method: str, **parameters: str | int) -> ElementTree.Element:
        """Return an answer as XML: the element below <lfm>."""
        response = self.ask(method=method, **parameters)
        assert response.headers["content-type"] == "text/xml; charset=UTF-8"
        root = ElementTree.fromstring(response.content)
        assert (root.tag, root.attrib) == ("lfm", {"status": "ok"}), response.text
        (answer,) = root
        return answer


def error_of(response: httpx.Response, *, status: int = 200) -> tuple[int, str]:
    """Return code and message of an error, in whichever form it is."""
    assert response.status_code == status, response.text
    if response.headers["content-type"] == "application/json":
        body = response.json()
        assert body.keys() == {"error", "message", "links"}
        return body["error"], body["message"]
    root = ElementTree.fromstring(response.content)
    assert (root.tag, root.attrib) == ("lfm", {"status": "failed"})
    (error,) = root
    assert error.tag == "error"
    return int(error.attrib["code"]), error.text or ""
