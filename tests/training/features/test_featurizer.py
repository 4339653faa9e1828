from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import FormatError
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.featurizer import load_featurizer
from tests.conftest import SMALL_RECIPE


def test_a_basis_read_back_places_artists_alike(snapshot: Snapshot) -> None:
    featurizer = load_featurizer(snapshot.folder / "featurizer")
    assert featurizer.recipe == SMALL_RECIPE
    audio = snapshot.modalities["audio"].vectors
    np.testing.assert_array_equal(featurizer.modalities["audio"].transform(np.array(audio)), audio)


def test_a_damaged_basis_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = tmp_path / "featurizer"
    copy.mkdir()
    for path in (snapshot.folder / "featurizer").iterdir():
        (copy / path.name).write_bytes(path.read_bytes()[:-9] if path.name == "cf.safetensors" else path.read_bytes())
    with pytest.raises(FormatError, match="damaged featurizer"):
        load_featurizer(copy)
