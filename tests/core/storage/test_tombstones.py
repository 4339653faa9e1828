from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.errors import FormatError
from riyl.core.storage.stamps import Stamp
from riyl.core.storage.tombstones import Tombstones, append_tombstones, last_stamp, read_tombstones, write_tombstones

DELETED, MERGED = EffectiveChanges("a/ö", True, {}), EffectiveChanges("b", True, {}, "c", "an mbid")
FIRST, SECOND = Stamp("db", 3, "m"), Stamp("db", 9, "n")


def test_a_copy_is_read_as_it_was_written_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "tombstones.ndjson"
    assert read_tombstones(path) == Tombstones(None, {})
    assert last_stamp(path) is None
    write_tombstones(path, [DELETED, MERGED], FIRST)
    assert read_tombstones(path) == Tombstones(FIRST, {"a/ö": DELETED, "b": MERGED})
    assert last_stamp(path) == FIRST
    append_tombstones(path, [EffectiveChanges("a/ö", False, {"name": "Back"}), EffectiveChanges("d", True, {})], SECOND)
    assert read_tombstones(path) == Tombstones(SECOND, {"b": MERGED, "d": EffectiveChanges("d", True, {})})
    assert last_stamp(path) == SECOND
    assert "Back" not in path.read_text()


def test_what_a_crash_cut_off_in_the_middle_leaves_what_was_written_before(tmp_path: Path) -> None:
    path = tmp_path / "tombstones.ndjson"
    write_tombstones(path, [DELETED], FIRST)
    first_length = len(path.read_bytes())
    append_tombstones(path, [MERGED], SECOND)
    data = path.read_bytes()
    first_line = data.index(b"\n", first_length) + 1
    for length in range(first_length, len(data)):
        path.write_bytes(data[:length])
        tombstones = read_tombstones(path)
        assert tombstones.stamp == FIRST
        assert tombstones.artists.keys() == ({"a/ö"} if length < first_line else {"a/ö", "b"})
        assert last_stamp(path) == (FIRST if length == first_length else None)


def test_a_copy_of_an_earlier_release_has_no_stamp(tmp_path: Path) -> None:
    path = tmp_path / "tombstones.ndjson"
    path.write_text('{"artist":"x","deleted":true,"payload":{}}\n')
    assert read_tombstones(path) == Tombstones(None, {"x": EffectiveChanges("x", True, {})})
    assert last_stamp(path) is None


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"artist": "a"}', '{"kind": "riyl-rules", "format": 2}', '{"kind": "riyl-tombstones"}']
)
def test_a_damaged_line_says_which(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tombstones.ndjson"
    write_tombstones(path, [DELETED], FIRST)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FormatError, match="tombstones.ndjson, line 3: damaged"):
        read_tombstones(path)
