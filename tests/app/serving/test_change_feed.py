"""Changes while the service runs: visible on every path and replica, after restarts, re-indexes and rollbacks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from riyl.app.http.metrics import Metrics
from riyl.app.main import create_app
from riyl.app.services.artists import known_row
from riyl.app.serving.change_feed import ChangeFeed
from riyl.core.changes.effective import ChangeKind, EffectiveChanges, write_effective
from riyl.core.db.changes import ChangeRequest, drop_changes, write_change
from riyl.core.db.rules import add_rule, drop_rule
from riyl.core.rules import RuleKind
from riyl.core.settings import Home, Settings
from riyl.index.overlay.encode import LiveArtistEncoder
from riyl.index.versions.lifecycle import rollback
from tests.app.serving.service import SKA, Service, reindex

MBID = "87c5dedd-371d-4a53-9f7f-80522fb7f3cb"


def test_an_artist_that_is_put_is_there_on_every_path(service: Service) -> None:
    before = service.ask("GET", "/v1/artists/a000/similar?k=50")
    body = service.change(
        "PUT", "new", {"name": "Skatalites", "mbid": "M-1", **SKA, "attributes": {"begun": 1964}}, 201
    )
    assert (body["visible_after"], body["unknown_tags"]) == ("within_1s", [])
    assert service.get("/v1/artists/new")["artist"]["name"] == "Skatalites"
    assert service.get("/v1/artists/m-1")["artist"]["attributes"] == {"begun": 1964}
    assert [each["id"] for each in service.get("/v1/artists?q=skatal")["artists"]] == ["new"]
    assert service.get("/v1/artists:resolve?name=skatalites")["artist"]["id"] == "new"
    ska = service.listed("/v1/artists/new/similar")
    assert {int(artist[1:]) % 3 for artist in ska} == {0}
    others = [artist for artist in ska if "new" in service.listed(f"/v1/artists/{artist}/similar?k=20")]
    assert others
    for more in ("&uncorrected=true", "&explain=true"):
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
    service.poll()
    assert service.listed("/v1/artists/a001/similar")[0] == "new"
    service.change("PUT", "new", {"name": "Newer", **SKA})
    assert service.get("/v1/artists/a001/similar")["similar"][0]["name"] == "Newer"
    drop_rule(service.database, pin.rule.number)
    add_rule(service.database, RuleKind.BLOCK, "new", None, why="", by="test")
    service.poll()
    service.get("/v1/artists/new", 404)
    assert "new" not in service.listed("/v1/artists/a000/similar?k=200")


def test_what_has_no_place_in_the_basis_is_kept_and_named(service: Service) -> None:
    payload = {
        "name": "N",
        "tags": {"Ska": 1, "vaporwave": 2},
        "plays": {"u001": 3, "who": 1},
        "vectors": {"lyrics": [[1.0]]},
    }
    body = service.change("PUT", "new", payload, 201)
    assert (body["unknown_tags"], body["unknown_plays"], body["unused"]) == (["vaporwave"], 1, ["lyrics"])
    artist = service.get("/v1/artists/new")["artist"]
    assert (artist["modalities"], artist["listeners"], artist["plays"]) == (["cf", "tags"], 2, 4.0)
    body = service.change("PATCH", "new", {"tags": {"vaporwave": None, "ska": None}, "plays": {"who": None}})
    assert (body["unknown_tags"], body["unknown_plays"], body["unused"]) == ([], 0, [])
    artist = service.get("/v1/artists/new")["artist"]
    assert (artist["modalities"], artist["listeners"], artist["plays"]) == (["cf"], 1, 3.0)
    nameless = service.change("PUT", "bare", {"name": "Bare"}, 201)
    assert nameless["visible_after"] == "within_1s"
    assert service.get("/v1/artists/bare/similar", 409)["title"] == "nothing known yet"
    refused = service.change("PUT", "wide", {"name": "W", "vectors": {"audio": [[1.0, 2.0]]}}, 422)
    assert refused["detail"] == "vectors.audio: found an array of shape (2,); wanted 8 numbers, as the catalog has them"
    service.get("/v1/artists/wide", 404)


def test_who_is_merged_is_answered_by_the_way_to_the_other(service: Service) -> None:
    service.change("PUT", "new", {"name": "New", "mbid": "M-2", **SKA}, 201)
    service.change("POST", "new:merge", {"into": "a003"})
    for old_id in ("new", "m-2"):
        answer = service.ask("GET", f"/v1/artists/{old_id}/similar?k=3")
        assert (answer.status_code, answer.headers["location"]) == (301, "/v1/artists/a003/similar?k=3")
    assert service.ask("GET", "/v1/artists/new").headers["location"] == "/v1/artists/a003"
    answer = service.ask("POST", "/v1/similar", {"seeds": [{"id": "new"}]})
    assert [each["id"] for each in answer.json()["asked"]["seeds"]] == ["a003"]
    assert "new" not in service.listed("/v1/artists/a000/similar?k=200")
    # its old id in plays or excluded artists means the target as well
    answer = service.ask("POST", "/v1/similar", {"plays": {"m-2": 3}})
    assert (answer.json()["asked"]["plays"], answer.json()["asked"]["unknown_plays"]) == (1, [])
    assert "a003" not in service.asked({"seeds": [{"id": "a000"}], "exclude": ["new"], "k": 57})


def test_who_is_deleted_never_comes_back(service: Service) -> None:
    near = service.listed("/v1/artists/a000/similar")[0]
    service.change("DELETE", near)
    reindex(service)
    service.poll()
    for step in (lambda: None, lambda: rollback(service.home.versions, service.database, by="test", why="test")):
        step()
        service.poll()
        service.get(f"/v1/artists/{near}", 404)
        for path in ("/similar?k=200", "/similar?k=58&uncorrected=true"):
            assert near not in service.listed(f"/v1/artists/a000{path}")
        assert near not in service.asked({"seeds": [{"id": "a000"}, {"id": "a006"}], "k": 100})
    service.change("PUT", near, {"name": "Back"}, 201)
    assert service.get(f"/v1/artists/{near}")["artist"]["name"] == "Back"
    assert near in service.listed("/v1/artists/a000/similar?k=200")  # the values of its tables still hold


def test_a_replica_that_starts_late_answers_alike(service: Service) -> None:
    for number in range(6):
        service.change("PUT", f"n{number}", {"name": f"N {number}", "tags": {"ska": 1.0 + number, "bop": 2.0}}, 201)
        service.change("PATCH", f"a{number:03d}", {"tags": {"drone": 1.0 + number}})
    service.change("DELETE", "n3")
    service.change("DELETE", "a007")
    service.change("POST", "n4:merge", {"into": "n5"})
    paths = [f"/v1/artists/{artist}/similar?k=50" for artist in ("a000", "a001", "a020", "n0", "n5", "n3", "n4")]

    def answers() -> list[tuple[int, Any, Any]]:
        responses = [service.ask("GET", path) for path in paths]
        return [(f.status_code, f.headers.get("etag"), f.content if f.status_code == 200 else None) for f in responses]

    first = answers()
    assert [status for status, _, _ in first] == [200] * 5 + [404, 301]
    service.stop()
    service.start()
    assert answers() == first


def test_where_changes_cannot_be_taken_up_those_before_stay_and_who_is_deleted_is_hidden(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for artist in ("n1", "n3"):
        service.change("PUT", artist, {"name": "One", "mbid": MBID, "tags": {"ska": 1.0}}, 201)
    monkeypatch.setattr("riyl.index.overlay.update.OverlayUpdater.__call__", lambda *_: 1 / 0)
    monkeypatch.setattr("riyl.app.serving.change_feed.FAILED_AGAIN_S", 0.0)
    service.change("PUT", "n2", {"name": "Two"}, 201)
    assert "changes_not_taken" in caplog.text
    service.get("/v1/artists/n1")
    service.change("DELETE", "n1")
    service.change("DELETE", "a003")
    for artist in ("n1", "a003"):
        assert service.ask("GET", f"/v1/artists/{artist}").status_code == 404
        assert artist not in service.listed("/v1/artists/a000/similar?k=200")
    assert service.get(f"/v1/artists/{MBID}")["artist"]["id"] == "n3"
    assert "riyl_changes_set_aside 4.0" in service.ask("GET", "/metrics").text
    monkeypatch.undo()
    service.stop()
    service.start()
    assert service.get("/v1/artists/n2")["artist"]["name"] == "Two"
    assert "riyl_changes_set_aside 0.0" in service.ask("GET", "/metrics").text


def test_a_change_that_cannot_be_encoded_is_set_aside_and_all_others_are_shown(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encode = LiveArtistEncoder.__call__

    def fails_of_one(self: LiveArtistEncoder, effective: Any, rows: Any) -> Any:
        if any(each.artist == "a005" for each in effective):
            raise ZeroDivisionError
        return encode(self, effective, rows)

    monkeypatch.setattr(LiveArtistEncoder, "__call__", fails_of_one)
    before = service.get("/v1/artists/a005")["artist"]
    service.change("PUT", "a005", {"name": "Five"})
    for number in range(5):
        service.change("PUT", f"n{number}", {"name": f"N {number}", "tags": {"ska": 1.0}}, 201)
    assert service.get("/v1/artists/n4")["artist"]["name"] == "N 4"
    assert service.get("/v1/artists/a005")["artist"] == before
    assert "change_set_aside artist=a005" in caplog.text
    assert "riyl_changes_set_aside 1.0" in service.ask("GET", "/metrics").text
    service.stop()
    service.start()
    assert service.get("/v1/artists/n4")["artist"]["name"] == "N 4"
    service.change("DELETE", "a005")
    assert service.ask("GET", "/v1/artists/a005").status_code == 404
    assert "riyl_changes_set_aside 0.0" in service.ask("GET", "/metrics").text


def test_the_homes_copy_keeps_who_is_gone_away_without_the_database(template: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(template.root, home.root, ignore=shutil.ignore_patterns("*.sqlite*"))
    home.rules.write_text('{"kind": "riyl-rules", "format": 1, "revision": 0, "rules": []}')
    (tmp_path / "made").mkdir()
    identity = write_effective(
        tmp_path / "made", [EffectiveChanges("a003", True, {}), EffectiveChanges("a006", True, {}, "a009")]
    )
    shutil.copy(tmp_path / "made" / f"{identity}.ndjson", home.tombstones)
    url = "postgresql://nobody:nothing@127.0.0.1:1/none"
    app = create_app(Settings(home=home.root, database_url=url))  # type: ignore[arg-type]
    app.state.reloader.poll()
    searcher = app.state.reloader.searcher
    assert [searcher.row_of("a003"), searcher.row_of("a006"), searcher.moved_to("a006")] == [None, None, "a009"]
    assert not {"a003", "a006"} & set(searcher.ids_of(searcher.similar(0, 57).rows))


def about(service: Service, artist: str) -> tuple[int, float]:
    details = service.get(f"/v1/artists/{artist}")["artist"]
    return details["listeners"], details["plays"]


def test_a_patch_of_one_listener_leaves_the_others(service: Service) -> None:
    listeners, plays = about(service, "a000")
    assert listeners > 1
    body = service.change("PATCH", "a000", {"plays": {"u-new": 3}})
    assert (body["visible_after"], body["unknown_plays"]) == ("within_1s", 1)
    after = service.ask("GET", "/v1/artists/a000/similar?k=50")
    for _ in range(2):
        assert about(service, "a000") == (listeners + 1, plays + 3)
        # the new tag is unknown to the featurizer, so the similar artists stay
        assert [each["id"] for each in after.json()["similar"]] == service.listed("/v1/artists/a000/similar?k=50")
        reindex(service)
        service.poll()
    service.change("PATCH", "a000", {"plays": {"u-new": None}})
    assert about(service, "a000") == (listeners, plays)
    rollback(service.home.versions, service.database, by="test", why="test")
    service.poll()
    assert about(service, "a000") == (listeners, plays)
    drop_changes(service.database, by="test", artist="a000")
    service.poll()
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
    assert service.change("PATCH", "a000", {"plays": {"u-new": 3}, "tags": {"noise": 90}})["visible_after"] == "reindex"
    assert service.change("PATCH", "a000", {"name": "Renamed"})["visible_after"] == "within_1s"
    assert about(service, "a000") == (listeners, plays)
    assert service.listed("/v1/artists/a000/similar?k=50") == similar
    line = json.dumps({"kind": "patch", "id": "a003", "tags": {"ska": None}}).encode()
    batch = service.post_lines(line)
    assert json.loads(batch)["visible_after"] == "reindex"
    # a put that replaces the tables' terms, and a patch of it, does not wait
    assert service.change("PUT", "a001", {"name": "One", "tags": {"ska": 3}})["visible_after"] == "within_1s"
    assert service.change("PATCH", "a001", {"tags": {"ska": None, "dub": 2}})["visible_after"] == "within_1s"
    reindex(service)
    service.poll()
    assert about(service, "a000") == (listeners + 1, plays + 3)
    assert service.change("PATCH", "a000", {"plays": {"u-new": 4}})["visible_after"] == "within_1s"
    assert about(service, "a000") == (listeners + 1, plays + 4)


def test_changes_are_shown_a_few_at_a_time_and_deletions_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = ChangeFeed(service.database, service.home, Metrics())
    assert service.reloader.state is not None
    state = feed.onto(service.reloader.state)
    for i in range(5):
        put = ChangeRequest(f"new{i}", ChangeKind.PUT, {"name": f"N{i}", "tags": {"ska": 1.0 + i}}, artist_exists=False)
        write_change(service.database, put, by="test")
    write_change(service.database, ChangeRequest("a003", ChangeKind.DELETE, {}, artist_exists=True), by="test")
    write_change(service.database, ChangeRequest("new0", ChangeKind.DELETE, {}, artist_exists=False), by="test")
    service.reloader.poll()
    at_once = service.reloader.state
    assert at_once.searcher.overlay.number == 7
    monkeypatch.setattr("riyl.app.serving.state.MAX_AT_ONCE", 2)
    shown, etags, behind, seconds = [], [], [], []
    while not behind or behind[-1]:
        state = feed.next(state)
        shown.append(sorted(state.searcher.overlay.row_of_id))
        etags.append(state.etag.rpartition("-")[2])
        behind.append(feed.behind)
        seconds.append(feed.seconds_until(7))
        assert state.searcher.row_of("a003") is None  # deleted by the sixth change
    # the last change deletes new0, so it is never shown
    there = ["new1", "new2", "new3", "new4"]
    assert shown == [there[:1], there[:3], there, there]
    assert etags == ['c2h7"', 'c4h7"', 'c6h7"', 'c7"']
    assert behind == [5, 3, 1, 0]
    assert seconds == [each / 200.0 for each in behind]
    for artist in ("a000", "a017", "new3"):
        rows = [known_row(each, artist) for each in (state, at_once)]
        lists = [each.searcher.similar(row, 50) for each, row in zip((state, at_once), rows, strict=True)]
        ids = [each.searcher.ids_of(listed.rows) for each, listed in zip((state, at_once), lists, strict=True)]
        assert ids[0] == ids[1]
        assert lists[0].scores.tolist() == lists[1].scores.tolist()


def test_a_change_behind_many_says_when_it_is_shown(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riyl.app.serving.change_feed.ASSUMED_CHANGES_PER_S", 1.0)
    service.stop()
    service.start()
    lines = [{"kind": "put", "id": f"new{i}", "name": "N", "tags": {"ska": 1}} for i in range(70)]
    lines += [{"kind": "delete", "id": "a001"}]
    answers = service.post_lines("\n".join(map(json.dumps, lines)).encode()).splitlines()
    assert [json.loads(each)["visible_after"] for each in answers] == [
        "within_1s",
        *["within_1min"] * 59,
        *["within_1h"] * 10,
        "within_1s",
    ]
