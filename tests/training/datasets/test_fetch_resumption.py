"""A broken-off fetch continues where it ended, if its bytes are still a part of the file."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest

from riyl.core.errors import FetchError
from riyl.training.datasets.base import RemoteFile
from riyl.training.datasets.fetch import fetch
from tests.training.datasets.file_server import BODY, SHA256, Server, Steps, names

pytestmark = pytest.mark.network


def break_off(server: Server, folder: Path, n_bytes: int, **how: Any) -> RemoteFile:
    """Serve a file, and let a first fetch of it break off after `n_bytes` bytes, twice without progress."""
    file = RemoteFile("data.bin", server.serve("/data.bin", breaks_after=[n_bytes, 0], **how))
    with pytest.raises(FetchError, match=rf"\({n_bytes} bytes are kept, and the next fetch continues from there\)"):
        fetch(file, folder)
    server.asked.clear()
    return file


def leave_part(folder: Path, url: str, part: bytes, validator: str | None) -> None:
    """Write the files that a killed fetch leaves behind."""
    (folder / "data.bin.part").write_bytes(part)
    (folder / "data.bin.part.json").write_text(json.dumps({"url": url, "validator": validator}))


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
    with pytest.raises(FetchError, match="found sha256 .*; the download was removed; fetch it again"):
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
