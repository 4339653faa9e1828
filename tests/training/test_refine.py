from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

import training.refine
from core.errors import ConfigError
from core.model import Model
from core.snapshot import Snapshot
from core.truth import Truth, save_truth
from index.embed import parts_of
from training.cca import fit_cca
from training.config import CcaConfig, LinksConfig, load_config
from training.links import read_links
from training.refine import refine
from training.train import train

CONFIG = CcaConfig(
    method="cca",
    tfidf_dims=0,
    links=LinksConfig(hidden=8, max_epochs=40, patience=40, batch_size=8, learning_rate=0.01),
)


def partners(snapshot: Snapshot) -> pa.Table:
    """Pairs of one scene and one of two camps, which one number of audio tells that no other modality knows of."""
    camp = np.array(snapshot.modalities["audio"].vectors[:, 5] > 0)
    ids = snapshot.artist_ids
    pairs = [(i, j) for i in range(58) for j in range(i + 1, 59) if i % 3 == j % 3 and camp[i] == camp[j]]
    return pa.table({"artist_id": [ids[i] for i, _ in pairs], "similar_id": [ids[j] for _, j in pairs]})


@pytest.fixture(scope="module")
def truth(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return save_truth(tmp_path_factory.mktemp("l"), "camps", partners(snapshot), directed=False, source="test")


@pytest.fixture(scope="module")
def linked(snapshot: Snapshot, truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train("default-linked", CONFIG, snapshot, tmp_path_factory.mktemp("models"), links=truth)


def unit(model: Model, snapshot: Snapshot) -> np.ndarray:
    total = np.zeros((snapshot.n_artists, model.dim), np.float32)
    for name in model.parts:
        total[snapshot.modalities[name].rows] += parts_of(model, snapshot, name)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))


def test_onnx_parts_are_the_straight_map_and_the_bend(snapshot: Snapshot, truth: Truth, linked: Model) -> None:
    parts, views = fit_cca(CONFIG, snapshot, 0)
    links = read_links(truth, snapshot, CONFIG.links, 0)
    for name, part in refine(parts, views, links, CONFIG.links, seed=0).parts.items():
        z = views[name].read(0, len(views[name].modality.rows))
        assert part.bend is not None
        hidden = np.maximum(z @ part.bend.inner + part.bend.bias, 0)
        wanted = z @ part.weights + hidden @ part.bend.outer
        np.testing.assert_allclose(parts_of(linked, snapshot, name), wanted, atol=2e-5)
        assert np.abs(part.bend.outer).max() > 0


def test_it_learns_what_only_the_links_tell(snapshot: Snapshot, truth: Truth, linked: Model, tmp_path: Path) -> None:
    plain = train("default", CONFIG, snapshot, tmp_path)
    links = read_links(truth, snapshot, CONFIG.links, 0)
    learnt = links.rows[~links.back]
    graph = links.graph[~links.back][:, ~links.back].toarray() > 0
    scene = learnt % 3
    others = (scene[:, None] == scene) & ~graph & ~np.eye(len(learnt), dtype=bool)

    def apart(model: Model) -> float:
        vectors = unit(model, snapshot)[learnt]
        cosines = vectors @ vectors.T
        return float(cosines[graph].mean() - cosines[others].mean())

    assert apart(linked) > apart(plain) + 0.05


def test_nothing_is_learnt_from_links_that_touch_the_kept_back(
    snapshot: Snapshot, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([0.1, 0.2, 0.1, 0.2])
    monkeypatch.setattr(training.refine, "_judge", lambda *_: next(judged))
    links = read_links(truth, snapshot, CONFIG.links, 0)
    back = {artist for artist, mark in zip(links.ids, links.back, strict=True) if mark}
    pairs = truth.pairs.to_pylist()
    assert any(pair["artist_id"] in back or pair["similar_id"] in back for pair in pairs)
    parts, views = fit_cca(CONFIG, snapshot, 0)
    settings = CONFIG.links.model_copy(update={"max_epochs": 1})
    whole = refine(parts, views, links, settings, seed=0)
    cut = links.graph.toarray()
    cut[links.back] = 0
    cut[:, links.back] = 0
    without = refine(parts, views, replace(links, graph=sp.csr_matrix(cut)), settings, seed=0)
    assert whole.scores["links_epoch"] == without.scores["links_epoch"] == 1
    for name in parts:
        np.testing.assert_array_equal(whole.parts[name].weights, without.parts[name].weights)
        assert np.abs(whole.parts[name].weights - parts[name].weights).max() > 0


def test_the_best_epoch_is_kept_and_training_ends_after_patience(
    snapshot: Snapshot, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([0.1, 0.3, 0.2, 0.25, 0.4])
    monkeypatch.setattr(training.refine, "_judge", lambda *_: next(judged))
    parts, views = fit_cca(CONFIG, snapshot, 0)
    links = read_links(truth, snapshot, CONFIG.links, 0)
    found = refine(parts, views, links, CONFIG.links.model_copy(update={"patience": 2}), seed=0)
    assert found.scores == {"links_start": 0.1, "links_best": 0.3, "links_epoch": 1.0}
    judged = iter([0.1, 0.3])
    once = refine(parts, views, links, CONFIG.links.model_copy(update={"max_epochs": 1}), seed=0)
    for name in parts:
        np.testing.assert_array_equal(found.parts[name].weights, once.parts[name].weights)


def test_where_no_epoch_is_better_the_closed_form_stays(
    snapshot: Snapshot, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([0.5, 0.3, 0.2])
    monkeypatch.setattr(training.refine, "_judge", lambda *_: next(judged))
    parts, views = fit_cca(CONFIG, snapshot, 0)
    links = read_links(truth, snapshot, CONFIG.links, 0)
    found = refine(parts, views, links, CONFIG.links.model_copy(update={"patience": 2}), seed=0)
    for name, part in parts.items():
        np.testing.assert_array_equal(found.parts[name].weights, part.weights)
        assert found.parts[name].bend is not None
        assert not np.any(found.parts[name].bend.outer)


def test_the_judge_is_the_ndcg_of_the_kept_back_by_all_their_links(
    snapshot: Snapshot, truth: Truth, tmp_path: Path
) -> None:
    links = read_links(truth, snapshot, CONFIG.links, 0)
    plain = train("default", CONFIG, snapshot, tmp_path)
    vectors = unit(plain, snapshot)[links.rows].astype(np.float64)
    scores = []
    for at in np.flatnonzero(links.back):
        order = sorted((o for o in range(len(vectors)) if o != at), key=lambda o: -float(vectors[at] @ vectors[o]))
        gains = [1 / np.log2(rank + 2) for rank, o in enumerate(order) if links.graph[at, o]]
        scores.append(sum(gains) / sum(1 / np.log2(rank + 2) for rank in range(len(gains))))
    parts, views = fit_cca(CONFIG, snapshot, 0)
    found = refine(parts, views, links, CONFIG.links.model_copy(update={"max_epochs": 1}), seed=0)
    assert found.scores["links_start"] == pytest.approx(np.mean(scores), abs=1e-5)


def test_few_candidates_always_hold_one_that_is_linked(snapshot: Snapshot, truth: Truth) -> None:
    links = read_links(truth, snapshot, CONFIG.links, 0)
    batch = np.arange(10)
    found = training.refine._candidates(links.graph, batch, 5, np.random.default_rng(0))
    assert len(found) <= 15
    assert (links.graph[batch][:, found].sum(axis=1) > 0).all()
    everyone = training.refine._candidates(links.graph, batch, 1000, np.random.default_rng(0))
    np.testing.assert_array_equal(everyone, np.arange(links.graph.shape[0]))


def test_the_card_says_what_it_learnt_from_and_the_same_again_is_found(
    snapshot: Snapshot, truth: Truth, linked: Model
) -> None:
    links = read_links(truth, snapshot, CONFIG.links, 0)
    assert linked.card["links"] == {"id": truth.id, "name": "camps", **links.counts}
    assert linked.linked_artists == links.ids
    again = train("default-linked", CONFIG, snapshot, linked.folder.parent, links=truth)
    assert again.id == linked.id
    plain = train("default", CONFIG, snapshot, linked.folder.parent)
    assert plain.id != linked.id
    assert (plain.linked_artists, "links" in plain.card) == ([], False)


def test_the_papers_method_takes_no_links(snapshot: Snapshot, truth: Truth, tmp_path: Path) -> None:
    name, config = load_config("paper-msd")
    with pytest.raises(ConfigError, match="config paper-msd: found links beside the method contrastive; wanted"):
        train(name, config, snapshot, tmp_path, links=truth)
    assert list(tmp_path.iterdir()) == []
