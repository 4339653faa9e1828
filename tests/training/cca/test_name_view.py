from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge

from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, InputError
from riyl.core.storage.model import Part
from riyl.core.storage.part import NAME
from riyl.core.storage.snapshot import Snapshot
from riyl.training.cca import name_view
from riyl.training.cca.fit import fit_cca, regression
from riyl.training.cca.linear import linear_onnx
from riyl.training.cca.name_view import count_ngrams, open_name_view
from riyl.training.config import CcaConfig, load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import NAME_NOTE, train
from tests.conftest import SMALL_RECIPE, small_world
from tests.training.cca.test_fit import latent_views, moments_of
from tests.training.features.test_name import rename, scene_names

NAMED = CcaConfig(method="cca", name=True)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Build the small world with names that tell the scene; the last artist has nothing but its name."""
    home = tmp_path_factory.mktemp("named")
    tables = rename(small_world(home / "tables"), scene_names(60))
    return build_snapshot(Tables.open(tables), SMALL_RECIPE, home / "snapshots")


def test_the_rows_are_scikit_learns_tfidf(snapshot: Snapshot) -> None:
    view = open_name_view(snapshot, 0)
    assert view.modality.rows.tolist() == list(range(59))
    names = [f" {name.lower()} " for name in scene_names(60)[:59]]
    theirs = CountVectorizer(analyzer="char", ngram_range=(3, 5), min_df=3, binary=True, lowercase=False)
    counts = theirs.fit_transform(names).toarray()
    assert sorted(view.reader.terms) == sorted(theirs.vocabulary_)
    assert list(view.reader.terms) == sorted(view.reader.terms)
    expected = counts * np.log(60 / counts.sum(axis=0))
    actual = view.reader.read(view.modality, 0, 59)
    for rows in (expected, actual):
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(actual @ actual.T, expected @ expected.T, atol=1e-5)


def test_the_most_frequent_ngrams_count(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(59, dtype=np.int32)
    theirs = CountVectorizer(analyzer="char", ngram_range=(3, 5), binary=True, lowercase=False)
    counts = theirs.fit_transform([f" {name.lower()} " for name in scene_names(60)[:59]]).sum(axis=0).A1
    frequency = dict(zip(theirs.get_feature_names_out().tolist(), counts.tolist(), strict=True))
    expected = sorted(sorted(frequency, key=lambda ngram: (-frequency[ngram], ngram))[:7])
    monkeypatch.setattr(name_view, "MAX_FEATURES", 7)
    assert count_ngrams(snapshot, rows) == expected
    monkeypatch.setattr(name_view, "MAX_COUNTED", 30)
    monkeypatch.setattr(name_view, "CHUNK", 59)
    assert count_ngrams(snapshot, rows) == expected


def test_the_view_is_fitted_on_evenly_spaced_artists(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_view, "MAX_ARTISTS", 30)
    assert open_name_view(snapshot, 0).modality.rows.tolist() == list(range(0, 59, 2))


def test_the_name_has_a_map_into_the_same_space(snapshot: Snapshot) -> None:
    parts, views = fit_cca(NAMED.model_copy(update={"modality_specific_weight": {"tags": 1.0}}), snapshot, 0)
    assert list(parts) == list(views) == ["audio", "cf", "tags", NAME]
    shapes = {part.weights.shape[1] for part in parts.values()}
    assert len(shapes) == 1
    takes, _ = linear_onnx(parts[NAME])
    assert takes == Part("weighted", len(parts[NAME].terms), 300)


@pytest.mark.parametrize("name", ["b", "name", "z"])
def test_the_map_is_a_ridge_regression_on_the_sum_of_the_parts(name: str) -> None:
    views = latent_views(0)
    z = views.pop("b") + 5
    rng = np.random.default_rng(1)
    weights = {modality: rng.standard_normal((x.shape[1], 3)) for modality, x in views.items()}
    total = sum(x @ weights[modality] for modality, x in views.items())
    theirs = Ridge(alpha=len(z) * 0.3 * z.var(axis=0).mean()).fit(z, total)
    actual = regression(name, weights, moments_of(**views, **{name: z}), 0.3)
    np.testing.assert_allclose(actual, theirs.coef_.T, atol=1e-9)


def test_a_modality_counts_as_often_as_artists_have_it() -> None:
    """Give each of four artists z = -1 or 1; two have modality a with part 3 z, two have b with part 5 z."""
    z, nan = np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.nan
    views = {"a": np.array([[3.0], [-3.0], [nan], [nan]]), "b": np.array([[nan], [nan], [5.0], [-5.0]]), NAME: z}
    weights = {"a": np.ones((1, 1)), "b": np.ones((1, 1))}
    assert regression(NAME, weights, moments_of(**views), 1.0) == pytest.approx((3 + 5) / 2 / 2)


def test_the_modalities_have_the_files_of_a_model_without_the_name(snapshot: Snapshot, tmp_path: Path) -> None:
    named = train("named", NAMED, snapshot, tmp_path)
    plain = train("plain", NAMED.model_copy(update={"name": False}), snapshot, tmp_path)
    assert named.id != plain.id
    for modality in plain.parts:
        assert named.onnx(modality).read() == plain.onnx(modality).read()


def test_the_model_keeps_the_name_apart_from_its_modalities(snapshot: Snapshot, tmp_path: Path) -> None:
    model = train("named", NAMED, snapshot, tmp_path)
    assert list(model.parts) == ["audio", "cf", "tags"]
    assert model.name_part == Part("weighted", len(model.name_ngrams), 300)
    assert model.name_ngrams == list(open_name_view(snapshot, 0).reader.terms)
    assert model.card["notes"] == [NAME_NOTE]
    assert "proxy for its language and origin" in NAME_NOTE
    assert "A rename moves an artist" in NAME_NOTE


def test_off_it_is_in_no_config_and_in_no_model(snapshot: Snapshot, tmp_path: Path) -> None:
    _, config = load_config("default")
    assert "name" not in config.model_dump(mode="json")
    assert load_config("default", ["name=false"])[0] == "default"
    assert load_config("default", ["name=true"])[0] == "default+name=true"
    model = train("default", config, snapshot, tmp_path)
    assert model.name_part is None
    assert model.name_ngrams == []
    assert {"name_part", "notes"} & model.card.keys() == set()
    assert sorted(model.files) == ["audio.onnx", "cf.onnx", "tags.onnx"]


def test_names_that_share_nothing_are_refused(tmp_path: Path) -> None:
    def refused(name: Callable[[int], str], message: str) -> None:
        tables = rename(small_world(tmp_path / "tables"), [name(i) for i in range(60)])
        with pytest.raises(InputError, match=message):
            fit_cca(NAMED, build_snapshot(Tables.open(tables), SMALL_RECIPE, tmp_path / "s"), 0)

    refused(lambda i: chr(0x4E00 + i), "names: found no n-gram in 3 artists' names; wanted some, or name = false")
    refused(lambda _: "Various Artists", "names: found the same vector for all 59 artists")


def test_a_modality_called_name_is_refused(tmp_path: Path) -> None:
    tables = small_world(tmp_path / "tables")
    pq.write_table(pq.read_table(tables / "audio.parquet").drop_columns(["track_id"]), tables / "name.parquet")
    snapshot = build_snapshot(Tables.open(tables), SMALL_RECIPE, tmp_path / "s")
    with pytest.raises(ConfigError, match=r"name = true: found a modality called name in snapshot \w+; wanted another"):
        fit_cca(NAMED, snapshot, 0)
