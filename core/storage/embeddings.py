"""Embeddings of artists that another program computed, as an immutable folder."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from riyl.core.errors import FormatError, InputError, MismatchError, NotFoundError
from riyl.core.files import Manifest, content_id, published, seal
from riyl.core.storage.entries import by_age
from riyl.core.storage.ground_truth import MAX_NAME_LENGTH
from riyl.core.storage.memory_map import MAX_MAGNITUDE, load_array, read_parquet, require_between
from riyl.core.storage.sealed import Count, FolderId, SealedFolder, read_sealed
from riyl.core.types import ArtistId, Matrix

MANIFEST = "manifest.json"
KIND = "riyl-embeddings"
FORMAT = 1

STORED = "stored:"
"""Prefix of the id of stored embeddings where a path may stand too; what follows is never opened as a path."""

IDS = "ids.parquet"
VECTORS = "vectors.npy"
PARTS = "parts"

ID_COLUMNS = {"artist_id": pa.string()}

MODALITY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Name of a modality, which is also the name of a file."""

_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class ExternalEmbeddings:
    """Embeddings of artists, with a vector for the whole artist, or a part for each modality, or both.

    Attributes:
        ids: the artist of each row, each once.
        vectors: (n, d) float32, finite, of any length; zeros where an artist has no embedding. None if only parts are
            given: an artist's vector is then the mean of its parts.
        parts: by modality (n, d) float32, finite; zeros where an artist lacks the modality. None if a single matrix is
            given. Parts and vectors have the same width.
    """

    ids: list[ArtistId]
    vectors: Matrix | None
    parts: Mapping[str, Matrix] | None

    @property
    def dim(self) -> int:
        """Width of every matrix."""
        return int(next(iter(self.matrices.values())).shape[1])

    @property
    def matrices(self) -> dict[str, Matrix]:
        """Every matrix by the name of its file in a stored folder.

        Raises:
            InputError: there are neither vectors nor parts.
        """
        files = {} if self.vectors is None else {VECTORS: self.vectors}
        files |= {f"{PARTS}/{name}.npy": part for name, part in sorted((self.parts or {}).items())}
        if not files:
            raise InputError("embeddings: found neither vectors nor parts; wanted at least one of them")
        return files


class EmbeddingsManifest(TypedDict):
    """Fields of the manifest of stored embeddings."""

    id: FolderId
    name: str
    source: str
    modalities: list[str]
    counts: dict[Literal["artists", "dim"], Count]


SCHEMA = TypeAdapter(EmbeddingsManifest)


@dataclass(frozen=True)
class StoredEmbeddings(SealedFolder):
    """Opened embeddings, whose matrices are mapped into memory."""

    embeddings: ExternalEmbeddings

    @staticmethod
    def open(folder: Path) -> StoredEmbeddings:
        """Open and verify a folder of embeddings.

        Raises:
            FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`.
        """
        manifest = read_sealed(folder, MANIFEST, KIND, FORMAT, schema=SCHEMA)
        files = SealedFolder(folder, manifest).files
        files.verify()
        n, dim = manifest["counts"]["artists"], manifest["counts"]["dim"]
        ids = read_parquet(files[IDS], ID_COLUMNS, rows=n).column("artist_id").to_pylist()
        if len(set(ids)) != n or "" in ids:
            raise files[IDS].damaged(f"{n} ids of {len(set(ids))} artists", "each artist once, and no empty id")

        def matrix(name: str) -> Matrix:
            array = load_array(files[name], np.float32, (n, dim))
            require_between(files[name], array, -MAX_MAGNITUDE, MAX_MAGNITUDE)
            return array

        parts = {name: matrix(f"{PARTS}/{name}.npy") for name in manifest["modalities"]}
        vectors = matrix(VECTORS) if VECTORS in files else None
        if vectors is None and not parts:
            raise FormatError(f"{folder}: damaged, found neither {VECTORS} nor {PARTS}/; wanted one of them")
        return StoredEmbeddings(folder, manifest, ExternalEmbeddings(ids, vectors, parts or None))

    @property
    def name(self) -> str:
        return str(self.manifest["name"])


def save_embeddings(folder: Path, name: str, embeddings: ExternalEmbeddings, *, source: str) -> StoredEmbeddings:
    """Store embeddings under a name in the folder of embeddings.

    The same content under the same name gives the same id, and then no new folder is written.

    Args:
        folder: `riyl.core.settings.Home.embeddings`.
        name: name of the embeddings, for tables.
        embeddings: as `riyl.core.external.embeddings.read_embeddings` returns them.
        source: origin of the embeddings, such as the name of a file, for people.

    Raises:
        InputError: name or source is not 1 to 100 printable characters, a modality has an invalid name, or there is
            no matrix.
        MismatchError: the matrices differ in shape, or have another number of rows than there are ids.
        FormatError: the same embeddings exist already, and are damaged.
    """
    for what, text in (("name", name), ("source", source)):
        if not (0 < len(text) <= MAX_NAME_LENGTH and text.isprintable()):
            wanted = f"1 to {MAX_NAME_LENGTH} printable characters"
            raise InputError(f"{what} of embeddings: found {text[:MAX_NAME_LENGTH]!r}; wanted {wanted}")
    modalities = sorted(embeddings.parts or {})
    for modality in modalities:
        check_modality_name(modality)
    matrices = embeddings.matrices
    n, dim = len(embeddings.ids), embeddings.dim
    for file, matrix in matrices.items():
        if matrix.shape != (n, dim):
            raise MismatchError(f"embeddings, {file}: found shape {matrix.shape}; wanted {(n, dim)}, with {n} ids")
    identity = _identity(name, embeddings.ids, matrices)
    final = folder / identity
    if not final.exists():
        with published(final) as aside:
            pyarrow.parquet.write_table(
                pa.table({"artist_id": pa.array(embeddings.ids, pa.string())}), aside / IDS, compression="zstd"
            )
            for file, matrix in matrices.items():
                (aside / file).parent.mkdir(exist_ok=True)
                np.save(aside / file, np.ascontiguousarray(matrix, np.float32))
            fields = {"id": identity, "name": name, "source": source, "modalities": modalities}
            counts = {"artists": n, "dim": dim}
            seal(aside, MANIFEST, {"kind": KIND, "format": FORMAT, **fields, "counts": counts})
    (final / MANIFEST).touch()
    return StoredEmbeddings.open(final)


def check_modality_name(name: str) -> None:
    """Check that a name can be that of a modality.

    Raises:
        InputError: it cannot.
    """
    if not MODALITY_NAME.fullmatch(name):
        wanted = "1 to 64 letters, digits, dots, hyphens and underscores, with a letter or digit first"
        raise InputError(f"name of a modality: found {name[:MAX_NAME_LENGTH]!r}; wanted {wanted}")


def embeddings_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder of embeddings; checks only the sizes of files.

    Raises:
        FormatError: it is damaged; see `riyl.core.storage.sealed.read_sealed`.
    """
    return read_sealed(folder, MANIFEST, KIND, FORMAT, schema=SCHEMA)


def stored_embeddings(folder: Path) -> dict[str, Manifest | FormatError]:
    """Return by id, the newest last, a manifest or the error of reading it; checks only the sizes of files."""
    manifests: dict[str, Manifest | FormatError] = {}
    for path in by_age(folder, MANIFEST):
        try:
            manifests[path.parent.name] = embeddings_manifest(path.parent)
        except FormatError as error:
            manifests[path.parent.name] = error
    return manifests


def newest_embeddings(folder: Path, name: str) -> Path:
    """Return the folder of the newest embeddings called `name`, or with that id.

    Raises:
        NotFoundError: there are none; the message lists the names.
    """
    candidates = stored_embeddings(folder)
    names = {id: None if isinstance(each, FormatError) else str(each["name"]) for id, each in candidates.items()}
    matching = [id for id, given in names.items() if name in (id, given)]
    if not matching:
        listed = ", ".join(sorted({given for given in names.values() if given is not None})) or "none"
        raise NotFoundError(f"there are no embeddings {name!r} in {folder}; there are: {listed}")
    return folder / matching[-1]


def find_embeddings(folder: Path, name: str) -> StoredEmbeddings:
    """Open the newest embeddings called `name`, or with that id.

    Raises:
        NotFoundError: there are none; the message lists the names.
        FormatError: they are damaged.
    """
    return StoredEmbeddings.open(newest_embeddings(folder, name))


def _identity(name: str, ids: list[ArtistId], matrices: Mapping[str, Matrix]) -> str:
    """Compute the content id of a name, ids and matrices."""
    digest = hashlib.sha256()
    for artist_id in ids:
        encoded = artist_id.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    digests = {}
    for file, matrix in matrices.items():
        numbers = hashlib.sha256(str(matrix.shape).encode())
        for start in range(0, len(matrix), _BLOCK_ROWS):
            numbers.update(np.ascontiguousarray(matrix[start : start + _BLOCK_ROWS], "<f4").tobytes())
        digests[file] = numbers.hexdigest()
    return content_id("embeddings", {"name": name, "ids": digest.hexdigest(), "matrices": digests})
