"""Map files: two columns of ids, each id once in its column."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import InputError
from riyl.core.external.artist_map import read_artist_map


def written(folder: Path, text: str, name: str = "map.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_csv_tsv_and_parquet_give_the_same_pairs(tmp_path: Path) -> None:
    columns = {"artist_id": ["a1", "a2"], "other_artist_id": ["x2", "x1"]}
    pq.write_table(pa.table({"note": ["", "sure"], **columns}), tmp_path / "map.parquet")
    files = [
        written(tmp_path, "artist_id,other_artist_id\na1,x2\na2,x1\n"),
        written(tmp_path, "other_artist_id\tartist_id\nx2\ta1\nx1\ta2\n", "map.tsv"),
        tmp_path / "map.parquet",
    ]
    for path in files:
        assert read_artist_map(path).to_pydict() == columns


def test_ids_may_be_integers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"artist_id": [7], "other_artist_id": ["x7"]}), tmp_path / "map.parquet")
    assert read_artist_map(tmp_path / "map.parquet").to_pylist() == [{"artist_id": "7", "other_artist_id": "x7"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("artist_id,own_id\na1,x1\n", "found columns artist_id, own_id; wanted a column 'other_artist_id'"),
        ("artist_id,other_artist_id\n", "found no rows; wanted at least one"),
        ("artist_id,other_artist_id\na1,\n", "row 1: found nothing in column 'other_artist_id'; wanted non-empty text"),
        (
            "artist_id,other_artist_id\na1,x1\na2,x1\na3,x1\n",
            "found 1 repeated ids in column 'other_artist_id': 'x1'; wanted each artist of either catalog once",
        ),
        ("artist_id,other_artist_id\na1,x1\na1,x2\n", "found 1 repeated ids in column 'artist_id': 'a1'"),
    ],
)
def test_a_wrong_map_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=message) as raised:
        read_artist_map(path)
    assert str(path) in str(raised.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file; wanted one that ends in .parquet, .csv, .tsv"):
        read_artist_map(tmp_path / "none.csv")
    with pytest.raises(InputError, match="found a file that ends in '.txt'"):
        read_artist_map(written(tmp_path, "artist_id,other_artist_id\na1,x1\n", "map.txt"))
