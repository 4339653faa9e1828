"""Fetching from a real server on this machine, well behaved or not; and what the user is told where it fails."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import socket
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.errors import FetchError
from training.datasets.base import Dataset, RemoteFile
from training.datasets.fetch import fetch, fetch_all

pytestmark = pytest.mark.network

BODY = bytes(range(251)) * 40
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Served:
    """How the server treats one address."""

    body: bytes = BODY
    status: int = 200
    etag: str | None = '"v1"'
    changed: str | None = None
    ranges: bool = True
    tells_length: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_after: list[int] = field(default_factory=list)
    """Bytes after which the connection is cut, for one request after the other."""


class Server(ThreadingHTTPServer):
    """Serves `files` by path and keeps the headers of every request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.asked: list[dict[str, str]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def serve(self, path: str, **how: Any) -> str:
        self.files[path] = Served(**how)
        return self.url(path)

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("range") for headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.asked.append(headers)
        file = self.server.files.get(self.path, Served(status=404, body=b""))
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

    def start_of(self, file: Served, headers: Mapping[str, str]) -> int:
        unit, _, first = headers.get("range", "").removesuffix("-").partition("=")
        unchanged = headers.get("if-range") in (None, file.etag, file.changed)
        start = int(first) if unit == "bytes" and file.ranges and unchanged else 0
        return len(file.body) + 1 if start and start >= len(file.body) else start

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


class Steps:
    """A Progress that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, int]] = []

    def __call__(self, step: str, done: int, total: int) -> None:
        self.heard.append((step, done, total))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def break_off(server: Server, folder: Path, kept: int, **how: Any) -> RemoteFile:
    """Serve a file, and let a first fetch of it break off after `kept` bytes, twice without getting on."""
    file = RemoteFile("data.bin", server.serve("/data.bin", breaks_after=[kept, 0], **how))
    with pytest.raises(FetchError, match=rf"\({kept} bytes are kept, and the next fetch goes on from there\)"):
        fetch(file, folder)
    server.asked.clear()
    return file


def leave_part(folder: Path, url: str, part: bytes, validator: str | None) -> None:
    """What a fetch that was killed leaves behind."""
    (folder / "data.bin.part").write_bytes(part)
    (folder / "data.bin.part.json").write_text(json.dumps({"url": url, "validator": validator}))


def test_a_file_is_fetched_and_only_it_is_left(server: Server, tmp_path: Path) -> None:
    file = RemoteFile("data.bin", server.serve("/x"), len(BODY), SHA256)
    path = fetch(file, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "data.bin"
    assert path.read_bytes() == BODY
    assert names(path.parent) == ["data.bin"]


def test_the_bytes_are_asked_for_as_they_are(server: Server, tmp_path: Path) -> None:
    fetch(RemoteFile("data.bin", server.serve("/x")), tmp_path)
    assert server.asked[0]["accept-encoding"] == "identity"


def test_progress_is_in_bytes_and_ends_with_all_of_them(server: Server, tmp_path: Path) -> None:
    steps = Steps()
    fetch(RemoteFile("data.bin", server.serve("/x")), tmp_path, steps)
    assert steps.heard[0] == ("fetch data.bin", 0, len(BODY))
    assert steps.heard[-1] == ("fetch data.bin", len(BODY), len(BODY))
    done = [d for _, d, _ in steps.heard]
    assert done == sorted(done)


def test_where_the_server_tells_no_size_the_total_is_0_until_the_end(server: Server, tmp_path: Path) -> None:
    steps = Steps()
    fetch(RemoteFile("data.bin", server.serve("/x", tells_length=False)), tmp_path, steps)
    assert {total for _, _, total in steps.heard[:-1]} == {0}
    assert steps.heard[-1] == ("fetch data.bin", len(BODY), len(BODY))


def test_an_empty_file_can_be_fetched(server: Server, tmp_path: Path) -> None:
    assert fetch(RemoteFile("data.bin", server.serve("/x", body=b""), 0), tmp_path).read_bytes() == b""


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    server.serve("/there")
    url = server.serve("/here", status=302, body=b"", headers={"Location": server.url("/there")})
    assert fetch(RemoteFile("data.bin", url), tmp_path).read_bytes() == BODY


def test_a_file_in_place_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(BODY)
    assert fetch(RemoteFile("data.bin", server.serve("/x"), len(BODY), SHA256), tmp_path) == tmp_path / "data.bin"
    assert server.asked == []


def test_a_file_put_by_hand_needs_no_address(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(BODY)
    assert fetch(RemoteFile("data.bin"), tmp_path).read_bytes() == BODY


def test_sha256_in_capitals_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(BODY)
    fetch(RemoteFile("data.bin", sha256=SHA256.upper()), tmp_path)


def test_a_wrong_file_in_place_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(FetchError) as caught:
        fetch(RemoteFile("data.bin", "http://127.0.0.1:1/x", sha256=SHA256), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/data.bin: found sha256 {found}; wanted {SHA256}; remove it to fetch it again"
    )
    with pytest.raises(FetchError, match=r"data\.bin: found 5 bytes; wanted 9; remove it to fetch it again"):
        fetch(RemoteFile("data.bin", "http://127.0.0.1:1/x", size_bytes=9), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"other"


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.bin").mkdir()
    with pytest.raises(FetchError, match=r"found no file of that name but something else; wanted data\.bin"):
        fetch(RemoteFile("data.bin"), tmp_path)


def test_a_wrong_checksum_names_found_and_wanted_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    file = RemoteFile("data.bin", server.serve("/x", body=b"other"), sha256=SHA256)
    with pytest.raises(FetchError) as caught:
        fetch(file, tmp_path)
    assert f"found sha256 {hashlib.sha256(b'other').hexdigest()}; wanted {SHA256}; it was removed" in str(caught.value)
    assert str(caught.value).endswith(f"put the right file at {tmp_path}/data.bin")
    assert names(tmp_path) == []


def test_a_wrong_size_is_refused_before_the_download(server: Server, tmp_path: Path) -> None:
    steps = Steps()
    with pytest.raises(FetchError, match=f"found {len(BODY)} bytes; wanted 7$"):
        fetch(RemoteFile("data.bin", server.serve("/x"), size_bytes=7), tmp_path, steps)
    assert steps.heard == []
    assert names(tmp_path) == []


def test_a_wrong_size_is_refused_after_it_where_the_server_tells_none(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"found {len(BODY)} bytes; wanted 7; it was removed"):
        fetch(RemoteFile("data.bin", server.serve("/x", tells_length=False), size_bytes=7), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_an_http_error_says_what_to_get_from_where_and_where_to_put_it(
    server: Server, tmp_path: Path, status: int
) -> None:
    url = server.serve("/x", status=status, body=b"no")
    with pytest.raises(FetchError) as caught:
        fetch(RemoteFile("data.bin", url), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"data.bin could not be fetched from {url}: HTTP {status} ")
    assert message.endswith(f"get it by other means and put it at {tmp_path}/data.bin")


def test_an_address_nobody_answers_says_what_to_get_from_where_and_where_to_put_it(
    server: Server, tmp_path: Path
) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/x"
        with pytest.raises(FetchError) as caught:
            fetch(RemoteFile("data.bin", url), tmp_path)
    assert str(caught.value).startswith(f"data.bin could not be fetched from {url}: ")
    assert str(caught.value).endswith(f"get it by other means and put it at {tmp_path}/data.bin")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "http://[bad/x"])
def test_an_address_that_is_none_is_a_fetch_error(server: Server, tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError, match="put it at "):
        fetch(RemoteFile("data.bin", url), tmp_path)


def test_a_file_without_an_address_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(RemoteFile("data.bin"), tmp_path)
    assert str(caught.value).endswith(f"get it from its owner and put it at {tmp_path}/data.bin")


def test_redirects_without_end_are_a_fetch_error(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", status=302, body=b"", headers={"Location": "/x"})
    with pytest.raises(FetchError, match="put it at "):
        fetch(RemoteFile("data.bin", url), tmp_path)


def test_a_web_page_is_not_taken_for_the_file(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", body=b"<html>log in", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(FetchError, match="found a web page at .*; wanted the file; get it by other means"):
        fetch(RemoteFile("data.bin", url), tmp_path)
    assert not (tmp_path / "data.bin").exists()


def test_a_body_that_was_encoded_on_the_way_is_refused(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="found it sent as gzip; wanted the bytes of the file"):
        fetch(RemoteFile("data.bin", url), tmp_path)


def test_a_broken_connection_is_taken_up_again_at_once(server: Server, tmp_path: Path) -> None:
    file = RemoteFile("data.bin", server.serve("/x", breaks_after=[100, 200, 300]), len(BODY), SHA256)
    steps = Steps()
    assert fetch(file, tmp_path, steps).read_bytes() == BODY
    assert server.ranges == [None, "bytes=100-", "bytes=300-", "bytes=600-"]
    assert {headers["if-range"] for headers in server.asked[1:]} == {'"v1"'}
    assert {total for _, _, total in steps.heard} == {len(BODY)}
    assert names(tmp_path) == ["data.bin"]


def test_tries_end_where_nothing_comes_any_more(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", breaks_after=[0] * 50)
    with pytest.raises(FetchError, match="put it at "):
        fetch(RemoteFile("data.bin", url), tmp_path)
    assert len(server.asked) == 1


def test_tries_end_also_where_a_little_comes_each_time(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="bytes are kept"):
        fetch(RemoteFile("data.bin", server.serve("/x", breaks_after=[1] * 50)), tmp_path)
    assert len(server.asked) < 10


def test_the_next_fetch_goes_on_from_where_the_last_one_ended(server: Server, tmp_path: Path) -> None:
    file = break_off(server, tmp_path, 6000)
    assert names(tmp_path) == ["data.bin.part", "data.bin.part.json"]
    steps = Steps()
    assert fetch(file, tmp_path, steps).read_bytes() == BODY
    assert [(h["range"], h["if-range"]) for h in server.asked] == [("bytes=6000-", '"v1"')]
    assert steps.heard[0] == ("fetch data.bin", 6000, len(BODY))
    assert names(tmp_path) == ["data.bin"]


def test_without_an_etag_the_time_of_the_last_change_tells(server: Server, tmp_path: Path) -> None:
    when = "Wed, 21 Oct 2015 07:28:00 GMT"
    for etag in (None, 'W/"weak"'):
        file = break_off(server, tmp_path, 500, etag=etag, changed=when)
        assert fetch(file, tmp_path).read_bytes() == BODY
        assert [(h["range"], h["if-range"]) for h in server.asked] == [("bytes=500-", when)]
        (tmp_path / "data.bin").unlink()


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    file = break_off(server, tmp_path, 6000)
    server.serve("/data.bin", body=BODY[::-1], etag='"v2"')
    assert fetch(file, tmp_path).read_bytes() == BODY[::-1]


def test_a_server_that_ignores_ranges_is_asked_for_everything(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", ranges=False)
    leave_part(tmp_path, url, BODY[:6000], '"v1"')
    assert fetch(RemoteFile("data.bin", url), tmp_path).read_bytes() == BODY
    assert server.ranges == ["bytes=6000-"]


def test_where_nobody_can_tell_whether_it_changed_it_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", etag=None)
    leave_part(tmp_path, url, b"of another state", None)
    assert fetch(RemoteFile("data.bin", url), tmp_path).read_bytes() == BODY
    assert server.ranges == [None]


def test_a_checksum_tells_too_whether_it_changed(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", etag=None)
    leave_part(tmp_path, url, BODY[:6000], None)
    assert fetch(RemoteFile("data.bin", url, sha256=SHA256), tmp_path).read_bytes() == BODY
    assert [(h["range"], h.get("if-range")) for h in server.asked] == [("bytes=6000-", None)]


def test_a_part_of_another_state_is_found_by_the_checksum(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", etag=None)
    file = RemoteFile("data.bin", url, sha256=SHA256)
    leave_part(tmp_path, url, b"of another state", None)
    with pytest.raises(FetchError, match="found sha256 .*; it was removed; fetch it again"):
        fetch(file, tmp_path)
    assert fetch(file, tmp_path).read_bytes() == BODY


def test_another_address_does_not_continue_what_came_from_the_first(server: Server, tmp_path: Path) -> None:
    break_off(server, tmp_path, 6000)
    other = RemoteFile("data.bin", server.serve("/other", body=BODY[::-1]))
    assert fetch(other, tmp_path).read_bytes() == BODY[::-1]
    assert server.ranges == [None]


def test_a_part_that_is_already_whole_is_taken(server: Server, tmp_path: Path) -> None:
    file = break_off(server, tmp_path, 6000)
    (tmp_path / "data.bin.part").write_bytes(BODY)
    assert fetch(file, tmp_path).read_bytes() == BODY
    assert server.ranges == [f"bytes={len(BODY)}-"]


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    file = break_off(server, tmp_path, 6000)
    (tmp_path / "data.bin.part").write_bytes(BODY + b"more")
    assert fetch(file, tmp_path).read_bytes() == BODY
    assert server.ranges == [f"bytes={len(BODY) + 4}-", None]


def test_a_range_that_was_not_asked_for_is_not_appended(server: Server, tmp_path: Path) -> None:
    file = break_off(server, tmp_path, 6000)
    server.serve(
        "/data.bin", status=206, ranges=False, headers={"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}"}
    )
    assert fetch(file, tmp_path).read_bytes() == BODY
    assert server.ranges == ["bytes=6000-", None]


@pytest.mark.parametrize("memory", [b"", b"{", b"[]", b'{"url": 3}'])
def test_a_damaged_memory_of_a_part_only_costs_the_part(server: Server, tmp_path: Path, memory: bytes) -> None:
    file = break_off(server, tmp_path, 6000)
    (tmp_path / "data.bin.part.json").write_bytes(memory)
    assert fetch(file, tmp_path).read_bytes() == BODY
    assert server.ranges == [None]


def test_the_memory_of_a_part_says_what_it_is_a_part_of(server: Server, tmp_path: Path) -> None:
    file = break_off(server, tmp_path, 6000)
    assert json.loads((tmp_path / "data.bin.part.json").read_text()) == {"url": file.url, "validator": '"v1"'}


def test_two_processes_do_not_write_into_one_part(server: Server, tmp_path: Path) -> None:
    with (tmp_path / "data.bin.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match=r"data\.bin is being fetched by another process"):
            fetch(RemoteFile("data.bin", server.serve("/x")), tmp_path)


def test_a_full_disk_is_found_before_the_download(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", body=b"", headers={"Content-Length": str(1 << 60)}, tells_length=False)
    with pytest.raises(FetchError, match=f"bytes free at .*; wanted {1 << 60}$"):
        fetch(RemoteFile("data.bin", url), tmp_path)


def zipped(**members: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return memory.getvalue()


def in_archive(server: Server, archive: bytes, name: str = "a.npz", **more: Any) -> RemoteFile:
    return RemoteFile(name, archive=RemoteFile("all.zip", server.serve("/all.zip", body=archive)), **more)


def test_files_are_taken_out_of_an_archive_that_is_fetched_once(server: Server, tmp_path: Path) -> None:
    file = in_archive(server, zipped(**{"data/a.npz": BODY, "data/b.npy": b"b", "data/": b""}), sha256=SHA256)
    assert fetch(file, tmp_path).read_bytes() == BODY
    assert fetch(replace(file, name="b.npy", sha256=None), tmp_path).read_bytes() == b"b"
    assert len(server.asked) == 1
    assert names(tmp_path) == ["a.npz", "all.zip", "b.npy"]


def test_a_file_of_an_archive_may_be_put_by_hand(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"mine")
    assert fetch(in_archive(server, b""), tmp_path).read_bytes() == b"mine"
    assert server.asked == []


def test_where_the_archive_cannot_be_had_both_ways_out_are_told(server: Server, tmp_path: Path) -> None:
    file = RemoteFile("a.npz", archive=RemoteFile("all.zip", server.url("/none")))
    with pytest.raises(FetchError) as caught:
        fetch(file, tmp_path)
    assert f"all.zip could not be fetched from {server.url('/none')}: HTTP 404" in str(caught.value)
    assert f"put it at {tmp_path}/all.zip; or put a.npz, which it holds, at {tmp_path}/a.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("archive", "found"),
    [
        (b"no zip", "found damage (File is not a zip file)"),
        (zipped(**{"data/other": b""}), "found 0 entries called a.npz; wanted one"),
        (zipped(**{"x/a.npz": b"1", "y/a.npz": b"2"}), "found 2 entries called a.npz; wanted one"),
        (zipped(**{"a.npz": BODY}).replace(BODY[:1], b"\xff"), "found damage ("),
    ],
)
def test_a_damaged_or_wrong_archive_says_what_to_do(server: Server, tmp_path: Path, archive: bytes, found: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(in_archive(server, archive), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/all.zip: {found}")
    assert str(caught.value).endswith(f"remove it to fetch it again, or put a.npz at {tmp_path}/a.npz")
    assert names(tmp_path) == ["all.zip"]


def dataset(*files: RemoteFile) -> Dataset:
    return Dataset("some", "summary", "licence", "citation", files, lambda files, out, notes, progress: None)


def test_every_file_of_a_dataset_is_had(server: Server, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    fetched = fetch_all(dataset(RemoteFile("a", server.serve("/a")), RemoteFile("b")), tmp_path)
    assert fetched.files == {"a": tmp_path / "a", "b": tmp_path / "b"}
    assert fetched.left_out == {}


def test_an_optional_file_that_cannot_be_had_is_left_out_with_the_reason(server: Server, tmp_path: Path) -> None:
    missing = RemoteFile("b", server.url("/none"), optional=True)
    fetched = fetch_all(dataset(RemoteFile("a", server.serve("/a")), missing), tmp_path)
    assert list(fetched.files) == ["a"]
    assert f"put it at {tmp_path}/b" in fetched.left_out["b"]


def test_a_needed_file_that_cannot_be_had_is_an_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="HTTP 404"):
        fetch_all(dataset(RemoteFile("a", server.url("/none"))), tmp_path)


def test_an_optional_file_in_place_that_is_wrong_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("wrong")
    with pytest.raises(FetchError, match="found sha256"):
        fetch_all(dataset(RemoteFile("b", sha256=SHA256, optional=True)), tmp_path)
