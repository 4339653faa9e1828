"""The bytes of the fast path are those of the model, and the fast path accepts only requests that it supports."""

from __future__ import annotations

import gc
from weakref import ref

import numpy as np
import pytest

from riyl.app.services.similar import MAX_BYTES, SimilarBytes, similar_model
from riyl.app.serving.state import ServingState
from riyl.core.changes.effective import EffectiveChanges
from riyl.core.errors import NothingKnownError
from riyl.core.rules import NO_RULES
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.search.searcher import Searcher
from tests.app.conftest import asked


@pytest.mark.parametrize("most_bytes", [0, 20_000, MAX_BYTES])
def test_the_bytes_are_the_models_for_every_artist_and_every_k(version: Version, most_bytes: int) -> None:
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    answers = SimilarBytes(state, most_bytes)
    for k in (*range(1, 61), 200):
        for row in np.flatnonzero(version.has_embedding).tolist():
            expected = similar_model(state, row, k).model_dump_json().encode()
            assert answers(row, k) == expected
    assert answers(0, 3) == answers(0, 3) == similar_model(state, 0, 3).model_dump_json().encode()


def test_the_bytes_are_the_models_when_few_artists_are_kept(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riyl.app.services.similar.MAX_ARTISTS", 7)
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    answers = SimilarBytes(state, 0)
    for row in np.flatnonzero(version.has_embedding).tolist():
        assert answers(row, 50) == similar_model(state, row, 50).model_dump_json().encode()


def test_kept_responses_are_used_again_after_changes_and_keep_no_earlier_changes_in_memory(version: Version) -> None:
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    updater, answers = state.changing(), SimilarBytes(state)
    for number in range(1, 4):  # names alone: no list has other rows
        renamed = {"a050": EffectiveChanges("a050", False, {"name": f"Renamed {number}", "tags": {}})}
        state = state.with_changes(updater(renamed, number))
        answers = SimilarBytes(state, before=answers)
        assert answers(number, 3) == similar_model(state, number, 3).model_dump_json().encode()
        if number == 1:
            earlier = ref(state.searcher.overlay)
    gc.collect()
    assert earlier() is None
    assert answers(1, 3) == similar_model(state, 1, 3).model_dump_json().encode()


def test_of_an_artist_of_whom_nothing_is_known_there_are_no_bytes_and_the_model_says_why(version: Version) -> None:
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    assert SimilarBytes(state)(59, 10) is None
    with pytest.raises(NothingKnownError, match="Nobody Knows"):
        similar_model(state, 59, 10)


@pytest.mark.parametrize("query", ["", "?k=1", "?k=50", "?k=200"])
def test_the_short_way_and_the_route_give_the_same_answer(home: Home, query: str) -> None:
    path = f"/v1/artists/a001/similar{query}"
    # the fast path declines a query in another form than K_BY_QUERY
    short, route = asked(home, path, f"{path}{'&' if query else '?'}uncorrected=false")
    assert short.status_code == route.status_code == 200
    assert short.content == route.content
    short_headers = {name: value for name, value in short.headers.items() if name != "x-request-id"}
    assert short_headers == {name: value for name, value in route.headers.items() if name != "x-request-id"}
