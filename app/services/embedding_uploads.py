"""Uploads of embeddings: one matrix of artists, or a matrix for each modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from riyl.app.services.upload_reader import EmbeddingsRequest
from riyl.app.services.uploads import UploadedFile
from riyl.core.errors import InputError
from riyl.core.external.embeddings import IDS
from riyl.core.storage.embeddings import PARTS, VECTORS, check_modality_name
from riyl.core.storage.ground_truth import MAX_NAME_LENGTH

FOLDER = "uploaded"
"""Folder of an upload with parts, in the folder of the process."""


@dataclass(frozen=True)
class EmbeddingsUpload:
    """Embeddings as uploaded, see `riyl.core.external.embeddings.read_embeddings`.

    Attributes:
        file: the matrix of the whole artists; None if only parts are uploaded.
        ids: artist of each row; None if the file holds them.
        parts: matrices by modality; none where the file is all there is.

    Raises:
        InputError: there is no matrix, a modality has an invalid name, or the files do not belong together.
    """

    file: UploadedFile | None
    ids: UploadedFile | None
    parts: Mapping[str, UploadedFile]
    name: str

    def __post_init__(self) -> None:
        if self.file is None and not self.parts:
            raise InputError("body: found neither a part `file` nor `part-NAME`; wanted a matrix, or one per modality")
        for modality in self.parts:
            check_modality_name(modality)
        if not self.parts:
            return
        if self.ids is None or Path(self.ids.name).suffix != ".txt":
            actual = "nothing" if self.ids is None else f"a file called {self.ids.shown!r}"
            raise InputError(f"body.ids: found {actual}; wanted a .txt file with the artist of each row of the parts")
        if self.file is not None and Path(self.file.name).suffix != ".npy":
            wanted = "a .npy file beside parts, with the vector of the whole artist in each row"
            raise InputError(f"body.file: found a file called {self.file.shown!r}; wanted {wanted}")

    @property
    def files(self) -> Mapping[str, UploadedFile]:
        """The files, by their path in the folder of the process."""
        if not self.parts:
            by_part = {"file": self.file, "ids": self.ids}
            return {each.name_as(part): each for part, each in by_part.items() if each is not None}
        paths = {f"{FOLDER}/{PARTS}/{modality}.npy": part for modality, part in sorted(self.parts.items())}
        others = {f"{FOLDER}/{VECTORS}": self.file, f"{FOLDER}/{IDS}": self.ids}
        return paths | {path: each for path, each in others.items() if each is not None}

    @property
    def smaller(self) -> str:
        """Kind of an upload that takes less memory."""
        return "one with fewer artists or narrower vectors"

    @property
    def source(self) -> str:
        """Origin of the embeddings, for people: the name of the file, or the modalities."""
        if self.file is not None:
            return self.file.name
        return f"parts {', '.join(sorted(self.parts))}"[:MAX_NAME_LENGTH]

    def request(self, stored: Path) -> EmbeddingsRequest:
        """Return the request to read the files."""
        if self.file is None or self.parts:
            return EmbeddingsRequest(FOLDER, None, stored, self.name, self.source)
        ids = None if self.ids is None else self.ids.name_as("ids")
        return EmbeddingsRequest(self.file.name_as("file"), ids, stored, self.name, self.source)
