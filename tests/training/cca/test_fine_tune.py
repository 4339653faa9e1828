from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

import riyl.training.cca.fine_tune
from riyl.core.errors import ConfigError, InputError
from riyl.core.storage.ground_truth import Truth, save_truth
from riyl.core.storage.model import Model
from riyl.core.storage.part import NAME
from riyl.core.storage.relations import Relation
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Progress, silent
from riyl.index.encoding.embed import parts_of
from riyl.training.cca.fine_tune import FineTuned, fine_tune
from riyl.training.cca.fit import fit_cca
from riyl.training.cca.supervision import SimilarityPairs, read_similarity_pairs
from riyl.training.config import CcaConfig, FineTuneConfig, load_config
from riyl.training.train import train

CONFIG = CcaConfig(
    method="cca",
    tfidf_dims=0,
    supervision=FineTuneConfig(hidden=8, max_epochs=40, patience=40, batch_size=8, learning_rate=0.01),
)


def partners(snapshot: Snapshot) -> pa.Table:
    """Build pairs of artists of one scene and one of two camps; only one number of audio tells the camps apart."""
    camp = np.array(snapshot.modalities["audio"].vectors[:, 5] > 0)
    ids = snapshot.artist_ids
    pairs = [(i, j) for i in range(58) for j in range(i + 1, 59) if i % 3 == j % 3 and camp[i] == camp[j]]
    return pa.table({"artist_id": [ids[i] for i, _ in pairs], "similar_id": [ids[j] for _, j in pairs]})


def refined(
    snapshot: Snapshot,
    pairs: SimilarityPairs,
    checkpoint: Path,
    seed: int = 0,
    progress: Progress = silent,
    **changes: int,
) -> FineTuned:
    """Refine the closed form of `CONFIG` with some settings of its supervision changed."""
    parts, views = fit_cca(CONFIG, snapshot, 0)
    settings = CONFIG.supervision.model_copy(update=changes)
    return fine_tune(parts, views, pairs, settings, seed=seed, checkpoint=checkpoint, progress=progress)


@pytest.fixture(scope="module")
def truth(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return save_truth(tmp_path_factory.mktemp("l"), "camps", partners(snapshot), directed=False, source="test")


@pytest.fixture(scope="module")
def linked(snapshot: Snapshot, truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train("default-supervised", CONFIG, snapshot, tmp_path_factory.mktemp("models"), relations=[Relation(truth)])


def unit(model: Model, snapshot: Snapshot) -> np.ndarray:
    total = np.zeros((snapshot.n_artists, model.dim), np.float32)
    for name in model.parts:
        total[snapshot.modalities[name].rows] += parts_of(model, snapshot, name)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))


def test_onnx_parts_are_the_straight_map_and_the_bend(
    snapshot: Snapshot, truth: Truth, linked: Model, tmp_path: Path
) -> None:
    _, views = fit_cca(CONFIG, snapshot, 0)
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    for name, part in refined(snapshot, similarity_pairs, tmp_path / "c").parts.items():
        z = views[name].read(0, len(views[name].modality.rows))
        assert part.residual is not None
        hidden = np.maximum(z @ part.residual.inner + part.residual.bias, 0)
        wanted = z @ part.weights + hidden @ part.residual.outer
        np.testing.assert_allclose(parts_of(linked, snapshot, name), wanted, atol=2e-5)
        assert np.abs(part.residual.outer).max() > 0


def test_it_learns_what_only_the_links_tell(snapshot: Snapshot, truth: Truth, linked: Model, tmp_path: Path) -> None:
    plain = train("default", CONFIG, snapshot, tmp_path)
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    learnt = similarity_pairs.rows[~similarity_pairs.back]
    graph = similarity_pairs.graph[~similarity_pairs.back][:, ~similarity_pairs.back].toarray() > 0
    scene = learnt % 3
    others = (scene[:, None] == scene) & ~graph & ~np.eye(len(learnt), dtype=bool)

    def apart(model: Model) -> float:
        vectors = unit(model, snapshot)[learnt]
        cosines = vectors @ vectors.T
        return float(cosines[graph].mean() - cosines[others].mean())

    assert apart(linked) > apart(plain) + 0.05


def test_nothing_is_learnt_from_links_that_touch_the_kept_back(
    snapshot: Snapshot, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([0.1, 0.2, 0.1, 0.2])
    monkeypatch.setattr(riyl.training.cca.fine_tune, "_judge", lambda *_: next(judged))
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    back = {artist for artist, mark in zip(similarity_pairs.ids, similarity_pairs.back, strict=True) if mark}
    pairs = truth.pairs.to_pylist()
    assert any(pair["artist_id"] in back or pair["similar_id"] in back for pair in pairs)
    parts, _ = fit_cca(CONFIG, snapshot, 0)
    full = refined(snapshot, similarity_pairs, tmp_path / "full", max_epochs=1)
    cut = similarity_pairs.graph.toarray()
    cut[similarity_pairs.back] = 0
    cut[:, similarity_pairs.back] = 0
    without = refined(snapshot, replace(similarity_pairs, graph=sp.csr_matrix(cut)), tmp_path / "cut", max_epochs=1)
    assert full.scores["supervision_epoch"] == without.scores["supervision_epoch"] == 1
    for name in parts:
        np.testing.assert_array_equal(full.parts[name].weights, without.parts[name].weights)
        assert np.abs(full.parts[name].weights - parts[name].weights).max() > 0


def test_the_best_epoch_is_kept_and_training_ends_after_patience(
    snapshot: Snapshot, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([0.1, 0.3, 0.2, 0.25, 0.4])
    monkeypatch.setattr(riyl.training.cca.fine_tune, "_judge", lambda *_: next(judged))
    parts, _ = fit_cca(CONFIG, snapshot, 0)
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    result = refined(snapshot, similarity_pairs, tmp_path / "c", patience=2)
    assert result.scores == {"supervision_start": 0.1, "supervision_best": 0.3, "supervision_epoch": 1.0}
    judged = iter([0.1, 0.3])
    once = refined(snapshot, similarity_pairs, tmp_path / "once", max_epochs=1)
    for name in parts:
        np.testing.assert_array_equal(result.parts[name].weights, once.parts[name].weights)


def test_where_no_epoch_is_better_the_closed_form_stays(
    snapshot: Snapshot, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = iter([0.5, 0.3, 0.2])
    monkeypatch.setattr(riyl.training.cca.fine_tune, "_judge", lambda *_: next(judged))
    parts, _ = fit_cca(CONFIG, snapshot, 0)
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    result = refined(snapshot, similarity_pairs, tmp_path / "c", patience=2)
    for name, part in parts.items():
        np.testing.assert_array_equal(result.parts[name].weights, part.weights)
        assert result.parts[name].residual is not None
        assert not np.any(result.parts[name].residual.outer)


def test_the_judge_is_the_ndcg_of_the_kept_back_by_all_their_links(
    snapshot: Snapshot, truth: Truth, tmp_path: Path
) -> None:
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    plain = train("default", CONFIG, snapshot, tmp_path)
    vectors = unit(plain, snapshot)[similarity_pairs.rows].astype(np.float64)
    scores = []
    for at in np.flatnonzero(similarity_pairs.back):
        order = sorted((o for o in range(len(vectors)) if o != at), key=lambda o: -float(vectors[at] @ vectors[o]))
        gains = [1 / np.log2(rank + 2) for rank, o in enumerate(order) if similarity_pairs.graph[at, o]]
        scores.append(sum(gains) / sum(1 / np.log2(rank + 2) for rank in range(len(gains))))
    result = refined(snapshot, similarity_pairs, tmp_path / "c", max_epochs=1)
    assert result.scores["supervision_start"] == pytest.approx(np.mean(scores), abs=1e-5)


def test_the_judge_counts_pairs_by_their_weights(snapshot: Snapshot, truth: Truth, tmp_path: Path) -> None:
    half = save_truth(tmp_path / "l", "half", truth.pairs.slice(0, 200), directed=False, source="test")
    relations = [Relation(truth, 0.5), Relation(half, 2.0)]
    similarity_pairs = read_similarity_pairs(relations, snapshot, CONFIG.supervision, 0)
    weights = similarity_pairs.graph.toarray()
    assert set(np.unique(weights)) == {0, 0.5, 2.5}
    vectors = unit(train("default", CONFIG, snapshot, tmp_path / "m"), snapshot)[similarity_pairs.rows]
    scores = []
    for at in np.flatnonzero(similarity_pairs.back):
        order = sorted((o for o in range(len(vectors)) if o != at), key=lambda o: -float(vectors[at] @ vectors[o]))
        gain = sum(weights[at, o] / np.log2(rank + 2) for rank, o in enumerate(order))
        best = sum(w / np.log2(rank + 2) for rank, w in enumerate(sorted(weights[at].tolist(), reverse=True)))
        scores.append(gain / best)
    result = refined(snapshot, similarity_pairs, tmp_path / "c", max_epochs=1)
    assert result.scores["supervision_start"] == pytest.approx(np.mean(scores), abs=1e-5)


def test_the_id_of_a_model_depends_on_its_relations_and_weights_not_on_their_order(
    snapshot: Snapshot, truth: Truth, tmp_path: Path
) -> None:
    other = save_truth(tmp_path / "l", "other", truth.pairs.slice(0, 200), directed=False, source="test")
    config = CONFIG.model_copy(update={"supervision": CONFIG.supervision.model_copy(update={"max_epochs": 1})})

    def trained(*relations: Relation) -> Model:
        return train("short", config, snapshot, tmp_path / "m", relations=relations)

    both = trained(Relation(truth), Relation(other, 0.5))
    assert both.relations == {truth.id: 1.0, other.id: 0.5}
    assert trained(Relation(other, 0.5), Relation(truth)).id == both.id
    models = [trained(Relation(truth)), trained(Relation(other)), trained(Relation(truth), Relation(other)), both]
    assert len({model.id for model in models}) == 4
    with pytest.raises(InputError, match="found camps .* twice"):
        trained(Relation(truth), Relation(truth, 2))


def test_few_candidates_always_hold_one_that_is_linked(snapshot: Snapshot, truth: Truth) -> None:
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    batch = np.arange(10)
    candidates = riyl.training.cca.fine_tune._candidates(similarity_pairs.graph, batch, 5, np.random.default_rng(0))
    assert len(candidates) <= 15
    assert (similarity_pairs.graph[batch][:, candidates].sum(axis=1) > 0).all()
    everyone = riyl.training.cca.fine_tune._candidates(similarity_pairs.graph, batch, 1000, np.random.default_rng(0))
    np.testing.assert_array_equal(everyone, np.arange(similarity_pairs.graph.shape[0]))


def test_the_card_says_what_it_learnt_from_and_the_same_again_is_found(
    snapshot: Snapshot, truth: Truth, linked: Model
) -> None:
    similarity_pairs = read_similarity_pairs([Relation(truth)], snapshot, CONFIG.supervision, 0)
    described = dict(linked.card["supervision"])
    (relation,) = described.pop("relations")
    assert relation == {
        "id": truth.id, "name": "camps", "weight": 1, "pairs": truth.pairs.num_rows, "unknown_pairs": 0,
    }  # fmt: skip
    assert described == {
        "artists": len(similarity_pairs.ids),
        "validation": int(similarity_pairs.back.sum()),
        "pairs": truth.pairs.num_rows,
    }
    assert not list(linked.folder.parent.glob(".training-*"))
    assert linked.supervised_artists == similarity_pairs.ids
    again = train("default-supervised", CONFIG, snapshot, linked.folder.parent, relations=[Relation(truth)])
    assert again.id == linked.id
    plain = train("default", CONFIG, snapshot, linked.folder.parent)
    assert plain.id != linked.id
    assert (plain.supervised_artists, "supervision" in plain.card) == ([], False)


def test_the_map_of_the_name_is_not_refined(linked: Model, snapshot: Snapshot, truth: Truth, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"name": True})
    named = train("named", config, snapshot, tmp_path, relations=[Relation(truth)])
    for modality in linked.parts:
        assert named.onnx(modality).read() == linked.onnx(modality).read()
    assert named.onnx(NAME).read() == train("plain", config, snapshot, tmp_path).onnx(NAME).read()


def test_the_papers_method_takes_no_links(snapshot: Snapshot, truth: Truth, tmp_path: Path) -> None:
    name, config = load_config("paper-msd")
    with pytest.raises(ConfigError, match="config paper-msd: found supervision with the method contrastive; wanted"):
        train(name, config, snapshot, tmp_path, relations=[Relation(truth)])
    assert list(tmp_path.iterdir()) == []
