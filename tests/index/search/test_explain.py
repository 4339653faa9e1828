from __future__ import annotations

import numpy as np
import pytest

from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.overlay.artist_parts import evidence_of, parts_of_artist
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.search.candidate_mask import CandidateMask
from riyl.index.search.explain import explain
from riyl.index.search.query import QueryVector, build_query
from riyl.index.search.vector_search import VectorSearch
from tests.index.conftest import CROWD as N


def artist(version: Version, row: int, weight: float = 1.0) -> QueryVector:
    calibration = version.scoring.c[version.patterns[row]]
    parts = parts_of_artist(VersionOverlay.of(version), row)
    return QueryVector(version.embeddings[row].astype(float), parts, calibration, weight, row)


@pytest.mark.parametrize("uncorrected", [False, True])
@pytest.mark.parametrize("popularity", [0.0, -1.0])
@pytest.mark.parametrize(("seeds", "avoided"), [([3], []), ([3, 14, 40], [8, 9])])
def test_the_shares_add_up_to_the_score(
    crowd: Version, seeds: list[int], avoided: list[int], popularity: float, uncorrected: bool
) -> None:
    terms, avoid = [artist(crowd, s, 1 + s) for s in seeds], [artist(crowd, s) for s in avoided]
    query = build_query(terms, avoid, popularity=popularity, uncorrected=uncorrected)
    vector_search = VectorSearch(crowd)
    neighbours = vector_search.nearest(query, 20, CandidateMask.of(np.ones(N, bool), crowd.has_embedding))
    for row, score, why in zip(
        neighbours.rows.tolist(),
        neighbours.scores,
        explain(VersionOverlay.of(crowd), query, neighbours.rows),
        strict=True,
    ):
        similar = sum(pair.share for pair in why.pairs)
        assert similar + why.hubness + why.calibration + why.popularity == pytest.approx(score, abs=1e-5)
        assert sum(why.seeds) == pytest.approx(similar, abs=1e-5)
        exact = vector_search.scores(query, np.array([row]))[0]
        assert sum(why.seeds) + why.hubness + why.calibration + why.popularity == pytest.approx(exact, abs=1e-12)
        assert {pair.found for pair in why.pairs} == set(crowd.patterns_of_modalities[crowd.patterns[row]])
        assert (why.hubness == 0) == uncorrected
        assert (why.popularity == 0) == (popularity == 0)


def test_a_pair_is_the_product_of_two_parts(crowd: Version) -> None:
    query = build_query([artist(crowd, 3)])
    (why,) = explain(VersionOverlay.of(crowd), query, np.array([6]))
    for pair in why.pairs:
        left, right = (crowd.parts[m].of(row) for m, row in ((pair.asked, 3), (pair.found, 6)))
        assert left is not None
        assert right is not None
        assert pair.share == pytest.approx(float(left.astype(float) @ right.astype(float)), abs=1e-6)
    assert [pair.share for pair in why.pairs] == sorted((pair.share for pair in why.pairs), reverse=True)


def test_common_terms_are_those_that_both_have(crowd: Version, crowd_snapshot: Snapshot) -> None:
    tags = crowd_snapshot.modalities["tags"]
    assert tags.sets is not None
    words = crowd.terms("tags").to_pylist()
    sets = {}
    for i, row in enumerate(tags.rows.tolist()):
        entry = slice(tags.sets.indptr[i], tags.sets.indptr[i + 1])
        terms, weights = tags.sets.terms[entry].tolist(), tags.sets.weights[entry].tolist()
        sets[row] = {words[t]: w for t, w in zip(terms, weights, strict=True)}
    query = build_query([artist(crowd, 3, 1.0), artist(crowd, 6, 3.0)])
    (why,) = explain(VersionOverlay.of(crowd), query, np.array([15]))
    query_weights: dict[str, float] = {}
    for row, share in ((3, 0.25), (6, 0.75)):
        for word, weight in sets[row].items():
            query_weights[word] = query_weights.get(word, 0) + share * weight
    wanted = {word: (query_weights[word], sets[15][word]) for word in query_weights.keys() & sets[15].keys()}
    assert {c.term: (pytest.approx(c.asked), pytest.approx(c.found)) for c in why.common["tags"]} == wanted
    assert wanted


def test_evidence_is_what_the_snapshot_counted(crowd: Version, crowd_snapshot: Snapshot) -> None:
    for row in (0, 4, 6, N - 1):
        wanted = {}
        for name, modality in crowd_snapshot.modalities.items():
            at = np.flatnonzero(modality.rows == row)
            if len(at):
                wanted[name] = int(modality.evidence[at[0]])
        assert evidence_of(VersionOverlay.of(crowd), row) == wanted
