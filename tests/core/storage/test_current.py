from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.errors import FormatError
from riyl.core.storage.current import CURRENT, current_stamp, read_current, write_current
from riyl.core.storage.stamps import Stamp


def test_the_version_and_the_promotion_that_made_it_current_are_read_as_written(tmp_path: Path) -> None:
    assert (read_current(tmp_path), current_stamp(tmp_path)) == (None, None)
    write_current(tmp_path, "abc", Stamp("db", 12, "m"))
    assert (read_current(tmp_path), current_stamp(tmp_path)) == ("abc", Stamp("db", 12, "m"))
    assert (tmp_path / CURRENT).read_text().splitlines()[0] == "abc"


def test_a_file_of_an_earlier_release_has_no_stamp(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_text("abc\n")
    assert (read_current(tmp_path), current_stamp(tmp_path)) == ("abc", None)


@pytest.mark.parametrize("line", ["{", "[]", '{"database": "d"}', '{"database": null, "number": "x", "mark": null}'])
def test_a_damaged_stamp_says_so_and_the_version_is_read_all_the_same(tmp_path: Path, line: str) -> None:
    (tmp_path / CURRENT).write_text(f"abc\n{line}\n")
    assert read_current(tmp_path) == "abc"
    with pytest.raises(FormatError, match="CURRENT: damaged"):
        current_stamp(tmp_path)
