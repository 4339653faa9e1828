"""Folders that tests seal."""

from __future__ import annotations

import json
from pathlib import Path

from riyl.core.files import seal
from riyl.core.storage.sealed_files import SealedFiles

SEAL = "seal.json"


def sealed_files(folder: Path) -> SealedFiles:
    """All files of a folder, which is sealed for that."""
    seal(folder, SEAL, {})
    return SealedFiles(folder, json.loads((folder / SEAL).read_bytes())["files"])
