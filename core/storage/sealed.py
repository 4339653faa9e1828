"""What an opened sealed folder has, whatever it is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riyl.core.files import Manifest


@dataclass(frozen=True)
class SealedFolder:
    """An immutable folder.

    Attributes:
        manifest: what it is, and every file in it with its sha256, see `riyl.core.files.seal`.
    """

    folder: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """What the folder is called, and named by."""
        return str(self.manifest["id"])
