"""The bytes of the short way are those of the model, and the short way takes only what it may."""

from __future__ import annotations

import numpy as np
import pytest

from app.served import Served
from app.similar import MOST_BYTES, SimilarBytes, similar_model
from core.errors import NothingKnownError
from core.rules import NO_RULES
from core.settings import Home
from index.artifact import Version
from index.search import Searcher
from tests.app.conftest import asked


@pytest.mark.parametrize("most_bytes", [0, 20_000, MOST_BYTES])
def test_the_bytes_are_the_models_for_every_artist_and_every_k(version: Version, most_bytes: int) -> None:
    served = Served.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    answers = SimilarBytes(served, most_bytes)
    for k in (*range(1, 61), 200):
        for row in np.flatnonzero(version.known).tolist():
            expected = similar_model(served, row, k).model_dump_json().encode()
            assert answers(row, k) == expected
    assert answers(0, 3) == answers(0, 3) == similar_model(served, 0, 3).model_dump_json().encode()


def test_the_bytes_are_the_models_when_few_artists_are_kept(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.similar.MOST_ARTISTS", 7)
    served = Served.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    answers = SimilarBytes(served, 0)
    for row in np.flatnonzero(version.known).tolist():
        assert answers(row, 50) == similar_model(served, row, 50).model_dump_json().encode()


def test_nothing_known_is_raised_either_way(version: Version) -> None:
    served = Served.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    for answer in (SimilarBytes(served), lambda row, k: similar_model(served, row, k)):
        with pytest.raises(NothingKnownError, match="Nobody Knows"):
            answer(59, 10)


@pytest.mark.parametrize("query", ["", "?k=1", "?k=50", "?k=200"])
def test_the_short_way_and_the_route_give_the_same_answer(home: Home, query: str) -> None:
    path = f"/v1/artists/a001/similar{query}"
    # a query spelled in another way than K_BY_QUERY is not for the short way
    short, route = asked(home, path, f"{path}{'&' if query else '?'}raw=false")
    assert short.status_code == route.status_code == 200
    assert short.content == route.content
    mine = {name: value for name, value in short.headers.items() if name != "x-request-id"}
    assert mine == {name: value for name, value in route.headers.items() if name != "x-request-id"}
