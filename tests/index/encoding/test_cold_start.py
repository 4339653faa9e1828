"""Artists encoded from raw input, against a version's artists with the same input."""

from __future__ import annotations

import shutil
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.core.catalog.tables import Tables
from riyl.core.errors import FormatError, InputError, MismatchError, NotFoundError, NothingKnownError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.encoding.cold_start import ColdEncoder, Encoded, cold_encoder
from riyl.index.encoding.embed import parts_of
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import TagRecipe, VectorRecipe
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world

Payload: TypeAlias = dict[str, dict[str, Any]]

KINDS = ["paper-msd", "default", "pca", "single-tags"]


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    """Read tags, plays and the mean of the tracks of the small world, by table and artist."""
    folder = small_world(tmp_path_factory.mktemp("payload") / "t")
    values_by_table: Payload = {"tags": defaultdict(dict), "plays": defaultdict(dict), "audio": {}}
    for row in pq.read_table(folder / "tags.parquet").to_pylist():
        values_by_table["tags"][row["artist_id"]][row["tag"]] = row["weight"]
    for row in pq.read_table(folder / "plays.parquet").to_pylist():
        values_by_table["plays"][row["artist_id"]][row["user_id"]] = row["count"]
    tracks = defaultdict(list)
    for row in pq.read_table(folder / "audio.parquet").to_pylist():
        tracks[row["artist_id"]].append(row["vector"])
    values_by_table["audio"] = {artist: np.mean(vectors, axis=0) for artist, vectors in tracks.items()}
    return values_by_table


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_a_catalogs_artist_gives_its_embedding_and_parts(
    models: dict[str, Model],
    named_snapshot: Snapshot,
    encoders: dict[str, ColdEncoder],
    payload,
    tmp_path: Path,
    kind: str,
) -> None:
    version, encoder = build_version(models[kind], named_snapshot, tmp_path), encoders[kind]
    for row, artist in enumerate(version.artist_ids):
        parts = {}
        if artist in payload["tags"]:
            parts["tags"] = encoder.from_tags({f" {t.upper()}": w for t, w in payload["tags"][artist].items()}).part
        if kind != "single-tags":
            if artist in payload["plays"]:
                parts["cf"] = encoder.from_plays(payload["plays"][artist]).part
            if artist in payload["audio"]:
                parts["audio"] = encoder.from_raw("audio", payload["audio"][artist])
        assert bool(parts) == version.has_embedding[row]
        if parts:
            unit, scaled = encoder.embedding(parts)
            np.testing.assert_allclose(unit, version.embeddings[row], atol=1e-6)
            for name, part in scaled.items():
                np.testing.assert_allclose(part, version.parts[name].of(row), atol=1e-6)
            np.testing.assert_allclose(sum(scaled.values()), unit, atol=1e-6)


def test_what_is_said_is_weighted_and_scaled_as_the_basis_was_fitted(payload: Payload, tmp_path: Path) -> None:
    tags, audio = TagRecipe(weighting="tfidf", dims=6), VectorRecipe(scale="standard")
    recipe = SMALL_RECIPE.model_copy(update={"tags": tags, "vectors": {"audio": audio}})
    placed = build_snapshot(Tables.open(small_world(tmp_path / "t")), recipe, tmp_path / "s")
    model = train(*load_config("pca"), placed, tmp_path / "m")
    encoder = ColdEncoder.open(model, placed)
    for row, part in zip(placed.modalities["tags"].rows, parts_of(model, placed, "tags"), strict=True):
        encoded = encoder.from_tags(payload["tags"][placed.artist_ids[row]])
        np.testing.assert_allclose(encoded.part, part, atol=1e-6)
    for row, part in zip(placed.modalities["audio"].rows, parts_of(model, placed, "audio"), strict=True):
        encoded = encoder.from_raw("audio", payload["audio"][placed.artist_ids[row]])
        np.testing.assert_allclose(encoded, part, atol=1e-6)


def test_a_vector_in_the_basiss_space_gives_the_artists_part(
    models: dict[str, Model], named_snapshot: Snapshot, encoders: dict[str, ColdEncoder], tmp_path: Path
) -> None:
    version = build_version(models["pca"], named_snapshot, tmp_path)
    rows = {name: modality.rows.tolist() for name, modality in named_snapshot.modalities.items()}
    for row in (0, 1, 2, 58):
        parts = {
            name: encoders["pca"].from_vector(name, modality.vectors[rows[name].index(row)])
            for name, modality in named_snapshot.modalities.items()
            if row in rows[name]
        }
        np.testing.assert_allclose(encoders["pca"].embedding(parts)[0], version.embeddings[row], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_cleaned_added_up_and_told_apart(
    encoders: dict[str, ColdEncoder], payload: Payload, kind: str
) -> None:
    encoded = encoders[kind].from_tags({"Ska ": 1, "polka": 7, "\uff33\uff2b\uff21": 2, "DUB": 4})
    assert encoded.recognized == {"ska": 3.0, "dub": 4.0}
    assert encoded.unknown == ("polka",)
    assert encoded.part is not None
    np.testing.assert_allclose(encoded.part, encoders[kind].from_tags({"dub": 4, "ska": 3}).part, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_where_every_word_is_unknown_there_is_no_part_and_it_is_said(
    encoders: dict[str, ColdEncoder], kind: str
) -> None:
    assert encoders[kind].from_tags({"Polka": 1, "oompah": 2}) == Encoded(None, {}, ("Polka", "oompah"))


def test_unknown_listeners_count_for_nothing(encoders: dict[str, ColdEncoder]) -> None:
    reference, mixed = (encoders["default"].from_plays(p) for p in ({"u000": 3}, {"u000": 3, "nobody": 900}))
    assert (mixed.recognized, mixed.unknown) == ({"u000": 3.0}, ("nobody",))
    np.testing.assert_array_equal(mixed.part, reference.part)
    assert encoders["default"].from_plays({"nobody": 1}) == Encoded(None, {}, ("nobody",))


def test_what_a_model_does_not_take_is_named(encoders: dict[str, ColdEncoder]) -> None:
    only_tags = encoders["single-tags"]
    for ask in (
        lambda: only_tags.from_plays({"u000": 1}),
        lambda: only_tags.from_vector("cf", [1.0] * 5),
        lambda: only_tags.from_raw("audio", [1.0] * 8),
        lambda: only_tags.from_vector("smell", [1.0]),
        lambda: only_tags.embedding({"smell": np.ones(6, np.float32)}),
    ):
        with pytest.raises(MismatchError, match="model single-tags takes tags; found (cf|audio|smell)"):
            ask()
    for kind in ("paper-msd", "default"):
        with pytest.raises(MismatchError, match=f"model {kind} takes tags as weighted terms; found a vector"):
            encoders[kind].from_vector("tags", [1.0] * 6)
    with pytest.raises(MismatchError, match="does not take tags as vectors; found one"):
        encoders["pca"].from_raw("tags", [1.0] * 6)


def test_an_embedding_by_hand(encoders: dict[str, ColdEncoder]) -> None:
    encoder = encoders["pca"]
    audio, cf = np.zeros(encoder.dim, np.float32), np.zeros(encoder.dim, np.float32)
    audio[0], cf[1] = 3, 4
    unit, parts = encoder.embedding({"cf": cf, "audio": audio})
    assert list(parts) == ["audio", "cf"]
    np.testing.assert_allclose(unit[:3], [0.6, 0.8, 0], atol=1e-7)
    np.testing.assert_allclose(parts["audio"][:2], [0.6, 0], atol=1e-7)
    np.testing.assert_allclose(parts["cf"][:2], [0, 0.8], atol=1e-7)
    with pytest.raises(NothingKnownError, match="the parts of audio, cf cancel each other out"):
        encoder.embedding({"cf": -audio, "audio": audio})
    with pytest.raises(InputError, match="parts: found none"):
        encoder.embedding({})
    with pytest.raises(InputError, match="part of cf: found an array of shape \\(2,\\)"):
        encoder.embedding({"cf": cf[:2]})
    with pytest.raises(InputError, match="part of cf: found nan at position 1"):
        encoder.embedding({"cf": np.full(encoder.dim, np.nan, np.float32)})


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(["ska", "DUB", " doom", "drone", "modal"]), st.text(max_size=5)),
        st.one_of(st.floats(), st.floats(min_value=1e-45, max_value=3e38)),
        max_size=6,
    ),
    st.sampled_from(KINDS),
)
def test_any_words_at_all_give_a_finite_part_or_none_or_are_refused(
    encoders: dict[str, ColdEncoder], weights: dict[str, float], kind: str
) -> None:
    try:
        encoded = encoders[kind].from_tags(weights)
    except InputError:
        # a weight may underflow or overflow float32, and weights of two spellings of one word add up
        good = all(map(str.strip, weights)) and all(1e-45 <= weight <= 3e38 for weight in weights.values())
        assert not weights or not good or sum(weights.values()) > 3e38
        return
    assert encoded.part is None or np.isfinite(encoded.part).all()
    assert len(encoded.recognized) + len(encoded.unknown) <= len(weights)


def test_many_threads_may_ask_at_once_from_the_first_on(models: dict[str, Model], named_snapshot: Snapshot) -> None:
    encoder = ColdEncoder.open(models["default"], named_snapshot)
    with ThreadPoolExecutor(8) as pool:
        parts = [encoded.part for encoded in pool.map(encoder.from_tags, [{"ska": 3, "dub": 1}] * 32)]
    for part in parts:
        np.testing.assert_array_equal(part, parts[0])


def test_a_model_of_another_basis_is_refused(models: dict[str, Model], tmp_path: Path) -> None:
    other = build_snapshot(Tables.open(small_world(tmp_path / "t", seed=9)), SMALL_RECIPE, tmp_path / "s")
    with pytest.raises(MismatchError, match="fitted on featurizer"):
        ColdEncoder.open(models["pca"], other)


@pytest.fixture
def home(version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path) -> Path:
    """Copy the version's model and snapshot into the folders of a home."""
    shutil.copytree(named_model.folder, tmp_path / "models" / named_model.id)
    shutil.copytree(named_snapshot.folder, tmp_path / "snapshots" / named_snapshot.id)
    return tmp_path


def test_a_versions_encoder_is_found_in_its_home(version: Version, home: Path, payload: Payload) -> None:
    encoder = cold_encoder(home / "models", home / "snapshots", version)
    encoded = encoder.from_tags(payload["tags"]["a000"])
    unit, _ = encoder.embedding({"tags": encoded.part})
    part = version.parts["tags"].of(0)
    np.testing.assert_allclose(unit, part / np.linalg.norm(part), atol=1e-6)


@pytest.mark.parametrize("missing", [["models"], ["snapshots"], ["models", "snapshots"]])
def test_a_model_or_snapshot_that_is_not_in_the_home_is_named(version: Version, home: Path, missing: list[str]) -> None:
    for name in missing:
        shutil.rmtree(home / name)
    with pytest.raises(NotFoundError, match=f"version {version.id} cannot encode artists outside") as caught:
        cold_encoder(home / "models", home / "snapshots", version)
    for name, what in (("models", "model"), ("snapshots", "snapshot")):
        assert (f"no {what} {version.manifest[what]} in" in str(caught.value)) == (name in missing)


@pytest.mark.parametrize("harm", ["flip", "missing"])
def test_a_damaged_basis_is_told_when_it_is_needed_and_not_before(version: Version, home: Path, harm: str) -> None:
    encoder = cold_encoder(home / "models", home / "snapshots", version)
    path = home / "snapshots" / version.manifest["snapshot"] / "featurizer" / "tags.safetensors"
    data = path.read_bytes()
    path.unlink()
    if harm == "flip":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert encoder.from_plays({"u000": 1}).part is not None
    with pytest.raises(FormatError, match="damaged"):
        encoder.from_tags({"ska": 1})


def test_a_damaged_model_is_told(version: Version, home: Path) -> None:
    path = home / "models" / version.manifest["model"] / "tags.onnx"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FormatError, match="tags.onnx: damaged"):
        cold_encoder(home / "models", home / "snapshots", version)
