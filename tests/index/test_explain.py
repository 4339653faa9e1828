from __future__ import annotations

import numpy as np
import pytest

from core.snapshot import Snapshot
from index.allowed import Allowed
from index.artifact import Version
from index.explain import evidence_of, explain, parts_of_artist
from index.live import Live
from index.query import Term, blend
from index.retrieve import Retriever
from tests.index.conftest import CROWD as N


def artist(version: Version, row: int, weight: float = 1.0) -> Term:
    calibration = version.scoring.c[version.patterns[row]]
    parts = parts_of_artist(Live.of(version), row)
    return Term(version.embeddings[row].astype(float), parts, calibration, weight, row)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("popularity", [0.0, -1.0])
@pytest.mark.parametrize(("seeds", "avoided"), [([3], []), ([3, 14, 40], [8, 9])])
def test_the_shares_add_up_to_the_score(
    crowd: Version, seeds: list[int], avoided: list[int], popularity: float, raw: bool
) -> None:
    terms, against = [artist(crowd, s, 1 + s) for s in seeds], [artist(crowd, s) for s in avoided]
    query = blend(terms, against, popularity=popularity, raw=raw)
    retriever = Retriever(crowd)
    found = retriever.nearest(query, 20, Allowed.of(np.ones(N, bool), crowd.known))
    for row, score, why in zip(
        found.rows.tolist(), found.scores, explain(Live.of(crowd), query, found.rows), strict=True
    ):
        similar = sum(pair.share for pair in why.pairs)
        assert similar + why.hubness + why.calibration + why.popularity == pytest.approx(score, abs=1e-5)
        assert sum(why.seeds) == pytest.approx(similar, abs=1e-5)
        assert {pair.found for pair in why.pairs} == set(crowd.patterns_of_modalities[crowd.patterns[row]])
        assert (why.hubness == 0) == raw
        assert (why.popularity == 0) == (popularity == 0)


def test_a_pair_is_the_product_of_two_parts(crowd: Version) -> None:
    query = blend([artist(crowd, 3)])
    (why,) = explain(Live.of(crowd), query, np.array([6]))
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
    query = blend([artist(crowd, 3, 1.0), artist(crowd, 6, 3.0)])
    (why,) = explain(Live.of(crowd), query, np.array([15]))
    asked: dict[str, float] = {}
    for row, share in ((3, 0.25), (6, 0.75)):
        for word, weight in sets[row].items():
            asked[word] = asked.get(word, 0) + share * weight
    wanted = {word: (asked[word], sets[15][word]) for word in asked.keys() & sets[15].keys()}
    assert {c.term: (pytest.approx(c.asked), pytest.approx(c.found)) for c in why.common["tags"]} == wanted
    assert wanted


def test_evidence_is_what_the_snapshot_counted(crowd: Version, crowd_snapshot: Snapshot) -> None:
    for row in (0, 4, 6, N - 1):
        wanted = {}
        for name, modality in crowd_snapshot.modalities.items():
            at = np.flatnonzero(modality.rows == row)
            if len(at):
                wanted[name] = int(modality.evidence[at[0]])
        assert evidence_of(Live.of(crowd), row) == wanted
