"""Uploads of ground truths: a file of similar pairs, or a matrix with the artist of each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from riyl.app.services.upload_reader import TruthRequest
from riyl.app.services.uploads import UploadedFile


@dataclass(frozen=True)
class TruthUpload:
    """A ground truth as uploaded, see `riyl.core.storage.ground_truth.save_truth`.

    Attributes:
        ids: artist of each row, where the file is a matrix.
    """

    file: UploadedFile
    ids: UploadedFile | None
    name: str
    directed: bool

    @property
    def files(self) -> Mapping[str, UploadedFile]:
        """The files, by their name in the folder of the process."""
        return {self.file.name_as("file"): self.file} | (
            {} if self.ids is None else {self.ids.name_as("ids"): self.ids}
        )

    @property
    def smaller(self) -> str:
        """Kind of an upload that takes less memory."""
        return "one with fewer pairs"

    def request(self, stored: Path) -> TruthRequest:
        """Return the request to read the files."""
        return TruthRequest(
            self.file.name_as("file"),
            None if self.ids is None else self.ids.name_as("ids"),
            stored,
            self.name,
            self.directed,
            self.file.name,
        )
