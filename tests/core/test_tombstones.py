from __future__ import annotations

from pathlib import Path

import pytest

from core.changes import Standing
from core.errors import FormatError
from core.stamps import Stamp
from core.tombstones import Tombstones, append_tombstones, last_stamp, read_tombstones, write_tombstones

DELETED, MERGED = Standing("a/ö", True, {}), Standing("b", True, {}, "c", "an mbid")
FIRST, SECOND = Stamp("db", 3, "m"), Stamp("db", 9, "n")


def test_a_copy_is_read_as_it_was_written_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "gone.ndjson"
    assert read_tombstones(path) == Tombstones(None, {})
    assert last_stamp(path) is None
    write_tombstones(path, [DELETED, MERGED], FIRST)
    assert read_tombstones(path) == Tombstones(FIRST, {"a/ö": DELETED, "b": MERGED})
    assert last_stamp(path) == FIRST
    append_tombstones(path, [Standing("a/ö", False, {"name": "Back"}), Standing("d", True, {})], SECOND)
    assert read_tombstones(path) == Tombstones(SECOND, {"b": MERGED, "d": Standing("d", True, {})})
    assert last_stamp(path) == SECOND
    assert "Back" not in path.read_text()


def test_what_a_crash_cut_off_in_the_middle_leaves_what_was_written_before(tmp_path: Path) -> None:
    path = tmp_path / "gone.ndjson"
    write_tombstones(path, [DELETED], FIRST)
    whole = len(path.read_bytes())
    append_tombstones(path, [MERGED], SECOND)
    data = path.read_bytes()
    first_line = data.index(b"\n", whole) + 1
    for length in range(whole, len(data)):
        path.write_bytes(data[:length])
        found = read_tombstones(path)
        assert found.stamp == FIRST
        assert found.artists.keys() == ({"a/ö"} if length < first_line else {"a/ö", "b"})
        assert last_stamp(path) == (FIRST if length == whole else None)


def test_a_copy_of_an_earlier_release_has_no_stamp(tmp_path: Path) -> None:
    path = tmp_path / "gone.ndjson"
    path.write_text('{"artist":"x","deleted":true,"said":{}}\n')
    assert read_tombstones(path) == Tombstones(None, {"x": Standing("x", True, {})})
    assert last_stamp(path) is None


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"artist": "a"}', '{"kind": "riyl-rules", "format": 2}', '{"kind": "riyl-tombstones"}']
)
def test_a_damaged_line_says_which(tmp_path: Path, line: str) -> None:
    path = tmp_path / "gone.ndjson"
    write_tombstones(path, [DELETED], FIRST)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FormatError, match="gone.ndjson, line 3: damaged"):
        read_tombstones(path)
