"""Quality of the ways to query, on the real catalog: figures, not times. docs/model.md has them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from riyl.core.catalog.tables import Tables
from riyl.core.ranking_metrics import ndcg
from riyl.core.settings import Home
from riyl.core.storage.ground_truth import Relevance, find_truth
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.encoding.cold_start import ColdEncoder, cold_encoder
from riyl.index.search.filters import Filters
from riyl.index.search.query import Query, QueryVector, build_query
from riyl.index.search.vector_search import VectorSearch
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.benchmarks.conftest import Report, sized

pytestmark = pytest.mark.bench

K = 200
QUERIES, COMMON = sized((1000, 100), (40, 10))
HEARD = sized(10, 2)
"""Minimum number of listeners of the artists whose popularity is changed."""


def made(home: Home, tables: Tables) -> tuple[Version, Snapshot]:
    snapshot = build_snapshot(tables, Recipe(), home.snapshots)
    return build_version(train(*load_config("default"), snapshot, home.models), snapshot, home.versions), snapshot


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def olga(catalog: Path, home: Home) -> tuple[Version, Snapshot, Relevance]:
    tables = Tables.open(catalog)
    version, snapshot = made(home, tables)
    import_similar(tables, home.truths)
    return version, snapshot, find_truth(home.truths, None).relevance(version.artist_ids)


def artist(version: Version, row: int) -> QueryVector:
    return QueryVector(
        version.embeddings[row].astype(np.float64), {}, version.scoring.c[version.patterns[row]], row=row
    )


def cold(version: Version, encoder: ColdEncoder, parts: dict[str, NDArray[np.float32]]) -> QueryVector:
    unit, _ = encoder.embedding(parts)
    sets, modalities = version.patterns_of_modalities, tuple(sorted(parts))
    c = version.scoring.c[sets.index(modalities)] if modalities in sets else np.zeros(len(sets), np.float32)
    return QueryVector(unit.astype(np.float64), {}, c)


def linked(relevance: Relevance, row: int) -> set[int]:
    return set(relevance.columns[relevance.indptr[row] : relevance.indptr[row + 1]].tolist())


def quality(rows: NDArray[np.integer], wanted: set[int]) -> float:
    hits = np.isin(np.resize(rows, K), list(wanted)) & (np.arange(K) < len(rows))
    return float(ndcg(hits[None], np.array([len(wanted)]))[0])


def asked(version: Version, vector_search: VectorSearch, query: Query, without: list[int]) -> NDArray[np.integer]:
    return vector_search.nearest(query, K, vector_search.passing(Filters()), without=np.array(without, np.int64)).rows


def test_two_seeds_find_their_scene(olga: tuple[Version, Snapshot, Relevance], report: Report) -> None:
    version, _, relevance = olga
    vector_search, rng = VectorSearch(version), np.random.default_rng(0)
    qualities: dict[str, list[float]] = {"two seeds": [], "one seed": [], "mean of two lists": []}
    everyone = np.flatnonzero(version.has_embedding & (np.diff(relevance.indptr) >= 5))
    for a in rng.permutation(everyone).tolist():
        friends = [b for b in linked(relevance, a) if version.has_embedding[b] and len(linked(relevance, b)) >= 5]
        if not friends:
            continue
        b = friends[int(rng.integers(len(friends)))]
        wanted = (linked(relevance, a) | linked(relevance, b)) - {a, b}
        first, second = (artist(version, row) for row in (a, b))
        qualities["two seeds"].append(
            quality(asked(version, vector_search, build_query([first, second]), [a, b]), wanted)
        )
        lists = [asked(version, vector_search, build_query([term]), [a, b]) for term in (first, second)]
        qualities["one seed"].append(float(np.mean([quality(rows, wanted) for rows in lists])))
        ranks = Counter(dict.fromkeys({*lists[0].tolist(), *lists[1].tolist()}, 0.0))
        for rows in lists:
            place = {row: rank for rank, row in enumerate(rows.tolist())}
            for row in ranks:
                ranks[row] += place.get(row, K)
        mixed = np.array(sorted(ranks, key=lambda row: (ranks[row], row))[:K])
        qualities["mean of two lists"].append(quality(mixed, wanted))
        if len(qualities["two seeds"]) == QUERIES:
            break
    for name, scores in qualities.items():
        report(
            f"{name}: nDCG@{K} of the union of their links {np.mean(scores):.4f}, {len(scores)} pairs",
            **{f"{name}, ndcg": float(np.mean(scores))},
        )


def test_popularity_moves_the_median_listener(olga: tuple[Version, Snapshot, Relevance], report: Report) -> None:
    version, _, relevance = olga
    vector_search, rng = VectorSearch(version), np.random.default_rng(0)
    heard = version.has_embedding & (np.diff(relevance.indptr) > 0) & (version.listeners >= HEARD)
    rows = rng.permutation(np.flatnonzero(heard))[:QUERIES].tolist()
    report(f"{len(rows)} artists with {HEARD} listeners or more")
    for popularity in (-1.0, -0.5, 0.0, 0.5, 1.0):
        scores, listeners = [], []
        for row in rows:
            answer = asked(version, vector_search, build_query([artist(version, row)], popularity=popularity), [row])
            scores.append(quality(answer, linked(relevance, row)))
            listeners.append(version.listeners[answer[:20]])
        middle = np.median(np.concatenate(listeners))
        report(
            f"popularity {popularity}: nDCG@{K} {np.mean(scores):.4f}, median listeners of the first 20 {middle:.1f}",
            **{f"popularity {popularity}, ndcg": float(np.mean(scores)), f"popularity {popularity}, listeners": middle},
        )


def test_artists_stripped_and_asked_cold(olga: tuple[Version, Snapshot, Relevance], home: Home, report: Report) -> None:
    version, snapshot, relevance = olga
    vector_search, rng = VectorSearch(version), np.random.default_rng(0)
    encoder = cold_encoder(home.models, home.snapshots, version)
    full = snapshot.having(list(snapshot.modalities))
    rows = rng.permutation(np.flatnonzero(full & version.has_embedding & (np.diff(relevance.indptr) > 0)))[
        :QUERIES
    ].tolist()
    words, tags = version.terms("tags").to_pylist(), snapshot.modalities["tags"]
    assert tags.sets is not None
    scores: dict[str, list[float]] = {"full": [], "tags alone": [], "audio alone": [], "tags and audio": []}
    for row in rows:
        at = int(np.searchsorted(tags.rows, row))
        entry = slice(tags.sets.indptr[at], tags.sets.indptr[at + 1])
        tag_weights = {
            words[t]: float(w) for t, w in zip(tags.sets.terms[entry], tags.sets.weights[entry], strict=True)
        }
        part = encoder.from_tags(tag_weights).part
        assert part is not None
        audio = snapshot.modalities["audio"]
        sound = encoder.from_vector("audio", audio.vectors[int(np.searchsorted(audio.rows, row))])
        terms = {
            "full": artist(version, row),
            "tags alone": cold(version, encoder, {"tags": part}),
            "audio alone": cold(version, encoder, {"audio": sound}),
            "tags and audio": cold(version, encoder, {"audio": sound, "tags": part}),
        }
        for name, term in terms.items():
            scores[name].append(
                quality(asked(version, vector_search, build_query([term]), [row]), linked(relevance, row))
            )
    for name, values in scores.items():
        report(
            f"{name}: nDCG@{K} {np.mean(values):.4f}, {np.mean(values) / np.mean(scores['full']):.0%} of full",
            **{f"{name}, ndcg": float(np.mean(values))},
        )


def test_a_tag_finds_artists_whose_tag_is_hidden(catalog: Path, tmp_path: Path, report: Report) -> None:
    tables = catalog
    tag_table = pq.read_table(tables / "tags.parquet")
    ids = tag_table["artist_id"].to_pylist()
    words = [tag.strip().lower() for tag in tag_table["tag"].to_pylist()]
    holders: dict[str, set[str]] = {}
    for tag, artist_id in zip(words, ids, strict=True):
        holders.setdefault(tag, set()).add(artist_id)
    common = sorted(holders, key=lambda tag: (-len(holders[tag]), tag))[:COMMON]
    hidden = np.isin(words, common) & (np.random.default_rng(0).random(len(words)) < 0.5)
    for path in tables.glob("*.parquet"):
        (tmp_path / "t").mkdir(exist_ok=True)
        (tmp_path / "t" / path.name).symlink_to(path)
    (tmp_path / "t" / "tags.parquet").unlink()
    pq.write_table(tag_table.filter(pa.array(~hidden)), tmp_path / "t" / "tags.parquet")
    home = Home(tmp_path / "home")
    version, _ = made(home, Tables.open(tmp_path / "t"))
    encoder, vector_search = cold_encoder(home.models, home.snapshots, version), VectorSearch(version)
    at = {artist_id: row for row, artist_id in enumerate(version.artist_ids)}
    precisions, chances, shown = [], [], []
    for tag in common:
        has = {at[a] for a, word, is_hidden in zip(ids, words, hidden, strict=True) if word == tag and is_hidden}
        seen = {at[a] for a in holders[tag]} - has
        part = encoder.from_tags({tag: 1.0}).part
        assert part is not None
        query = build_query([cold(version, encoder, {"tags": part})])
        answer = asked(version, vector_search, query, sorted(seen))[:20]
        precisions.append(np.isin(answer, list(has)).mean())
        chances.append(len(has) / (np.count_nonzero(version.has_embedding) - len(seen)))
        shown.append(np.isin(asked(version, vector_search, query, [])[:20], list(has | seen)).mean())
    report(
        f"{COMMON} commonest tags, hidden for half of the artists that have them: precision@20 among the others "
        f"{np.mean(precisions):.3f} (chance {np.mean(chances):.3f}); among all artists {np.mean(shown):.3f}",
        hidden_precision=float(np.mean(precisions)),
        shown_precision=float(np.mean(shown)),
    )
