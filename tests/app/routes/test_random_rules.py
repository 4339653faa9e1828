"""Tests of random operations on rules and artists over HTTP, against a dictionary of rules and unruled lists."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from riyl.app.serving.reloader import VersionReloader
from riyl.core.db.changes import drop_changes
from riyl.core.db.rules import drop_rule, list_rules
from riyl.core.settings import Home
from tests.app.conftest import database, key_headers
from tests.app.routes.test_artists import Asking, asking, state  # noqa: F401

SHOWN = ["a000", "a001", "a002", "a003", "a006"]
UNPLACED, UNKNOWN = "a059", "n9"
"""Artist without an embedding, and an id that no artist has."""

IDS = st.sampled_from([*SHOWN, UNPLACED, UNKNOWN])
KINDS = st.sampled_from(["block", "never", "pin"])
NUMBERS = st.integers(0, 8)
WHYS = st.sampled_from(["", "a reason", "é"])

Pair = tuple[str, str, str | None]
"""Kind and artists of a rule."""


def meaning(pair: Pair) -> tuple[object, ...]:
    kind, artist, other = pair
    return (kind, frozenset((artist, other))) if kind == "never" else pair


class RuleMachine(RuleBasedStateMachine):
    """Random operations, with the lists that are expected after them."""

    asking: Asking
    home: Home
    headers: dict[str, str]

    @initialize()
    def begin(self) -> None:
        self.database = database(self.home)
        for written in list_rules(self.database):
            drop_rule(self.database, written.rule.number)
        reloader = self.asking.app.state.reloader
        assert isinstance(reloader, VersionReloader)
        self.reloader = reloader
        self.rules: dict[int, tuple[Pair, str]] = {}
        self.gone = set[str]()
        self.last = 0
        self.reloader.poll()
        self.unruled = {artist: self.listed(artist) for artist in SHOWN}

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        client = self.asking.client
        return self.asking.run(client.request(method, path, json=body, headers=self.headers))

    def listed(self, artist: str, k: int = 200) -> list[str]:
        answer = self.ask("GET", f"/v1/artists/{artist}/similar?k={k}")
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["similar"]]

    @rule(kind=KINDS, artist=IDS, other=IDS, why=WHYS)
    def make(self, kind: str, artist: str, other: str, why: str) -> None:
        pair: Pair = (kind, artist, None if kind == "block" else other)
        body = {"kind": kind, "artist": artist, "why": why} | ({} if kind == "block" else {"other": other})
        answer = self.ask("POST", "/v1/rules", body)
        if artist == pair[2]:
            assert answer.status_code == 422
            return
        same = [number for number, (each, _) in self.rules.items() if meaning(each) == meaning(pair)]
        assert answer.status_code == (200 if same else 201), answer.text
        number = answer.json()["number"]
        if same:
            assert [number] == same
        else:
            assert number > self.last
            self.rules[number], self.last = (pair, why), number

    @rule(place=NUMBERS)
    def drop(self, place: int) -> None:
        number = sorted(self.rules)[place] if place < len(self.rules) else self.last + 1
        status = 204 if self.rules.pop(number, None) else 404
        assert self.ask("DELETE", f"/v1/rules/{number}").status_code == status

    @rule(artist=st.sampled_from(SHOWN))
    def delete_artist(self, artist: str) -> None:
        assert self.ask("DELETE", f"/v1/artists/{artist}").status_code == 200
        self.gone.add(artist)
        self.reloader.poll()

    @rule()
    def bring_artists_back(self) -> None:
        for artist in self.gone:
            drop_changes(self.database, by="test", artist=artist)
        self.gone.clear()
        self.reloader.poll()

    def others(self, kind: str, artist: str) -> list[str]:
        """Return the artists that rules of a kind pair with one, by rule number; a never counts both ways."""
        pairs = [pair for _, (pair, _) in sorted(self.rules.items()) if pair[0] == kind]
        if kind == "never":
            pairs += [(kind, str(second), first) for _, first, second in pairs]
        return [str(second) for _, first, second in pairs if first == artist]

    @property
    def hidden(self) -> set[str]:
        return self.gone | {pair[1] for pair, _ in self.rules.values() if pair[0] == "block"}

    @invariant()
    def lists_obey_the_rules(self) -> None:
        for artist in SHOWN:
            if artist in self.hidden:
                assert self.ask("GET", f"/v1/artists/{artist}/similar").status_code == 404
                continue
            away = self.hidden | set(self.others("never", artist))
            pins = [other for other in self.others("pin", artist) if other in SHOWN and other not in away]
            wanted = pins + [other for other in self.unruled[artist] if other not in away and other not in pins]
            assert self.listed(artist) == wanted
            assert self.listed(artist, 3) == wanted[:3]

    @invariant()
    def rules_are_listed_as_they_were_made(self) -> None:
        for condition, holds in (
            ("", lambda pair: True),
            ("&kind=never", lambda pair: pair[0] == "never"),
            ("&artist=a001", lambda pair: "a001" in pair[1:]),
        ):
            answer = self.ask("GET", f"/v1/rules?limit=200{condition}")
            listed = [
                (each["number"], (each["kind"], each["artist"], each["other"]), each["why"])
                for each in answer.json()["rules"]
            ]
            wanted = [(number, *made) for number, made in sorted(self.rules.items(), reverse=True) if holds(made[0])]
            assert listed == wanted
            assert [each["known"] for each in answer.json()["rules"]] == [self.knows(pair) for _, pair, _ in wanted]

    def knows(self, pair: Pair) -> bool:
        return not {pair[1], pair[2]} & {*self.gone, UNKNOWN}

    def teardown(self) -> None:
        if hasattr(self, "gone"):
            self.bring_artists_back()
            self.database.close()


@pytest.fixture
def machine(asking: Asking, state: Home) -> type[RuleMachine]:  # noqa: F811
    return type("Of", (RuleMachine,), {"asking": asking, "home": state, "headers": key_headers(state)})


def explore(machine: type[RuleMachine], examples: int, steps: int) -> None:
    depth = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=depth)


def test_a_few_random_acts_leave_the_lists_that_the_rules_say(machine: type[RuleMachine]) -> None:
    explore(machine, 6, 10)


@pytest.mark.slow
def test_random_acts_leave_the_lists_that_the_rules_say(machine: type[RuleMachine]) -> None:
    explore(machine, 60, 30)
