from __future__ import annotations

import logging
from pathlib import Path

import pytest

from riyl.core.rules import NO_RULES
from riyl.core.settings import Home
from riyl.core.storage.copies import Copies
from riyl.core.storage.current import CURRENT, write_current
from riyl.core.storage.rules_copy import write_copy
from riyl.core.storage.stamps import Stamp, Stream
from riyl.core.storage.tombstones import append_tombstones, write_tombstones


def test_a_home_without_copies_has_seen_nothing(tmp_path: Path) -> None:
    assert Copies(Home(tmp_path)).stamps() == {}


def test_each_copy_says_what_it_has_seen_also_after_it_was_written_anew(tmp_path: Path) -> None:
    home = Home(tmp_path)
    copies = Copies(home)
    write_copy(home.rules, NO_RULES, Stamp("d", 0, "r"))
    write_tombstones(home.tombstones, [], Stamp("d", 4, "t"))
    write_current(home.versions, "v", Stamp("d", 2, "p"))
    assert copies.stamps() == {
        Stream.RULES: Stamp("d", 0, "r"),
        Stream.TOMBSTONES: Stamp("d", 4, "t"),
        Stream.PROMOTIONS: Stamp("d", 2, "p"),
    }
    append_tombstones(home.tombstones, [], Stamp("d", 5, "u"))
    write_current(home.versions, "v", Stamp("d", 3, "q"))
    assert copies.stamps()[Stream.TOMBSTONES] == Stamp("d", 5, "u")
    assert copies.stamps()[Stream.PROMOTIONS] == Stamp("d", 3, "q")


def test_a_copy_that_cannot_be_read_is_told_of_once_and_the_others_speak(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path)
    write_tombstones(home.tombstones, [], Stamp("d", 4, "t"))
    home.rules.write_text("{")
    home.versions.mkdir()
    (home.versions / CURRENT).write_bytes(b"\xff")
    copies = Copies(home)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert copies.stamps() == {Stream.TOMBSTONES: Stamp("d", 4, "t")}
    assert len(caplog.messages) == 2
