"""Parts of the default: their blocks, their ONNX files, and new artists with the inputs of known ones."""

from __future__ import annotations

import numpy as np
import pytest

from riyl.core.storage.model import Model, Part
from riyl.core.storage.snapshot import Snapshot
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.encoding.embed import parts_of
from riyl.training.cca.blocks import DescriptorBlock, UnitBlock, z_of
from riyl.training.cca.fit import fit_cca
from riyl.training.cca.linear import LinearPart
from riyl.training.config import CcaConfig, load_config
from riyl.training.features.featurizer import terms_of
from riyl.training.train import train


@pytest.fixture(scope="module")
def model(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train(*load_config("default"), snapshot, tmp_path_factory.mktemp("models"))


def rows_of(snapshot: Snapshot, part: LinearPart, modality: str) -> np.ndarray:
    """Compute the rows x of a part: vectors with the block of listeners, or sums over an artist's terms."""
    features = snapshot.modalities[modality]
    if part.table is None:
        return np.hstack([features.vectors, *(features.blocks[name] for name in part.extra)]).astype(np.float64)
    assert features.sets is not None
    terms, mask = features.sets.padded(np.arange(len(features.rows)), 100)
    weights = features.sets.padded_weights(np.arange(len(features.rows)), 100)
    return np.array([np.log(1 + w[m]) @ part.table[t[m]] for t, m, w in zip(terms, mask, weights, strict=True)])


def test_onnx_parts_are_the_projections_of_the_blocks(snapshot: Snapshot, model: Model) -> None:
    _, config = load_config("default")
    assert isinstance(config, CcaConfig)
    kinds = {"audio": [DescriptorBlock], "cf": [UnitBlock] * 2, "tags": [UnitBlock] * 3}
    for modality, part in fit_cca(config, snapshot, 0)[0].items():
        assert [type(block) for block in part.blocks] == kinds[modality]
        z = z_of(part.blocks, rows_of(snapshot, part, modality))
        np.testing.assert_allclose(parts_of(model, snapshot, modality), z @ part.weights, atol=1e-5)
    cf = snapshot.modalities["cf"]
    assert model.parts == {
        "audio": Part("vector", 8),
        "cf": Part("vector", cf.width + cf.blocks["listeners"].shape[1], blocks=("listeners",)),
        "tags": Part("weighted", len(terms_of(snapshot, "tags")), 100),
    }


def test_a_new_artist_with_the_inputs_of_a_known_one_has_its_parts(snapshot: Snapshot, model: Model) -> None:
    encoder = ColdEncoder.open(model, snapshot)
    row = int(np.flatnonzero(snapshot.having(["audio", "cf", "tags"]))[3])
    at = {name: int(np.searchsorted(each.rows, row)) for name, each in snapshot.modalities.items()}
    raw = {table: terms.of(row) for table, terms in snapshot.raw_terms.items()}
    audio = snapshot.modalities["audio"].vectors[at["audio"]]  # the recipe keeps vectors as they are
    for name, part in (
        ("tags", encoder.from_tags(raw["tags"]).part),
        ("cf", encoder.from_plays(raw["plays"]).part),
        ("audio", encoder.from_raw("audio", audio)),
    ):
        assert part is not None
        np.testing.assert_allclose(part, parts_of(model, snapshot, name)[at[name]], atol=1e-5)
