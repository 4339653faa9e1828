from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.core.errors import InputError
from riyl.core.ranking_metrics import gini, ndcg, retrieval_counts
from riyl.core.storage.ground_truth import Truth, save_truth
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.conditions import conditions_of
from riyl.evaluation.protocol import Setup, evaluate
from riyl.evaluation.retrieval import System
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.version import Version
from riyl.index.build.neighbour_lists import Catalog, ready_lists, restrict
from riyl.index.encoding.embed import embed
from riyl.index.export import export_neighbours
from riyl.index.scoring.score import Scoring
from riyl.index.scoring.tie_breaking import tie_break_rank

# Unit vectors whose products are exact in float32: the corners of the 24-cell, so that most scores tie.
CORNERS = np.array(
    [*(sign * row for row in np.eye(4) for sign in (1, -1)), *itertools.product((0.5, -0.5), repeat=4)], np.float32
)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 320), st.integers(1, 24), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_ready_lists_equal_brute_force_where_most_scores_tie(n: int, kinds: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    has_embedding = rng.random(n) < share
    vectors = CORNERS[rng.integers(0, kinds, n)]
    vectors[~has_embedding] = 0
    ids = [f"artist {i}" for i in rng.permutation(n)]
    lists, scores = ready_lists(Catalog(ids, vectors, has_embedding, np.zeros(n, np.int32), Scoring.none(n, 1)))
    order = tie_break_rank(ids, 0)
    assert lists.shape == scores.shape == (n, LIST_LENGTH)
    for x in range(n):
        others = [y for y in range(n) if has_embedding[x] and has_embedding[y] and y != x]
        score = {y: float(np.dot(vectors[x], vectors[y])) for y in others}
        wanted = sorted(others, key=lambda y: (-score[y], order[y]))[:LIST_LENGTH]
        assert lists[x].tolist() == wanted + [-1] * (LIST_LENGTH - len(wanted))
        assert scores[x, : len(wanted)].tolist() == [score[y] for y in wanted]
        assert np.isnan(scores[x, len(wanted) :]).all()


def test_corrections_decide_the_lists() -> None:
    vectors = CORNERS[[0, 0, 0, 0]]
    scoring = Scoring(np.array([0, 0.5, 0, 0.25], np.float32), np.array([[0, 1], [0, 0]], np.float32))
    catalog = Catalog(list("abcd"), vectors, np.ones(4, bool), np.array([0, 0, 0, 1], np.int32), scoring)
    lists, scores = ready_lists(catalog)
    assert lists[0, :3].tolist() == [3, 2, 1]
    assert scores[0, :3].tolist() == [1.75, 1, 0.5]
    assert lists[3, 2] == 1


@pytest.fixture(scope="module")
def truth(named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    rng = np.random.default_rng(3)
    pairs = [(f"a{i:03d}", f"a{j:03d}") for i, j in rng.integers(0, 60, (250, 2))]
    table = pa.table({"artist_id": [a for a, _ in pairs], "similar_id": [b for _, b in pairs]})
    return save_truth(tmp_path_factory.mktemp("truths"), "made", table, directed=False, source="test")


def exported(path: Path) -> list[dict[str, object]]:
    return list(pq.read_table(path).to_pylist())


@pytest.mark.parametrize("k", [7, 200])
@pytest.mark.parametrize("which", [0, 1])
def test_exported_lists_score_exactly_what_the_evaluation_says(
    version: Version, named_model: Model, named_snapshot: Snapshot, truth: Truth, tmp_path: Path, which: int, k: int
) -> None:
    condition = conditions_of(named_snapshot)[which]
    keep = None if condition.name == "raw" else restrict(version, ["audio", "cf", "tags"])
    export_neighbours(version, tmp_path / "out.parquet", k, keep=keep)
    ids = named_snapshot.artist_ids
    members = [ids[row] for row in condition.rows]
    lists: dict[str, list[str]] = {artist: [] for artist in members}
    for line in exported(tmp_path / "out.parquet"):
        assert line["rank"] == len(lists[str(line["artist_id"])]) + 1
        lists[str(line["artist_id"])].append(str(line["similar_id"]))
    # scored in a second way: sets of ids from the pairs as given
    similar: dict[str, set[str]] = {artist: set() for artist in members}
    for pair in truth.pairs.to_pylist():
        for a, b in (pair.values(), reversed(pair.values())):
            if a in similar and b in similar and a != b:
                similar[a].add(b)
    queries = [artist for artist in members if similar[artist]]
    hits = np.zeros((len(queries), k), bool)
    for i, artist in enumerate(queries):
        for j, other in enumerate(lists[artist]):
            hits[i, j] = other in similar[artist]
    figures = ndcg(hits, np.array([len(similar[artist]) for artist in queries]))
    counts = retrieval_counts(
        np.array(
            [[members.index(o) for o in similar_ids] + [-1] * (k - len(similar_ids)) for similar_ids in lists.values()],
            np.int32,
        ),
        len(members),
    )
    embedding = embed(named_model, named_snapshot)
    system = System("made", embedding.vectors, embedding.vectors, embedding.covered)
    wanted = evaluate(system, condition, Setup(truth.relevance(ids), tie_break_rank(ids, 0), k=k, rounds=2))
    assert wanted.n_queries == len(queries) > 20
    assert figures.tolist() == wanted.ndcg.tolist()
    assert gini(counts) == wanted.gini


def test_hubness_is_measured_anew_among_the_artists_that_are_kept(corrected: Version, tmp_path: Path) -> None:
    keep = restrict(corrected, ["audio", "cf", "tags"])
    rows = np.flatnonzero(keep & corrected.has_embedding)
    export_neighbours(corrected, tmp_path / "o.parquet", 5, keep=keep)
    e, settings = corrected.embeddings[rows].astype(np.float64), corrected.scoring.settings
    pattern = corrected.patterns_of_modalities.index(("audio", "cf", "tags"))
    scores = e @ e.T + corrected.scoring.c[pattern, pattern]
    np.fill_diagonal(scores, -np.inf)
    h = settings.hubness * np.sort(scores, axis=0)[::-1][: settings.neighbours].mean(axis=0)
    assert np.abs(h - corrected.scoring.h[rows]).max() > 0.01
    for line in exported(tmp_path / "o.parquet"):
        x, y = (int(np.searchsorted(rows, int(str(line[c])[1:]))) for c in ("artist_id", "similar_id"))
        wanted = sorted(scores[x] - h)[::-1]
        assert math.isclose(float(str(line["score"])), scores[x, y] - h[y], abs_tol=1e-5)
        assert math.isclose(float(str(line["score"])), wanted[int(str(line["rank"])) - 1], abs_tol=1e-5)


def test_ready_and_recomputed_lists_of_corrected_scores_are_the_same(corrected: Version, tmp_path: Path) -> None:
    export_neighbours(corrected, tmp_path / "ready.parquet", 200)
    export_neighbours(corrected, tmp_path / "again.parquet", 200, keep=np.ones(60, bool))
    assert exported(tmp_path / "ready.parquet") == exported(tmp_path / "again.parquet")


def test_ready_and_recomputed_lists_are_are_the_same(version: Version, tmp_path: Path) -> None:
    export_neighbours(version, tmp_path / "ready.parquet", 200)
    export_neighbours(version, tmp_path / "again.parquet", 200, keep=np.ones(60, bool))
    assert exported(tmp_path / "ready.parquet") == exported(tmp_path / "again.parquet")


def test_lists_longer_than_the_ready_ones_are_made(version: Version, tmp_path: Path) -> None:
    assert export_neighbours(version, tmp_path / "long.parquet", 1000) == 59
    assert pq.read_metadata(tmp_path / "long.parquet").num_rows == 59 * 58


def test_only_keeps_queries_and_candidates_alike(version: Version, tmp_path: Path) -> None:
    keep = restrict(version, None, ["a003", "a000", "a059", "a031"])
    assert export_neighbours(version, tmp_path / "o.parquet", 10, keep=keep) == 3
    lines = exported(tmp_path / "o.parquet")
    assert [(line["artist_id"], line["rank"]) for line in lines] == [
        (a, rank) for a in ("a000", "a003", "a031") for rank in (1, 2)
    ]
    vectors = {a: version.embeddings[int(a[1:])] for a in ("a000", "a003", "a031")}
    for line in lines:
        pair = (vectors[str(line["artist_id"])], vectors[str(line["similar_id"])])
        assert math.isclose(float(str(line["score"])), float(np.dot(*pair)), abs_tol=1e-6)
        assert line["artist_id"] != line["similar_id"]


def test_having_and_only_narrow_each_other(version: Version) -> None:
    keep = restrict(version, ["tags"], ["a000", "a004", "a001"])
    assert np.flatnonzero(keep).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("having", "only", "message"),
    [
        (["tags", "smell"], None, "modalities: found smell; wanted some of audio, cf, tags"),
        ([], None, "modalities: found none; wanted some of audio, cf, tags"),
        (None, ["a000", "zz", "yy"], "artists: found 2 ids that version .* lacks, 'zz' first"),
        (None, [], "artists: found no ids"),
    ],
)
def test_what_the_version_has_not_is_refused(
    version: Version, having: list[str] | None, only: list[str] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        restrict(version, having, only)


def test_an_export_of_nobody_is_an_empty_table(version: Version, tmp_path: Path) -> None:
    assert export_neighbours(version, tmp_path / "o.parquet", 10, keep=np.zeros(60, bool)) == 0
    assert exported(tmp_path / "o.parquet") == []


def test_a_failed_export_leaves_the_old_file(version: Version, tmp_path: Path) -> None:
    def fail(step: str, done: int, total: int) -> None:
        if step == "write":
            raise KeyboardInterrupt

    (tmp_path / "o.parquet").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        export_neighbours(version, tmp_path / "o.parquet", 10, progress=fail)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("o.parquet", b"old")]
