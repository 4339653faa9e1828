from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, FormatError, MismatchError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.encoding.embed import embed, parts_of
from riyl.training.config import MlpSpec, SetSpec, config_names, load_config
from riyl.training.contrastive.loop import train_contrastive
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world
from tests.training.contrastive.test_loop import CONFIG

FAST = CONFIG.model_copy(update={"max_epochs": 2})


@pytest.fixture(scope="module")
def model(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train("small", FAST, snapshot, tmp_path_factory.mktemp("models"), threads=1)


def test_onnx_parts_agree_with_torch(snapshot: Snapshot, model: Model, tmp_path: Path) -> None:
    trained = train_contrastive(FAST, snapshot, seed=0, checkpoint=tmp_path / "c")
    full = np.flatnonzero(snapshot.having(["audio", "cf", "tags"]))
    for name, get_inputs in trained.inputs.items():
        with torch.no_grad():
            expected = trained.encoders[name](*get_inputs(torch.arange(len(full)))).numpy()
        parts = parts_of(model, snapshot, name)[np.searchsorted(snapshot.modalities[name].rows, full)]
        np.testing.assert_allclose(parts, expected, atol=1e-5)


def test_an_embedding_is_the_unit_mean_of_the_parts_an_artist_has(snapshot: Snapshot, model: Model) -> None:
    embedding = embed(model, snapshot)
    parts = {
        name: dict(zip(snapshot.modalities[name].rows.tolist(), parts_of(model, snapshot, name), strict=True))
        for name in model.parts
    }
    for row in (0, 4, 6, 34):
        mean_part = np.mean([p[row] for p in parts.values() if row in p], axis=0)
        np.testing.assert_allclose(embedding.vectors[row], mean_part / np.linalg.norm(mean_part), atol=1e-6)
    assert not embedding.covered[59]
    assert not embedding.vectors[59].any()


def test_modalities_can_be_left_out_when_embedding(snapshot: Snapshot, model: Model) -> None:
    embedding = embed(model, snapshot, only=["cf"])
    assert np.flatnonzero(embedding.covered).tolist() == snapshot.modalities["cf"].rows.tolist()
    np.testing.assert_allclose(embedding.vectors[embedding.covered], parts_of(model, snapshot, "cf"), atol=1e-6)
    with pytest.raises(MismatchError, match="has audio, cf, tags; asked for smell"):
        embed(model, snapshot, only=["smell"])


def test_artists_with_the_same_tags_get_the_same_bits(snapshot: Snapshot, model: Model) -> None:
    tags = snapshot.modalities["tags"]
    assert tags.sets is not None
    terms, _ = tags.sets.padded(np.arange(len(tags.rows)), 20)
    parts = parts_of(model, snapshot, "tags")
    twins = [(i, j) for i in range(len(terms)) for j in range(i) if (terms[i] == terms[j]).all()]
    assert twins
    assert all((parts[i] == parts[j]).all() for i, j in twins)


def test_a_model_is_found_again_and_its_card_says_what_it_is(snapshot: Snapshot, model: Model) -> None:
    again = train("small", FAST, snapshot, model.folder.parent)
    assert again.folder == model.folder
    card = json.loads((model.folder / "card.json").read_text())
    assert (card["snapshot"], card["featurizer"], card["seed"]) == (snapshot.id, snapshot.featurizer_id, 0)
    assert card["config"]["temperature"] == 0.1
    assert card["scores"]["epochs"] == 2
    assert not list(model.folder.parent.glob(".training-*"))


def test_a_model_of_another_basis_is_refused_naming_both(model: Model, tmp_path: Path) -> None:
    other = build_snapshot(Tables.open(small_world(tmp_path / "t", seed=9)), SMALL_RECIPE, tmp_path / "s")
    with pytest.raises(
        MismatchError, match=f"fitted on featurizer {model.card['featurizer']}.*has featurizer {other.featurizer_id}"
    ):
        embed(model, other)


def test_a_flipped_byte_in_a_model_is_found(model: Model, tmp_path: Path) -> None:
    copy = tmp_path / "m"
    copy.mkdir()
    for path in model.folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    data = bytearray((copy / "cf.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "cf.onnx").write_bytes(bytes(data))
    with pytest.raises(FormatError, match="cf.onnx: damaged, found sha256"):
        Model.open(copy)


def test_the_set_encoder_takes_one_vector_as_a_set_of_one(snapshot: Snapshot, tmp_path: Path) -> None:
    config = FAST.model_copy(update={"encoders": {"tags": SetSpec(attention=8, heads=2, tokens="vector")}})
    model = train("vector", config, snapshot, tmp_path)
    assert model.parts["tags"].input == "vector"
    assert embed(model, snapshot, only=["tags"]).covered.sum() == len(snapshot.modalities["tags"].rows)


def test_a_device_that_is_not_there_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ConfigError, match="found no CUDA device"):
        train("x", FAST, snapshot, tmp_path, device="cuda")


def test_the_papers_configs_are_the_papers() -> None:
    _, msd = load_config("paper-msd")
    _, own_config = load_config("paper-own")
    assert msd.modalities == ("audio", "tags", "cf")
    assert (msd.dim, msd.temperature, msd.learning_rate, msd.batch_size, msd.symmetric) == (200, 0.1, 1e-4, 128, False)
    assert msd.encoders["audio"] == MlpSpec(hidden=(512, 256))
    assert msd.encoders["cf"] == MlpSpec(hidden=(256,))
    assert (msd.encoders["tags"].heads, msd.encoders["tags"].attention) == (4, 256)
    assert own_config.batch_size == 2048


@pytest.mark.parametrize("name", config_names())
def test_every_config_that_comes_with_riyl_loads(name: str) -> None:
    assert load_config(name)[0] == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "method = 'contrastive'\ntemprature = 0.1",
            "mine.toml: temprature: found an .*; wanted temperature, ",
        ),
        ("method = 'cca'\n[waves]\naudio = 4", "waves: found a name of an earlier .*; wanted n_fourier_features"),
        ("method = 'cca'\n[evidence]\ntags = 1", "evidence: found a name of .*; wanted norm_shrinkage"),
        ("method = 'contrastive'\nheld_back = 0.2", "held_back: found a name of .*; wanted validation"),
        ("method = 'contrastive'\nbatch_size = 1", "batch_size: found 1; wanted .* greater than or equal to 2"),
        ("method = 'magic'", "magic"),
        ("method = ", "not TOML"),
        ("method = 'contrastive'\n[encoders.tags]\nkind = 'set'\nheads = 3", "256 is not a multiple of heads 3"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(str(path))


def test_an_unknown_config_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="found no config 'papr'; wanted cca, default, paper-msd, paper-own, pca"):
        load_config("papr")
