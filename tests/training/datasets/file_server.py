"""A local server of files, well behaved or not, and helpers for the results of a fetch from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BODY = bytes(range(251)) * 40


SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class ServingState:
    """How the server treats one address."""

    body: bytes = BODY
    status: int = 200
    etag: str | None = '"v1"'
    changed: str | None = None
    ranges: bool = True
    tells_length: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_after: list[int] = field(default_factory=list)
    """Bytes after which the connection is cut, for each request in turn."""


class Server(ThreadingHTTPServer):
    """Server of `files` by path; keeps the headers of every request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, ServingState] = {}
        self.asked: list[dict[str, str]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def serve(self, path: str, **how: Any) -> str:
        self.files[path] = ServingState(**how)
        return self.url(path)

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("range") for headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.asked.append(headers)
        file = self.server.files.get(self.path, ServingState(status=404, body=b""))
        start = self.start_of(file, headers)
        if start > len(file.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(file.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = file.body[start:]
        self.send_response(206 if start else file.status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(file.body) - 1}/{len(file.body)}")
        if file.tells_length:
            self.send_header("Content-Length", str(len(body)))
        for name, value in {"ETag": file.etag, "Last-Modified": file.changed, **file.headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: file.breaks_after.pop(0)] if file.breaks_after else body)

    def start_of(self, file: ServingState, headers: Mapping[str, str]) -> int:
        unit, _, first = headers.get("range", "").removesuffix("-").partition("=")
        unchanged = headers.get("if-range") in (None, file.etag, file.changed)
        start = int(first) if unit == "bytes" and file.ranges and unchanged else 0
        return len(file.body) + 1 if start and start >= len(file.body) else start

    def log_message(self, format: str, *args: object) -> None:
        pass


class Steps:
    """A Progress that records its calls."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, int]] = []

    def __call__(self, step: str, done: int, total: int) -> None:
        self.heard.append((step, done, total))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
