"""Fetches from a real local server, well behaved or not, and their error messages."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from riyl.core.errors import FetchError
from riyl.training.datasets.base import Dataset, RemoteFile
from riyl.training.datasets.fetch import fetch, fetch_all
from tests.training.datasets.file_server import BODY, SHA256, Server, Steps, names

pytestmark = pytest.mark.network


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
    actual = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(FetchError) as caught:
        fetch(RemoteFile("data.bin", "http://127.0.0.1:1/x", sha256=SHA256), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/data.bin: found sha256 {actual}; wanted {SHA256}; remove it to fetch it again"
    )
    with pytest.raises(FetchError, match=r"data\.bin: found 5 bytes; wanted 9; remove it to fetch it again"):
        fetch(RemoteFile("data.bin", "http://127.0.0.1:1/x", size_bytes=9), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"other"


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.bin").mkdir()
    with pytest.raises(FetchError, match=r"found something that is no regular file; wanted data\.bin"):
        fetch(RemoteFile("data.bin"), tmp_path)


def test_a_wrong_checksum_names_found_and_wanted_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    file = RemoteFile("data.bin", server.serve("/x", body=b"other"), sha256=SHA256)
    with pytest.raises(FetchError) as caught:
        fetch(file, tmp_path)
    assert f"found sha256 {hashlib.sha256(b'other').hexdigest()}; wanted {SHA256}; the download" in str(caught.value)
    assert str(caught.value).endswith(f"put the right file at {tmp_path}/data.bin")
    assert names(tmp_path) == []


def test_a_wrong_size_is_refused_before_the_download(server: Server, tmp_path: Path) -> None:
    steps = Steps()
    with pytest.raises(FetchError, match=f"found {len(BODY)} bytes; wanted 7$"):
        fetch(RemoteFile("data.bin", server.serve("/x"), size_bytes=7), tmp_path, steps)
    assert steps.heard == []
    assert names(tmp_path) == []


def test_a_wrong_size_is_refused_after_it_where_the_server_tells_none(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"found {len(BODY)} bytes; wanted 7; the download was removed"):
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
    with pytest.raises(FetchError, match="found the content encoded as gzip; wanted the bytes of the file"):
        fetch(RemoteFile("data.bin", url), tmp_path)


def test_a_full_disk_is_found_before_the_download(server: Server, tmp_path: Path) -> None:
    url = server.serve("/x", body=b"", headers={"Content-Length": str(1 << 60)}, tells_length=False)
    with pytest.raises(FetchError, match=f"bytes free at .*; wanted {1 << 60}$"):
        fetch(RemoteFile("data.bin", url), tmp_path)


def dataset(*files: RemoteFile) -> Dataset:
    return Dataset("some", "summary", "licence", "citation", files, lambda files, out, notes, progress: None)


def test_every_file_of_a_dataset_is_had(server: Server, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    fetched = fetch_all(dataset(RemoteFile("a", server.serve("/a")), RemoteFile("b")), tmp_path)
    assert fetched.files == {"a": tmp_path / "a", "b": tmp_path / "b"}
    assert fetched.unavailable == {}


def test_an_optional_file_that_cannot_be_had_is_left_out_with_the_reason(server: Server, tmp_path: Path) -> None:
    missing = RemoteFile("b", server.url("/none"), optional=True)
    fetched = fetch_all(dataset(RemoteFile("a", server.serve("/a")), missing), tmp_path)
    assert list(fetched.files) == ["a"]
    assert f"put it at {tmp_path}/b" in fetched.unavailable["b"]


def test_a_needed_file_that_cannot_be_had_is_an_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="HTTP 404"):
        fetch_all(dataset(RemoteFile("a", server.url("/none"))), tmp_path)


def test_an_optional_file_in_place_that_is_wrong_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("wrong")
    with pytest.raises(FetchError, match="found sha256"):
        fetch_all(dataset(RemoteFile("b", sha256=SHA256, optional=True)), tmp_path)
