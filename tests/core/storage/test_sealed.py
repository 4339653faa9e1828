"""A sealed folder lists its files; later damage is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riyl.core.errors import FormatError
from riyl.core.files import seal
from riyl.core.storage.sealed import read_sealed
from riyl.core.storage.sealed_files import SealedFiles


def sealed(folder: Path) -> Path:
    folder.mkdir()
    (folder / "data.bin").write_bytes(b"0123456789")
    (folder / "sub").mkdir()
    (folder / "sub" / "more.bin").write_bytes(b"")
    seal(folder, "manifest.json", {"kind": "thing", "format": 2, "id": "x"})
    return folder


def read(folder: Path) -> dict[str, Any]:
    return read_sealed(folder, "manifest.json", "thing", 3)


def test_a_seal_lists_every_other_file_with_size_and_sha256(tmp_path: Path) -> None:
    manifest = read(sealed(tmp_path / "x"))
    assert manifest == {
        "kind": "thing",
        "format": 2,
        "id": "x",
        "files": {
            "data.bin": {"sha256": hashlib.sha256(b"0123456789").hexdigest(), "size_bytes": 10},
            "sub/more.bin": {"sha256": hashlib.sha256(b"").hexdigest(), "size_bytes": 0},
        },
    }
    SealedFiles(tmp_path / "x", manifest["files"]).verify()


def test_sealing_again_does_not_list_the_seal_itself(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "x")
    seal(folder, "manifest.json", {"kind": "thing", "format": 2})
    assert sorted(read(folder)["files"]) == ["data.bin", "sub/more.bin"]


def test_a_flipped_byte_is_found_by_verifying(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "x")
    (folder / "data.bin").write_bytes(b"0123456788")
    manifest = read(folder)
    actual, expected = (hashlib.sha256(b).hexdigest() for b in (b"0123456788", b"0123456789"))
    with pytest.raises(FormatError) as caught:
        SealedFiles(folder, manifest["files"]).verify()
    assert str(caught.value) == f"{folder / 'data.bin'}: damaged, found sha256 {actual}; wanted {expected}"


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "data.bin").unlink(), "data.bin: damaged, found no such file; wanted 10 bytes"),
        (lambda f: (f / "data.bin").write_bytes(b"0"), "data.bin: damaged, found 1 bytes; wanted 10 bytes"),
        (lambda f: (f / "manifest.json").unlink(), "x: found no manifest.json; wanted a thing folder"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json: damaged, it is not JSON (Expecting"),
        (lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe{"), "manifest.json: damaged, it is not JSON ("),
        (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json: found kind None; wanted 'thing'"),
        (lambda f: rewrite(f, lambda m: m.update(kind="other")), "manifest.json: found kind 'other'; wanted 'thing'"),
        (
            lambda f: rewrite(f, lambda m: m.update(format=4)),
            "manifest.json: found format 4; this RIYL reads thing formats 1 to 3",
        ),
        (
            lambda f: rewrite(f, lambda m: m.update(format=0)),
            "manifest.json: found format 0; this RIYL reads thing formats 1 to 3",
        ),
        (
            lambda f: rewrite(f, lambda m: m.update(format="2")),
            "manifest.json: found format '2'; this RIYL reads thing formats 1 to 3",
        ),
        (
            lambda f: rewrite(f, lambda m: m.pop("files")),
            "manifest.json: damaged, found no list of files with sizes and sha256; wanted one",
        ),
        (
            lambda f: rewrite(f, lambda m: m["files"]["data.bin"].pop("sha256")),
            "manifest.json: damaged, found no list of files with sizes and sha256; wanted one",
        ),
    ],
)
def test_a_damaged_seal_is_refused_and_says_why(tmp_path: Path, harm: Callable[[Path], object], message: str) -> None:
    folder = sealed(tmp_path / "x")
    harm(folder)
    with pytest.raises(FormatError) as caught:
        read(folder)
    assert message in str(caught.value)


def test_a_file_is_no_sealed_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(FormatError, match=r"found no manifest\.json; wanted a thing folder"):
        read(tmp_path / "x")


def test_an_older_format_is_read(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "x")
    rewrite(folder, lambda m: m.update(format=1))
    assert read(folder)["format"] == 1
