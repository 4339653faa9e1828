from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import FormatError
from riyl.core.storage.snapshot import Snapshot, seal_snapshot
from riyl.training.features.featurizer import load_featurizer
from tests.conftest import SMALL_RECIPE


def test_a_basis_read_back_places_artists_alike(snapshot: Snapshot) -> None:
    featurizer = load_featurizer(snapshot)
    assert featurizer.recipe == SMALL_RECIPE
    audio = snapshot.modalities["audio"].vectors
    np.testing.assert_array_equal(featurizer.modalities["audio"].transform(np.array(audio)), audio)


def test_a_damaged_basis_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    copy = tmp_path / snapshot.id
    shutil.copytree(snapshot.folder, copy)
    path = copy / "featurizer" / "cf.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    seal_snapshot(copy, snapshot.manifest)
    with pytest.raises(FormatError, match=r"cf\.safetensors: damaged, found no featurizer"):
        load_featurizer(Snapshot.open(copy))
