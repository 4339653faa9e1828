"""A sealed folder lists only regular files inside it; each is opened once, and later changes are detected."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riyl.core.errors import FormatError
from riyl.core.files import seal
from riyl.core.storage.sealed import MAX_FILES, MAX_MANIFEST_BYTES, read_sealed
from riyl.core.storage.sealed_files import SealedFiles
from tests.sealed_folders import sealed_files

CONTENT = b"0123456789"
SECRET = b"root:x:0:0:0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a sealed folder with data.bin and sub/more.bin, and an unlisted file beside it."""
    (tmp_path / "foreign").write_bytes(SECRET)
    folder = tmp_path / "sealed"
    (folder / "sub").mkdir(parents=True)
    (folder / "data.bin").write_bytes(CONTENT)
    (folder / "sub" / "more.bin").write_bytes(CONTENT)
    seal(folder, "manifest.json", {"kind": "thing", "format": 1, "id": "x"})
    return folder


def entries(folder: Path) -> dict[str, Any]:
    return read_sealed(folder, "manifest.json", "thing", 1)["files"]


def listed(folder: Path, name: str, size: int) -> None:
    """Add an entry for a file to the manifest."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"size_bytes": size, "sha256": "0" * 64}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def linked(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def folder_linked(folder: Path) -> None:
    (folder / "sub").rename(folder.parent / "elsewhere")
    (folder / "sub").symlink_to(folder.parent / "elsewhere")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: listed(f, "../foreign", len(SECRET)), "found no list of files"),
        (lambda f: listed(f, str(f.parent / "foreign"), len(SECRET)), "found no list of files"),
        (lambda f: listed(f, "sub/../data.bin", 10), "found no list of files"),
        (lambda f: listed(f, "sub//more.bin", 10), "found no list of files"),
        (lambda f: listed(f, "data.bin\x00", 10), "found no list of files"),
        (lambda f: listed(f, "data.bin", -1), "found no list of files"),
        (lambda f: listed(f, "sub", 0), "found a special file or a folder; wanted a regular file"),
        (lambda f: listed(f, "data.bin/x", 0), "wanted a regular file"),
        (lambda f: listed(f, "x" * 300, 0), "found a name that is too long"),
        (lambda f: linked(f / "data.bin", f.parent / "foreign"), "found a symbolic link; wanted a regular file"),
        (lambda f: linked(f / "manifest.json", f.parent / "foreign"), "found a symbolic link; wanted a regular file"),
        (folder_linked, "found a symbolic link; wanted a regular file"),
        (lambda f: piped(f / "data.bin"), "found a special file or a folder; wanted a regular file"),
        (lambda f: piped(f / "manifest.json"), "found a special file or a folder; wanted a regular file"),
        (lambda f: [listed(f, f"n{i}", 0) for i in range(MAX_FILES)], f"wanted at most {MAX_FILES}"),
        (lambda f: (f / "manifest.json").write_bytes(b" " * (MAX_MANIFEST_BYTES + 1)), "wanted fewer"),
        (lambda f: (f / "manifest.json").write_bytes(b"[" * 100_000), "it is not JSON"),
        (lambda f: (f / "manifest.json").write_bytes(b'{"kind": NaN}'), "it is not JSON"),
    ],
)
def test_what_leads_out_of_the_folder_or_is_no_regular_file_is_refused(
    folder: Path, harm: Callable[[Path], object], message: str
) -> None:
    harm(folder)
    with pytest.raises(FormatError) as caught:
        entries(folder)
    assert message in str(caught.value)
    assert SECRET.decode() not in str(caught.value)
    assert str(len(SECRET)) not in str(caught.value).replace(str(folder), "")


def test_a_file_that_is_linked_after_the_manifest_was_read_is_not_followed(folder: Path) -> None:
    files = SealedFiles(folder, entries(folder))
    linked(folder / "data.bin", folder.parent / "foreign")
    with pytest.raises(FormatError, match=r"data\.bin: damaged, found a symbolic link"):
        files["data.bin"].read()


def test_a_file_is_opened_once_and_stays_what_it_was(folder: Path) -> None:
    files = SealedFiles(folder, entries(folder))
    data = files["data.bin"]
    (folder / "data.bin").unlink()
    (folder / "data.bin").write_bytes(b"9876543210")
    assert data.read() == bytes(data.map) == CONTENT
    assert files["data.bin"] is data
    assert files.changed() is None
    files.verify(["data.bin"])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (lambda path: os.truncate(path, 4), "data.bin: damaged, found 4 bytes; wanted 10 bytes"),
        (lambda path: path.write_bytes(CONTENT + b"1"), "data.bin: damaged, found 11 bytes; wanted 10 bytes"),
        (lambda path: path.write_bytes(b"9876543210"), "data.bin: damaged, found sha256 "),
    ],
)
def test_what_is_written_to_an_opened_file_is_found(
    folder: Path, written: Callable[[Path], object], message: str
) -> None:
    files = SealedFiles(folder, entries(folder))
    assert [files[name].size_bytes for name in files] == [10, 10]
    assert files.changed() is None
    status = (folder / "data.bin").stat()
    written(folder / "data.bin")
    os.utime(folder / "data.bin", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert message in str(files.changed())
    assert message in str(files.changed())


def test_a_file_that_has_another_time_and_the_same_bytes_is_as_it_was(folder: Path) -> None:
    files = SealedFiles(folder, entries(folder))
    assert files["data.bin"].read() == CONTENT
    (folder / "data.bin").touch()
    assert files.changed() is None


def test_what_the_manifest_does_not_list_is_not_there(folder: Path) -> None:
    (folder / "unlisted").write_bytes(b"")
    files = SealedFiles(folder, entries(folder))
    assert ("unlisted" in files, list(files)) == (False, ["data.bin", "sub/more.bin"])
    assert list(files.in_folder("sub")) == ["more.bin"]
    with pytest.raises(FormatError, match="found no unlisted in its manifest"):
        files["unlisted"]


def test_pages_that_leave_memory_are_mapped_again(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT * 1000)
    (tmp_path / "empty").write_bytes(b"")
    files = sealed_files(tmp_path)
    assert bytes(files["data.bin"].map) == CONTENT * 1000
    assert bytes(files["empty"].map) == b""
    for name in ("data.bin", "empty"):
        files[name].release()
    assert bytes(files["data.bin"].map) == CONTENT * 1000
