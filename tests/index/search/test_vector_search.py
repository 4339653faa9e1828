from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import riyl.index.artifact.ivf
import riyl.index.search.vector_search
from riyl.core.errors import InputError
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Mask
from riyl.index.artifact.ivf import IvfIndex
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.search.candidate_mask import CandidateMask
from riyl.index.search.filters import AttributeFilter, Filters, Range
from riyl.index.search.query import POPULARITY, Query, QueryVector, build_query
from riyl.index.search.vector_search import VectorSearch
from riyl.training.config import load_config
from riyl.training.train import train
from tests.index.conftest import CROWD

N = CROWD


@pytest.fixture
def version(crowd: Version) -> Version:
    return crowd


@pytest.fixture
def celled(crowd_snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """Build the same version as for many artists, with IVF lists."""
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 100)
    monkeypatch.setattr(riyl.index.artifact.ivf, "_A_CELL", 4)
    monkeypatch.setattr(riyl.index.search.vector_search, "IVF_MIN_ARTISTS", 100)
    monkeypatch.setattr(riyl.index.search.vector_search, "EXACT_UP_TO", 20)
    return build_version(
        train(*load_config("default"), crowd_snapshot, tmp_path / "models"), crowd_snapshot, tmp_path / "versions"
    )


def artist(version: Version, row: int, weight: float = 1.0) -> QueryVector:
    calibration = version.scoring.c[version.patterns[row]]
    return QueryVector(version.embeddings[row].astype(float), {}, calibration, weight, row, version.artist_ids[row])


def by_hand(version: Version, query: Query) -> np.ndarray:
    """Compute the formula one artist at a time from the query's seeds, (n,); NaN without embedding."""
    order = np.sort(version.listeners)
    terms_weight, avoid_weight = sum(t.weight for t in query.terms), sum(t.weight for t in query.avoid)
    q = sum(t.weight / terms_weight * t.vector for t in query.terms)
    for t in query.avoid:
        q = q - 0.5 * t.weight / avoid_weight * t.vector
    q = q / np.sqrt((q * q).sum())
    scores = np.full(version.n_artists, np.nan)
    for y in np.flatnonzero(version.has_embedding):
        scores[y] = sum(float(a) * float(b) for a, b in zip(q, version.embeddings[y], strict=True))
        if not query.uncorrected:
            scores[y] -= version.scoring.h[y]
            for t in query.terms:
                assert t.row is not None
                c = version.scoring.c[version.patterns[t.row], version.patterns[y]]
                scores[y] += t.weight / terms_weight * c
        below = np.searchsorted(order, version.listeners[y], "left")
        equal = np.searchsorted(order, version.listeners[y], "right") - below
        scores[y] += query.popularity * (2 * (below + equal / 2) / len(order) - 1)
    return scores


def masks(n: int) -> dict[str, Mask]:
    rng = np.random.default_rng(0)
    single = np.zeros(n, bool)
    single[37] = True
    far = np.arange(n) % 9 == 1  # of one scene, mostly not that of the query
    return {
        "all": np.ones(n, bool),
        "one in nine, far": far,
        "one in ten": rng.random(n) < 0.1,
        "one": single,
        "none": np.zeros(n, bool),
    }


def anyone(version: Version) -> CandidateMask:
    return CandidateMask.of(np.ones(N, bool), version.has_embedding)


QUERIES = {
    "one": {"terms": {3: 1.0}},
    "two, weighted": {"terms": {3: 1.0, 50: 2.5}},
    "avoiding": {"terms": {3: 1.0, 6: 1.0}, "against": {12: 1.0, 8: 3.0}},
    "raw": {"terms": {3: 1.0, 50: 2.5}, "uncorrected": True},
    "the obscure": {"terms": {3: 1.0}, "popularity": -1.0},
    "the popular": {"terms": {3: 1.0, 4: 1.0}, "popularity": 0.5, "against": {9: 1.0}},
}


def made(version: Version, parameters: dict) -> Query:  # type: ignore[type-arg]
    return build_query(
        [artist(version, row, weight) for row, weight in parameters["terms"].items()],
        [artist(version, row, weight) for row, weight in parameters.get("against", {}).items()],
        popularity=parameters.get("popularity", 0.0),
        uncorrected=parameters.get("raw", False),
    )


@pytest.mark.parametrize("query_name", QUERIES)
@pytest.mark.parametrize("candidates", ["all", "one in ten", "one in nine, far", "one", "none"])
def test_answers_are_those_of_the_formula(version: Version, query_name: str, candidates: str) -> None:
    query, mask = made(version, QUERIES[query_name]), masks(N)[candidates]
    scores = by_hand(version, query)
    wanted = np.sort(scores[mask & version.has_embedding])[::-1]
    neighbours = VectorSearch(version).nearest(query, 15, CandidateMask.of(mask, version.has_embedding))
    assert len(neighbours.rows) == min(15, len(wanted)) == len(set(neighbours.rows.tolist()))
    assert mask[neighbours.rows].all()
    np.testing.assert_allclose(neighbours.scores, wanted[:15], atol=2e-6)
    np.testing.assert_allclose(neighbours.scores, scores[neighbours.rows], atol=2e-6)


@pytest.mark.parametrize("query_name", QUERIES)
@pytest.mark.parametrize("candidates", ["all", "one in ten", "one in nine, far", "one", "none"])
def test_cells_find_them_too(celled: Version, query_name: str, candidates: str) -> None:
    assert IvfIndex.open(celled.files["embeddings.faiss"], *celled.stored_shape) is not None
    query, mask = made(celled, QUERIES[query_name]), masks(N)[candidates]
    wanted = np.sort(by_hand(celled, query)[mask & celled.has_embedding])[::-1][:15]
    neighbours = VectorSearch(celled).nearest(query, 15, CandidateMask.of(mask, celled.has_embedding))
    assert len(neighbours.rows) == len(wanted)
    assert mask[neighbours.rows].all()
    good = np.count_nonzero(neighbours.scores >= wanted[-1] - 1e-5) if len(wanted) else 0
    assert good >= 0.9 * len(wanted)


def test_more_than_there_are_gives_all_there_are(celled: Version) -> None:
    neighbours = VectorSearch(celled).nearest(made(celled, QUERIES["one"]), 1000, anyone(celled))
    assert sorted(neighbours.rows.tolist()) == np.flatnonzero(celled.has_embedding).tolist()


@pytest.mark.parametrize("k", [1, 10, 1000])
@pytest.mark.parametrize("celled_or_not", ["celled", "version"])
def test_some_are_left_out_whether_they_are_allowed_or_not(
    k: int, celled_or_not: str, request: pytest.FixtureRequest
) -> None:
    version: Version = request.getfixturevalue(celled_or_not)
    mask = np.arange(N) % 2 == 0
    vector_search, query = VectorSearch(version), made(version, QUERIES["two, weighted"])
    best = vector_search.nearest(query, 2, CandidateMask.of(mask, version.has_embedding)).rows
    without = np.array([best[1], 1, best[0], best[1], N - 1], np.int64)  # odd rows, a repeated and an unknown one
    neighbours = vector_search.nearest(query, k, CandidateMask.of(mask, version.has_embedding), without=without)
    left = mask & version.has_embedding
    left[without] = False
    wanted = vector_search.nearest(query, k, CandidateMask.of(left, version.has_embedding))
    np.testing.assert_array_equal(neighbours.rows, wanted.rows)
    assert len(neighbours.rows) == min(k, np.count_nonzero(left))


def test_cells_of_an_older_layout_are_not_asked(celled: Version) -> None:
    settings = {name: value for name, value in celled.manifest["settings"].items() if name != "beside"}
    old = VectorSearch(Version(celled.folder, {**celled.manifest, "settings": settings}))
    (celled.folder / "embeddings.faiss").unlink()  # opening it again would fail
    query = made(celled, QUERIES["one"])
    wanted = np.sort(by_hand(celled, query)[celled.has_embedding])[::-1][:15]
    np.testing.assert_allclose(old.nearest(query, 15, anyone(celled)).scores, wanted, atol=2e-6)


def test_conditions_are_kept_the_last_ones(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    vector_search = VectorSearch(version)
    mask = vector_search.passing(Filters(listeners=Range(low=2)))
    assert vector_search.passing(Filters(listeners=Range(low=2))) is mask
    assert mask.rows.tolist() == np.flatnonzero((version.listeners >= 2) & version.has_embedding).tolist()
    monkeypatch.setattr(riyl.index.search.vector_search, "_KEPT", 1)
    assert vector_search.passing(Filters(listeners=Range(low=3))) is not mask
    assert vector_search.passing(Filters(listeners=Range(low=2))) is not mask


def test_true_is_another_condition_than_1(version: Version) -> None:
    artists = version.artists.append_column("begun", pa.array([1] * N))
    changed_version = replace(version)
    changed_version.__dict__["artists"] = artists
    vector_search = VectorSearch(changed_version)
    assert (
        len(vector_search.passing(Filters({"begun": AttributeFilter(any_of=(1,))})).rows) == version.has_embedding.sum()
    )
    with pytest.raises(InputError, match="found True; wanted a value of type int64"):
        vector_search.passing(Filters({"begun": AttributeFilter(any_of=(True,))}))


def test_equal_artists_stand_by_their_hash_however_many_they_are(version: Version) -> None:
    query = made(version, QUERIES["one"])
    all_neighbours = VectorSearch(version).nearest(query, N, anyone(version))
    for k in (1, 7, 20):
        neighbours = VectorSearch(version).nearest(query, k, anyone(version))
        np.testing.assert_array_equal(neighbours.rows, all_neighbours.rows[:k])


@pytest.mark.parametrize("diversity", [0.2, 0.7, 1.0])
def test_diversity_is_maximal_marginal_relevance(version: Version, diversity: float) -> None:
    query = made(version, QUERIES["two, weighted"])
    vector_search = VectorSearch(version)
    pool = vector_search.nearest(query, 200, anyone(version))
    vectors = version.embeddings.astype(np.float64)
    chosen: list[int] = []
    left = dict(zip(pool.rows.tolist(), pool.scores.tolist(), strict=True))
    while len(chosen) < 12:
        worth = {
            row: score
            if not chosen
            else (1 - diversity) * score - diversity * max(float(vectors[row] @ vectors[z]) for z in chosen)
            for row, score in left.items()
        }
        best = max(worth.values())
        pick = next(row for row in left if worth[row] >= best - 1e-6)
        chosen.append(pick)
        del left[pick]
    neighbours = vector_search.nearest(query, 12, anyone(version), diversity=diversity)
    assert neighbours.rows[0] == pool.rows[0]
    ours, theirs = (min(_closest(vectors, rows)) for rows in (neighbours.rows.tolist(), chosen))
    assert ours == pytest.approx(theirs, abs=1e-5) or neighbours.rows.tolist() == chosen


def _closest(vectors: np.ndarray, rows: list[int]) -> list[float]:
    return [max(float(vectors[a] @ vectors[b]) for b in rows[:i]) for i, a in enumerate(rows) if i]


def test_popularity_moves_the_answer_to_the_obscure(version: Version) -> None:
    assert POPULARITY > 0
    listeners = [
        float(version.listeners[VectorSearch(version).nearest(query, 30, anyone(version)).rows].mean())
        for query in (made(version, {"terms": {3: 1.0}, "popularity": p}) for p in (-1.0, 0.0, 1.0))
    ]
    assert listeners[0] <= listeners[1] <= listeners[2]
    assert listeners[0] < listeners[2]


@pytest.mark.parametrize(("k", "diversity"), [(0, 0.0), (3, -0.1), (3, 1.5)])
def test_nonsense_is_refused(version: Version, k: int, diversity: float) -> None:
    with pytest.raises(InputError, match="k and diversity"):
        VectorSearch(version).nearest(made(version, QUERIES["one"]), k, anyone(version), diversity=diversity)


def test_a_search_is_quick_where_few_are_compared(celled: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    probing = celled.manifest["ivf"]
    compared = int(N * probing["nprobe"] / probing["nlist"])
    vector_search = VectorSearch(celled)
    monkeypatch.setattr(riyl.index.search.vector_search, "QUICK", N - 1)
    monkeypatch.setattr(riyl.index.search.vector_search, "QUICK_CELLS", compared + 1)
    assert vector_search.is_cheap
    monkeypatch.setattr(riyl.index.search.vector_search, "QUICK_CELLS", compared - 1)
    assert not vector_search.is_cheap
