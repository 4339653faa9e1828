"""Reading of sealed folders: the manifest, and the files that it lists."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from riyl.core.errors import FormatError, OutdatedError
from riyl.core.files import Manifest
from riyl.core.storage.sealed_files import SealedFiles, check_status, parent_of, parse_json, read_regular

MAX_FILES = 1_000
"""Maximum number of files that a manifest lists; a version of 20 modalities has 140."""

MAX_MANIFEST_BYTES = 1 << 24
"""Maximum size of a manifest, in bytes."""

FolderId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,99}$")]
"""Id of a sealed folder, which is its name; it cannot lead out of the parent folder."""


Count = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
"""Number of artists; rows are int32."""


ChangeNumber = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
"""Number of the last change that a folder contains; the database counts in 64 bits."""


@dataclass(frozen=True)
class SealedFolder:
    """An immutable folder.

    Attributes:
        manifest: description of the folder, and the sha256 of every file in it, see `riyl.core.files.seal`.
    """

    folder: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """Name of the folder, which is its id."""
        return str(self.manifest["id"])

    @cached_property
    def files(self) -> SealedFiles:
        """Files that the manifest lists; other files in the folder are not read."""
        return SealedFiles(self.folder, self.manifest["files"])


def read_sealed(
    folder: Path,
    name: str,
    kind: str,
    newest: int,
    *,
    oldest: int = 1,
    remedy: str = "",
    schema: TypeAdapter[Any] | None = None,
) -> Manifest:
    """Read the manifest of a sealed folder, and check its kind and format number and the types and sizes of the files.

    Args:
        folder: the folder.
        name: file name of the manifest.
        kind: the kind that it must have.
        newest: highest format number that is read.
        oldest: lowest format number that is read.
        remedy: command to run if the folder is older, for the message.
        schema: schema of the manifest's own fields; further fields are ignored.

    Raises:
        OutdatedError: its format is older than `oldest`; the message has found, wanted and the remedy.
        FormatError: the manifest is missing or unreadable, of another kind, newer than this RIYL reads, names files
            outside of the folder or too many, or a file is missing, of another size, a link or not a regular file;
            the message has the value found and the value wanted.
    """
    path = folder / name
    manifest = parse_json(path, _manifest_bytes(folder, name, kind))
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        raise FormatError(
            f"{path}: found kind {manifest.get('kind') if isinstance(manifest, dict) else None!r}; wanted {kind!r}"
        )
    number = manifest.get("format")
    if isinstance(number, int) and 1 <= number < oldest:
        raise OutdatedError(
            f"{path}: found {kind} format {number}, of an earlier release; this RIYL reads format {oldest}"
            f"{f' to {newest}' if newest > oldest else ''}: {remedy}"
        )
    if not isinstance(number, int) or not 1 <= number <= newest:
        raise FormatError(f"{path}: found format {number!r}; this RIYL reads {kind} formats {oldest} to {newest}")
    if not _lists_files(manifest.get("files")):
        raise FormatError(f"{path}: damaged, found no list of files with sizes and sha256; wanted one")
    if len(manifest["files"]) > MAX_FILES:
        raise FormatError(f"{path}: damaged, found {len(manifest['files'])} files; wanted at most {MAX_FILES}")
    if schema is not None:
        try:
            schema.validate_python(manifest)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise FormatError(f"{path}: damaged, field {field}: {first['msg'].lower()}") from error
    for file, entry in manifest["files"].items():
        with parent_of(folder, file, entry["size_bytes"]) as (parent, last):
            status = os.stat(last, dir_fd=parent, follow_symlinks=False)
        check_status(folder / file, status, entry["size_bytes"])
    return manifest


def _manifest_bytes(folder: Path, name: str, kind: str) -> bytes:
    if not os.path.lexists(folder / name) or (folder / name).is_dir():
        raise FormatError(f"{folder}: found no {name}; wanted a {kind} folder")
    return read_regular(folder, name, MAX_MANIFEST_BYTES)


def _lists_files(files: object) -> bool:
    return isinstance(files, dict) and all(
        isinstance(entry, dict)
        and type(entry.get("size_bytes")) is int
        and entry["size_bytes"] >= 0
        and isinstance(entry.get("sha256"), str)
        and _stays_inside(name)
        for name, entry in files.items()
    )


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and "/".join(parts) == name and ".." not in parts and name.isprintable()
