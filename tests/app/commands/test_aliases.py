"""Commands `riyl aliases import` and `riyl aliases list`."""

from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home
from tests.app.conftest import as_json, riyl

TABLE = "external_id,name\nn1,Björk\nn2,Nobody of this Name\nn3,MØ\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "artists.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_an_import_says_what_is_mapped_and_what_is_unknown(home: Home, table: Path) -> None:
    done = riyl(home, "aliases", "import", str(table), "--kind", "navidrome")
    assert done.stdout == "aliases of navidrome: 2; 1 rows of unknown artists, such as n2\n"
    assert as_json(home, "aliases", "import", str(table), "--kind", "jellyfin") == {
        "kind": "jellyfin",
        "aliases": 2,
        "unknown": 1,
        "examples": ["n2"],
    }
    assert as_json(home, "aliases", "list") == [{"kind": "navidrome", "aliases": 2}, {"kind": "jellyfin", "aliases": 2}]


def test_the_list_is_a_table(home: Home) -> None:
    lines = riyl(home, "aliases", "list").stdout.split()
    assert lines == ["aliases", "kind", "aliases", "navidrome", "0", "jellyfin", "0"]


def test_wrong_files_kinds_and_homes_are_refused(home: Home, table: Path, tmp_path: Path) -> None:
    other = table.rename(table.with_suffix(".txt"))
    with pytest.raises(InputError, match=r"found the ending '.txt'; wanted .csv or .tsv"):
        riyl(home, "aliases", "import", str(other), "--kind", "navidrome")
    assert riyl(home, "aliases", "import", str(other), "--kind", "plex").exit_code == 2
    assert riyl(home, "aliases", "import", str(other)).exit_code == 2
    with pytest.raises(FileNotFoundError):
        riyl(home, "aliases", "import", str(tmp_path / "none.csv"), "--kind", "navidrome")
    with pytest.raises(NotFoundError):
        riyl(tmp_path / "empty", "aliases", "import", str(other.rename(table)), "--kind", "navidrome")
