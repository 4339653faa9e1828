"""The bytes of the fast path are those of the model, and the fast path accepts only requests that it supports."""

from __future__ import annotations

import gc
import itertools
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
            assert answers(row, k) == (expected, k < 58)  # of 60 artists, 59 have an embedding
    assert answers(0, 3) == answers(0, 3) == (similar_model(state, 0, 3).model_dump_json().encode(), True)


def test_the_bytes_of_pages_are_those_of_the_parts_of_the_whole_list(version: Version) -> None:
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    answers, whole = SimilarBytes(state), similar_model(state, 3, 200)
    assert len(whole.similar) == 58
    for k, offset in itertools.product((1, 7, 50, 200), (0, 1, 7, 50, 57, 58, 1000)):
        part = whole.model_copy(update={"similar": whole.similar[offset : offset + k]})
        for _ in range(2):  # made, and cached
            assert answers(3, k, offset) == (part.model_dump_json().encode(), offset + k < 58)


def test_the_bytes_are_the_models_when_few_artists_are_kept(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riyl.app.services.similar.MAX_ARTISTS", 7)
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    answers = SimilarBytes(state, 0)
    for row in np.flatnonzero(version.has_embedding).tolist():
        assert answers(row, 50) == (similar_model(state, row, 50).model_dump_json().encode(), True)


def test_kept_responses_are_used_again_after_changes_and_keep_no_earlier_changes_in_memory(version: Version) -> None:
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    updater, answers = state.changing(), SimilarBytes(state)
    for number in range(1, 4):  # names alone: no list has other rows
        renamed = {"a050": EffectiveChanges("a050", False, {"name": f"Renamed {number}", "tags": {}})}
        state = state.with_changes(updater(renamed, number))
        answers = SimilarBytes(state, before=answers)
        assert answers(number, 3) == (similar_model(state, number, 3).model_dump_json().encode(), True)
        if number == 1:
            earlier = ref(state.searcher.overlay)
    gc.collect()
    assert earlier() is None
    assert answers(1, 3) == (similar_model(state, 1, 3).model_dump_json().encode(), True)


def test_of_an_artist_of_whom_nothing_is_known_there_are_no_bytes_and_the_model_says_why(version: Version) -> None:
    state = ServingState.of(Searcher(version), NO_RULES, Home(version.folder.parent.parent))
    assert SimilarBytes(state)(59, 10) is None
    with pytest.raises(NothingKnownError, match="Nobody Knows"):
        similar_model(state, 59, 10)


@pytest.mark.parametrize("query", ["", "?k=1", "?k=50", "?k=200", "?k=7&offset=7", "?k=10&offset=4", "?k=9&offset=49"])
def test_the_short_way_and_the_route_give_the_same_answer(home: Home, query: str) -> None:
    path = f"/v1/artists/a001/similar{query}"
    # the fast path declines a query in another form than those of the header Link
    short, route = asked(home, path, f"{path}{'&' if query else '?'}uncorrected=false")
    assert short.status_code == route.status_code == 200
    assert short.content == route.content
    headers, route_headers = (
        {name: value for name, value in answer.headers.items() if name != "x-request-id"} for answer in (short, route)
    )
    if "link" in route_headers:
        route_headers["link"] = route_headers["link"].replace("uncorrected=false&", "")
    assert headers == route_headers
