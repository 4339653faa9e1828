"""Random operations on a running service, compared with a dictionary: also over restarts, re-indexes and rollbacks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from riyl.core.db.changes import drop_changes
from riyl.core.db.session import Database
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home, Settings
from riyl.index.overlay.artist_parts import terms_of_artist
from riyl.index.versions.lifecycle import promote, rollback
from tests.app.serving.conftest import N
from tests.app.serving.service import SKA, Service, reindex
from tests.conftest import forget_database
from tests.core.changes.test_effective import merge_patch

SLOW = list(HealthCheck)
IDS = ["a000", "a003", "a006", "a059", "n0", "n1", "n2"]
ids = st.sampled_from(IDS)
names = st.sampled_from(["One", "Two", "Three"])
TERMS = {"tags": ["ska", "Dub ", "noise"], "plays": ["u000", "u101", "who"]}
weights = st.sampled_from([None, 2.0, 5.0])
patches = st.fixed_dictionaries(
    {},
    optional={
        field: st.none() | st.dictionaries(st.sampled_from(terms), weights, min_size=1)
        for field, terms in TERMS.items()
    },
).filter(bool)


def in_one_form(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a payload with tags in the form in which they are compared."""
    if not payload.get("tags"):
        return payload
    return {**payload, "tags": {tag.strip().lower(): weight for tag, weight in payload["tags"].items()}}


class Machine(RuleBasedStateMachine):
    """Random operations compared with a dictionary of each artist's puts and patches, deletion or merge target."""

    template: Home
    folder: Path
    url: Any = None
    runs = 0

    @initialize()
    def begin(self) -> None:
        Machine.runs += 1
        home = Home(self.folder / str(Machine.runs))
        shutil.copytree(self.template.root, home.root)
        url = None if self.url is None else self.url()
        if url is not None:
            forget_database(home)
            database = Database.of(Settings(home=home.root, database_url=url))
            database.upgrade()
            (version,) = (path.parent.name for path in home.versions.glob("[!.]*/manifest.json"))
            promote(home.versions, database, version, by="test", why="test", force=True)
            database.close()
        self.service = Service(home, url)
        self.patches: dict[str, list[dict[str, Any]]] = {}
        self.tables: dict[str, dict[str, Any]] = {artist: {} for artist in IDS}
        for table, term, weight in (("tags", "tag", "weight"), ("plays", "user_id", "count")):
            for row in pq.read_table(home.tables / "t" / f"{table}.parquet").to_pylist():
                if row["artist_id"] in IDS:
                    self.tables[row["artist_id"]].setdefault(table, {})[row[term]] = row[weight]
        self.gone: dict[str, str | None] = {}
        self.promoted = 1
        self.reindexed = False

    def said(self, artist: str) -> dict[str, Any]:
        """Return the artist as tables, puts and patches define it, one after the other."""
        payload: dict[str, Any] = self.tables[artist]
        for patch in self.patches.get(artist, []):
            payload = merge_patch(payload, patch)
        return payload

    def there(self, artist: str) -> bool:
        return artist not in self.gone and (artist.startswith("a") or "name" in self.said(artist))

    @rule(artist=ids, name=names, tags=st.booleans())
    def put(self, artist: str, name: str, tags: bool) -> None:
        was = self.there(artist)
        payload = {"name": name, **(SKA if tags else {})}
        self.service.change("PUT", artist, payload, 200 if was else 201)
        # a put replaces: like a patch after removing the field
        self.patches[artist] = [dict.fromkeys(payload.keys() & {"tags"}), payload]
        self.gone.pop(artist, None)

    @rule(artist=ids, name=names)
    def patch(self, artist: str, name: str) -> None:
        exists = self.there(artist)
        self.service.change("PATCH", artist, {"name": name}, 200 if exists else 404)
        if exists:
            self.patches.setdefault(artist, []).append({"name": name})

    @rule(artist=ids, patch=patches)
    def patch_terms(self, artist: str, patch: dict[str, Any]) -> None:
        exists = self.there(artist)
        body = self.service.change("PATCH", artist, patch, 200 if exists else 404)
        if exists:
            assert body["visible_after"] == "within_1s"
            self.patches.setdefault(artist, []).append(in_one_form(patch))

    @rule(artist=ids)
    def delete(self, artist: str) -> None:
        recorded = self.there(artist) or artist in self.gone
        self.service.change("DELETE", artist, status=200 if recorded else 404)
        if recorded:
            self.gone[artist] = None
            self.patches.pop(artist, None)

    @rule(artist=ids, into=ids)
    def merge(self, artist: str, into: str) -> None:
        wanted = 422 if artist == into else 200 if self.there(into) else 404
        self.service.change("POST", f"{artist}:merge", {"into": into}, wanted)
        if wanted == 200:
            self.gone[artist] = into
            self.patches.pop(artist, None)

    @rule(artist=ids)
    def drop(self, artist: str) -> None:
        with suppress(NotFoundError, InputError):  # nothing to drop, or a cycle of merges
            drop_changes(self.service.database, by="test", artist=artist)
            self.patches.pop(artist, None)
            self.gone.pop(artist, None)
        self.service.poll()

    @rule()
    def reindex(self) -> None:
        reindex(self.service)
        self.promoted += 1
        self.service.poll()

    @precondition(lambda self: self.promoted > 1)
    @rule()
    def roll_back(self) -> None:
        with suppress(NotFoundError):
            rollback(self.service.home.versions, self.service.database, by="test", why="test")
        self.service.poll()

    @rule()
    def restart(self) -> None:
        self.service.stop()
        self.service.start()

    def tells_nothing(self, payload: dict[str, Any]) -> bool:
        """Return whether an artist without audio has no similar artists: no tags, and only unknown listeners."""
        return not payload.get("tags") and not payload.get("vectors") and not payload.get("plays", {}).keys() - {"who"}

    def leads_to(self, artist: str) -> str | None:
        seen: list[str] = []
        target: str | None = artist
        while target is not None and not self.there(target) and target not in seen:
            seen.append(target)
            target = self.gone.get(target)
        return target if target is not None and self.there(target) else None

    @invariant()
    def answers_are_those_of_the_dictionary(self) -> None:
        service = self.service
        for artist in IDS:
            answer = service.ask("GET", f"/v1/artists/{artist}")
            if self.there(artist):
                name = self.said(artist).get("name", f"Artist {artist[1:].lstrip('0') or 0}")
                assert (answer.status_code, answer.json()["artist"]["name"]) == (200, name), artist
            elif (to := self.leads_to(artist)) is not None:
                assert (answer.status_code, answer.headers["location"]) == (301, f"/v1/artists/{to}")
            else:
                assert answer.status_code == 404, (artist, answer.text)
        everybody = {artist for artist in IDS if self.there(artist)} | {f"a{i:03d}" for i in range(N)} - set(IDS)
        # these artists have known inputs, so they have similar artists: all the others
        comparable = everybody - {a for a in ("n0", "n1", "n2", "a059") if self.tells_nothing(self.said(a))}
        for artist in ("a001", "a000"):
            if artist in everybody:
                assert set(service.listed(f"/v1/artists/{artist}/similar?k=200")) == comparable - {artist}
        name_matches = [each["id"] for each in service.get("/v1/artists?q=two&limit=50")["artists"]]
        assert sorted(name_matches) == sorted(a for a in IDS if self.there(a) and self.said(a).get("name") == "Two")

    @invariant()
    def tags_and_plays_are_those_of_the_dictionary(self) -> None:
        searcher = self.service.reloader.searcher
        assert searcher is not None
        words = searcher.version.terms("tags").to_pylist()
        for artist in filter(self.there, IDS):
            row, payload = searcher.row_of(artist), self.said(artist)
            assert row is not None
            plays = payload.get("plays", {})
            actual = searcher.artist(row)
            assert (actual.listeners, actual.plays) == (len(plays), sum(plays.values())), artist
            places, weights = terms_of_artist(searcher.overlay, row).get("tags", (np.empty(0, int), np.empty(0)))
            tags = {words[place]: weight for place, weight in zip(places.tolist(), weights.tolist(), strict=True)}
            assert tags == payload.get("tags", {}), artist

    def teardown(self) -> None:
        if hasattr(self, "service"):
            self.service.stop()
            self.service.database.close()


def machine(template: Home, folder: Path, url: Any = None) -> type[Machine]:
    return type("Of", (Machine,), {"template": template, "folder": folder, "url": staticmethod(url) if url else None})


@pytest.mark.slow
def test_random_acts_are_answered_as_by_a_dictionary(template: Home, tmp_path: Path) -> None:
    run_state_machine_as_test(
        machine(template, tmp_path),
        settings=settings(max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=SLOW),
    )


def test_a_few_random_acts_are_answered_as_by_a_dictionary(template: Home, tmp_path: Path) -> None:
    run_state_machine_as_test(
        machine(template, tmp_path),
        settings=settings(max_examples=4, stateful_step_count=10, deadline=None, suppress_health_check=SLOW),
    )


@pytest.mark.postgres
def test_random_acts_are_answered_as_by_a_dictionary_on_postgres(
    template: Home, tmp_path: Path, new_postgres: Callable[[], str]
) -> None:
    run_state_machine_as_test(
        machine(template, tmp_path, new_postgres),
        settings=settings(max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=SLOW),
    )
