"""Changes while the service runs: seen on every path, by every replica, through restarts, re-indexes and rollbacks."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
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

from app.main import create_app
from app.watch import Serving
from core.changes import Standing, write_standing
from core.db.changes import drop_changes
from core.db.keys import Role, create_key
from core.db.rules import add_rule, drop_rule
from core.db.session import Database
from core.db.standing import fix_changes
from core.errors import InputError, NotFoundError
from core.folding import fold
from core.model import Model
from core.rules import RuleKind
from core.settings import Home, Settings
from core.snapshot import Snapshot
from core.tables import Tables
from index.build import build_version
from index.explain import terms_of_artist
from index.versions import promote, rollback
from tests.conftest import SMALL_RECIPE, forget_database, small_world
from tests.core.test_changes import merge_patch
from training.config import load_config
from training.features.build import build_snapshot
from training.train import train

N = 60
SKA = {"tags": {"ska": 9.0, "dub": 4.0}, "vectors": {"audio": [[1.0, 0, 0, 0, 0, 0, 0, 0]]}}


class Service:
    """A service over a home, asked without a socket; it takes changes up when it is told to."""

    def __init__(self, home: Home, url: str | None = None) -> None:
        self.home = home
        self.database = Database.of(Settings(home=home.root, database_url=url))  # type: ignore[arg-type]
        _, token = create_key(self.database, "test", Role.WRITE)
        self._headers = {"authorization": f"Bearer {token}"}
        self._settings = Settings(home=home.root, database_url=url)  # type: ignore[arg-type]
        self.start()

    def start(self) -> None:
        self.app = create_app(self._settings, poll_s=3600)
        self._runner = asyncio.Runner()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self._runner.run(self._lifespan.__aenter__())
        transport = httpx.ASGITransport(self.app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://riyl", headers=self._headers)

    def stop(self) -> None:
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.close()

    def ask(self, method: str, path: str, said: Any = None) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, json=said))

    def post_lines(self, lines: bytes) -> bytes:
        headers = {"content-type": "application/x-ndjson"}
        answer = self._runner.run(self._client.post("/v1/artists:batch", content=lines, headers=headers))
        self.look()
        return answer.content

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def change(self, method: str, path: str, said: Any = None, status: int = 200) -> Any:
        """Make a change, and let it be seen."""
        answer = self.ask(method, f"/v1/artists/{path}", said)
        assert answer.status_code == status, answer.text
        self.look()
        return answer.json()

    def look(self) -> None:
        self.serving.look()

    @property
    def serving(self) -> Serving:
        found = self.app.state.serving
        assert isinstance(found, Serving)
        return found

    def listed(self, path: str) -> list[str]:
        return [each["id"] for each in self.get(path)["similar"]]

    def asked(self, said: Any) -> list[str]:
        answer = self.ask("POST", "/v1/similar", said)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["similar"]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with tables, a snapshot, a model and a version of them; no test may change it."""
    home = Home(tmp_path_factory.mktemp("live") / "home")
    snapshot = build_snapshot(Tables.open(small_world(home.tables / "t", n=N)), SMALL_RECIPE, home.snapshots)
    version = build_version(train(*load_config("default"), snapshot, home.models), snapshot, home.versions)
    promote(home.versions, Database.of(Settings(home=home.root)), version.id, by="test", why="test", force=True)
    return home


@pytest.fixture
def service(template: Home, tmp_path: Path) -> Iterator[Service]:
    shutil.copytree(template.root, tmp_path / "home")
    service = Service(Home(tmp_path / "home"))
    yield service
    service.stop()


def reindex(service: Service) -> str:
    """What the job does in its steps: fold what stands now into the tables, and promote the version of them."""
    home = service.home
    identity, last = fix_changes(service.database, home.changes)
    tables: Tables = Tables.open(home.tables / "t")
    if identity is not None:
        tables = fold(tables, home.changes / f"{identity}.ndjson", last)
    first = min(
        (Snapshot.open(path.parent) for path in home.snapshots.glob("*/manifest.json")), key=lambda s: s.last_change
    )
    snapshot = build_snapshot(tables, SMALL_RECIPE, home.snapshots, keep=first)
    (model,) = (Model.open(path.parent) for path in home.models.glob("*/card.json"))
    version = build_version(model, snapshot, home.versions)
    promote(home.versions, service.database, version.id, by="test", why="test", force=True)
    return version.id


def test_an_artist_that_is_put_is_there_on_every_path(service: Service) -> None:
    before = service.ask("GET", "/v1/artists/a000/similar?k=50")
    told = service.change(
        "PUT", "new", {"name": "Skatalites", "mbid": "M-1", **SKA, "attributes": {"begun": 1964}}, 201
    )
    assert (told["seen_after"], told["unknown_tags"]) == ("a moment", [])
    assert service.get("/v1/artists/new")["artist"]["name"] == "Skatalites"
    assert service.get("/v1/artists/m-1")["artist"]["attributes"] == {"begun": 1964}
    assert [each["id"] for each in service.get("/v1/artists?q=skatal")["artists"]] == ["new"]
    assert service.get("/v1/artists:resolve?name=skatalites")["artist"]["id"] == "new"
    ska = service.listed("/v1/artists/new/similar")
    assert {int(artist[1:]) % 3 for artist in ska} == {0}
    others = [artist for artist in ska if "new" in service.listed(f"/v1/artists/{artist}/similar?k=20")]
    assert others
    for more in ("&raw=true", "&explain=true"):
        assert "new" in service.listed(f"/v1/artists/{others[0]}/similar?k=20{more}")
        assert service.listed(f"/v1/artists/new/similar?k=5{more}")
    (why,) = [
        each["why"]
        for each in service.get("/v1/artists/a000/similar?k=200&explain=true")["similar"]
        if each["id"] == "new"
    ]
    assert set(why["evidence"]) == {"audio", "tags"}
    assert {each["term"] for each in why["common"]["tags"]} <= {"ska", "dub"}
    assert "new" in service.asked({"seeds": [{"id": "a000"}, {"id": "a003"}], "k": 58})
    assert "new" in service.asked({"tags": {"ska": 1}, "k": 10})
    assert "new" not in service.asked({"seeds": [{"id": "new"}, {"name": "Artist 3"}]})
    begun = {"attributes": {"begun": {"gte": 1900}}}
    assert service.asked({"seeds": [{"id": "a000"}], "filters": begun}) == ["new"]
    after = service.ask("GET", "/v1/artists/a000/similar?k=50")
    assert after.headers["etag"] != before.headers["etag"]
    assert after.headers["etag"].endswith('-c1"')


def test_rules_hold_for_who_came_live(service: Service) -> None:
    service.change("PUT", "new", {"name": "New", **SKA}, 201)
    pin, _ = add_rule(service.database, RuleKind.PIN, "a001", "new", why="", by="test")
    service.look()
    assert service.listed("/v1/artists/a001/similar")[0] == "new"
    service.change("PUT", "new", {"name": "Newer", **SKA})
    assert service.get("/v1/artists/a001/similar")["similar"][0]["name"] == "Newer"
    drop_rule(service.database, pin.rule.number)
    add_rule(service.database, RuleKind.BLOCK, "new", None, why="", by="test")
    service.look()
    service.get("/v1/artists/new", 404)
    assert "new" not in service.listed("/v1/artists/a000/similar?k=200")


def test_what_has_no_place_in_the_basis_is_kept_and_named(service: Service) -> None:
    said = {
        "name": "N",
        "tags": {"Ska": 1, "vaporwave": 2},
        "plays": {"u001": 3, "who": 1},
        "vectors": {"lyrics": [[1.0]]},
    }
    told = service.change("PUT", "new", said, 201)
    assert (told["unknown_tags"], told["unknown_plays"], told["unused"]) == (["vaporwave"], 1, ["lyrics"])
    artist = service.get("/v1/artists/new")["artist"]
    assert (artist["modalities"], artist["listeners"], artist["plays"]) == (["cf", "tags"], 2, 4.0)
    told = service.change("PATCH", "new", {"tags": {"vaporwave": None, "ska": None}, "plays": {"who": None}})
    assert (told["unknown_tags"], told["unknown_plays"], told["unused"]) == ([], 0, [])
    artist = service.get("/v1/artists/new")["artist"]
    assert (artist["modalities"], artist["listeners"], artist["plays"]) == (["cf"], 1, 3.0)
    nameless = service.change("PUT", "bare", {"name": "Bare"}, 201)
    assert nameless["seen_after"] == "a moment"
    assert service.get("/v1/artists/bare/similar", 409)["title"] == "nothing known yet"
    refused = service.change("PUT", "wide", {"name": "W", "vectors": {"audio": [[1.0, 2.0]]}}, 422)
    assert refused["detail"] == "vectors.audio: found an array of shape (2,); wanted 8 numbers, as the catalog has them"
    service.get("/v1/artists/wide", 404)


def test_who_is_merged_is_answered_by_the_way_to_the_other(service: Service) -> None:
    service.change("PUT", "new", {"name": "New", "mbid": "M-2", **SKA}, 201)
    service.change("POST", "new:merge", {"into": "a003"})
    for asked in ("new", "m-2"):
        answer = service.ask("GET", f"/v1/artists/{asked}/similar?k=3")
        assert (answer.status_code, answer.headers["location"]) == (301, "/v1/artists/a003/similar?k=3")
    assert service.ask("GET", "/v1/artists/new").headers["location"] == "/v1/artists/a003"
    answer = service.ask("POST", "/v1/similar", {"seeds": [{"id": "new"}]})
    assert [each["id"] for each in answer.json()["asked"]["seeds"]] == ["a003"]
    assert "new" not in service.listed("/v1/artists/a000/similar?k=200")
    # asked with plays or left out by its old id, it is the other one as well
    answer = service.ask("POST", "/v1/similar", {"plays": {"m-2": 3}})
    assert (answer.json()["asked"]["plays"], answer.json()["asked"]["unknown_plays"]) == (1, [])
    assert "a003" not in service.asked({"seeds": [{"id": "a000"}], "exclude": ["new"], "k": 57})


def test_who_is_deleted_never_comes_back(service: Service) -> None:
    near = service.listed("/v1/artists/a000/similar")[0]
    service.change("DELETE", near)
    reindex(service)
    service.look()
    for step in (lambda: None, lambda: rollback(service.home.versions, service.database, by="test", why="test")):
        step()
        service.look()
        service.get(f"/v1/artists/{near}", 404)
        for path in ("/similar?k=200", "/similar?k=58&raw=true"):
            assert near not in service.listed(f"/v1/artists/a000{path}")
        assert near not in service.asked({"seeds": [{"id": "a000"}, {"id": "a006"}], "k": 100})
    service.change("PUT", near, {"name": "Back"}, 201)
    assert service.get(f"/v1/artists/{near}")["artist"]["name"] == "Back"
    assert near in service.listed("/v1/artists/a000/similar?k=200")  # what tables say of it still holds


def test_a_replica_that_starts_late_answers_alike(service: Service) -> None:
    for number in range(6):
        service.change("PUT", f"n{number}", {"name": f"N {number}", "tags": {"ska": 1.0 + number, "bop": 2.0}}, 201)
        service.change("PATCH", f"a{number:03d}", {"tags": {"drone": 1.0 + number}})
    service.change("DELETE", "n3")
    service.change("DELETE", "a007")
    service.change("POST", "n4:merge", {"into": "n5"})
    paths = [f"/v1/artists/{artist}/similar?k=50" for artist in ("a000", "a001", "a020", "n0", "n5", "n3", "n4")]

    def answers() -> list[tuple[int, Any, Any]]:
        found = [service.ask("GET", path) for path in paths]
        return [(f.status_code, f.headers.get("etag"), f.content if f.status_code == 200 else None) for f in found]

    first = answers()
    assert [status for status, _, _ in first] == [200] * 5 + [404, 301]
    service.stop()
    service.start()
    assert answers() == first


def test_one_change_that_cannot_be_taken_up_leaves_the_others(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service.change("PUT", "n1", {"name": "One"}, 201)
    monkeypatch.setattr("index.apply.Changing.__call__", lambda *_: 1 / 0)
    service.change("PUT", "n2", {"name": "Two"}, 201)
    assert "changes_not_taken" in caplog.text
    service.get("/v1/artists/n1")
    monkeypatch.undo()
    service.stop()
    service.start()
    assert service.get("/v1/artists/n2")["artist"]["name"] == "Two"


def test_the_homes_copy_keeps_who_is_gone_away_without_the_database(template: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(template.root, home.root, ignore=shutil.ignore_patterns("*.sqlite*"))
    home.rules.write_text('{"kind": "riyl-rules", "format": 1, "revision": 0, "rules": []}')
    (tmp_path / "made").mkdir()
    identity = write_standing(tmp_path / "made", [Standing("a003", True, {}), Standing("a006", True, {}, "a009")])
    shutil.copy(tmp_path / "made" / f"{identity}.ndjson", home.gone)
    url = "postgresql://nobody:nothing@127.0.0.1:1/none"
    app = create_app(Settings(home=home.root, database_url=url))  # type: ignore[arg-type]
    app.state.serving.look()
    searcher = app.state.serving.searcher
    assert [searcher.row_of("a003"), searcher.row_of("a006"), searcher.moved_to("a006")] == [None, None, "a009"]
    assert not {"a003", "a006"} & set(searcher.ids_of(searcher.similar(0, 57).rows))


def about(service: Service, artist: str) -> tuple[int, float]:
    found = service.get(f"/v1/artists/{artist}")["artist"]
    return found["listeners"], found["plays"]


def test_a_patch_of_one_listener_leaves_the_others(service: Service) -> None:
    listeners, plays = about(service, "a000")
    assert listeners > 1
    told = service.change("PATCH", "a000", {"plays": {"u-new": 3}})
    assert (told["seen_after"], told["unknown_plays"]) == ("a moment", 1)
    after = service.ask("GET", "/v1/artists/a000/similar?k=50")
    for _ in range(2):
        assert about(service, "a000") == (listeners + 1, plays + 3)
        # the new one is of no use to the basis, so who is similar stays
        assert [each["id"] for each in after.json()["similar"]] == service.listed("/v1/artists/a000/similar?k=50")
        reindex(service)
        service.look()
    service.change("PATCH", "a000", {"plays": {"u-new": None}})
    assert about(service, "a000") == (listeners, plays)
    rollback(service.home.versions, service.database, by="test", why="test")
    service.look()
    assert about(service, "a000") == (listeners, plays)
    drop_changes(service.database, by="test", artist="a000")
    service.look()
    assert about(service, "a000") == (listeners, plays)


def test_where_the_snapshot_keeps_no_terms_a_patch_of_them_waits_for_the_re_index(service: Service) -> None:
    (folder,) = (path.parent for path in service.home.snapshots.glob("*/manifest.json"))
    shutil.rmtree(folder / "raw")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: entry for name, entry in manifest["files"].items() if not name.startswith("raw/")}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    service.stop()
    service.start()
    listeners, plays = about(service, "a000")
    similar = service.listed("/v1/artists/a000/similar?k=50")
    assert service.change("PATCH", "a000", {"plays": {"u-new": 3}, "tags": {"noise": 90}})["seen_after"] == "re-index"
    assert service.change("PATCH", "a000", {"name": "Renamed"})["seen_after"] == "a moment"
    assert about(service, "a000") == (listeners, plays)
    assert service.listed("/v1/artists/a000/similar?k=50") == similar
    line = json.dumps({"kind": "patch", "id": "a003", "tags": {"ska": None}}).encode()
    batch = service.post_lines(line)
    assert json.loads(batch)["seen_after"] == "re-index"
    # what replaces the tables' terms, and a patch of that, does not wait
    assert service.change("PUT", "a001", {"name": "One", "tags": {"ska": 3}})["seen_after"] == "a moment"
    assert service.change("PATCH", "a001", {"tags": {"ska": None, "dub": 2}})["seen_after"] == "a moment"
    reindex(service)
    service.look()
    assert about(service, "a000") == (listeners + 1, plays + 3)
    assert service.change("PATCH", "a000", {"plays": {"u-new": 4}})["seen_after"] == "a moment"
    assert about(service, "a000") == (listeners + 1, plays + 4)


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


def in_one_form(said: dict[str, Any]) -> dict[str, Any]:
    """With tags as they are compared."""
    if not said.get("tags"):
        return said
    return {**said, "tags": {tag.strip().lower(): weight for tag, weight in said["tags"].items()}}


class Machine(RuleBasedStateMachine):
    """Random acts against a dictionary: what is put and patched of each artist, or that it is gone and into whom."""

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
        """The artist as tables, puts and patches make it, one after the other."""
        found: dict[str, Any] = self.tables[artist]
        for patch in self.patches.get(artist, []):
            found = merge_patch(found, patch)
        return found

    def there(self, artist: str) -> bool:
        return artist not in self.gone and (artist.startswith("a") or "name" in self.said(artist))

    @rule(artist=ids, name=names, tags=st.booleans())
    def put(self, artist: str, name: str, tags: bool) -> None:
        was = self.there(artist)
        said = {"name": name, **(SKA if tags else {})}
        self.service.change("PUT", artist, said, 200 if was else 201)
        # a put replaces: as a patch that takes the field away first
        self.patches[artist] = [dict.fromkeys(said.keys() & {"tags"}), said]
        self.gone.pop(artist, None)

    @rule(artist=ids, name=names)
    def patch(self, artist: str, name: str) -> None:
        there = self.there(artist)
        self.service.change("PATCH", artist, {"name": name}, 200 if there else 404)
        if there:
            self.patches.setdefault(artist, []).append({"name": name})

    @rule(artist=ids, patch=patches)
    def patch_terms(self, artist: str, patch: dict[str, Any]) -> None:
        there = self.there(artist)
        told = self.service.change("PATCH", artist, patch, 200 if there else 404)
        if there:
            assert told["seen_after"] == "a moment"
            self.patches.setdefault(artist, []).append(in_one_form(patch))

    @rule(artist=ids)
    def delete(self, artist: str) -> None:
        known = self.there(artist) or artist in self.gone
        self.service.change("DELETE", artist, status=200 if known else 404)
        if known:
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
        with suppress(NotFoundError, InputError):  # nothing to drop, or a circle of merges
            drop_changes(self.service.database, by="test", artist=artist)
            self.patches.pop(artist, None)
            self.gone.pop(artist, None)
        self.service.look()

    @rule()
    def reindex(self) -> None:
        reindex(self.service)
        self.promoted += 1
        self.service.look()

    @precondition(lambda self: self.promoted > 1)
    @rule()
    def roll_back(self) -> None:
        with suppress(NotFoundError):
            rollback(self.service.home.versions, self.service.database, by="test", why="test")
        self.service.look()

    @rule()
    def restart(self) -> None:
        self.service.stop()
        self.service.start()

    def tells_nothing(self, said: dict[str, Any]) -> bool:
        """Whether nobody is similar to one who has no sound: no tags, and only listeners whom nobody knows."""
        return not said.get("tags") and not said.get("vectors") and not said.get("plays", {}).keys() - {"who"}

    def leads_to(self, artist: str) -> str | None:
        seen: list[str] = []
        found: str | None = artist
        while found is not None and not self.there(found) and found not in seen:
            seen.append(found)
            found = self.gone.get(found)
        return found if found is not None and self.there(found) else None

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
        # of these something is known that tells who is similar: they all are
        known = everybody - {a for a in ("n0", "n1", "n2", "a059") if self.tells_nothing(self.said(a))}
        for artist in ("a001", "a000"):
            if artist in everybody:
                assert set(service.listed(f"/v1/artists/{artist}/similar?k=200")) == known - {artist}
        found = [each["id"] for each in service.get("/v1/artists?q=two&limit=50")["artists"]]
        assert sorted(found) == sorted(a for a in IDS if self.there(a) and self.said(a).get("name") == "Two")

    @invariant()
    def tags_and_plays_are_those_of_the_dictionary(self) -> None:
        searcher = self.service.serving.searcher
        assert searcher is not None
        words = searcher.version.terms("tags").to_pylist()
        for artist in filter(self.there, IDS):
            row, said = searcher.row_of(artist), self.said(artist)
            assert row is not None
            plays = said.get("plays", {})
            found = searcher.artist(row)
            assert (found.listeners, found.plays) == (len(plays), sum(plays.values())), artist
            places, weights = terms_of_artist(searcher.live, row).get("tags", (np.empty(0, int), np.empty(0)))
            tags = {words[place]: weight for place, weight in zip(places.tolist(), weights.tolist(), strict=True)}
            assert tags == said.get("tags", {}), artist

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
