"""Files that are extracted from a fetched archive."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from riyl.core.errors import FetchError
from riyl.training.datasets.base import RemoteFile
from riyl.training.datasets.fetch import fetch
from tests.training.datasets.file_server import BODY, SHA256, Server, names

pytestmark = pytest.mark.network


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
    assert f"put it at {tmp_path}/all.zip; or put a.npz, which it contains, at {tmp_path}/a.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"no zip", "found damage (File is not a zip file)"),
        (zipped(**{"data/other": b""}), "found 0 entries called a.npz; wanted one"),
        (zipped(**{"x/a.npz": b"1", "y/a.npz": b"2"}), "found 2 entries called a.npz; wanted one"),
        (zipped(**{"a.npz": BODY}).replace(BODY[:1], b"\xff"), "found damage ("),
    ],
)
def test_a_damaged_or_wrong_archive_says_what_to_do(
    server: Server, tmp_path: Path, archive: bytes, message: str
) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(in_archive(server, archive), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/all.zip: {message}")
    assert str(caught.value).endswith(f"remove it to fetch it again, or put a.npz at {tmp_path}/a.npz")
    assert names(tmp_path) == ["all.zip"]
