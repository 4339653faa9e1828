"""OLGA's files: the graph alone, with artists and names, and with errors in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.core.storage.ground_truth import save_truth
from riyl.training.datasets.olga import ARTISTS, NAMES
from tests.training.datasets.olga_files import (
    MBIDS,
    PARTS,
    N,
    links_of,
    made,
    put_artists,
    put_audio,
    put_graph,
    read,
    refusal,
)

WITHOUT = {"artists without any link": 1, "artists without audio, because acousticbrainz.npy is missing": N}
"""Notes of rows that are left out without audio."""


def test_the_graph_alone_gives_artists_by_row_and_each_pair_once(tmp_path: Path) -> None:
    put_graph(tmp_path)
    report = made(tmp_path)
    ids = [f"olga:{i}" for i in range(N)]
    assert read(tmp_path, "artists") == {"artist_id": ids, "name": ids}
    assert read(tmp_path, "similar") == links_of(ids)
    assert report.rows == {"artists": N, "similar": 3}
    assert report.notes == {"artists with their row as id, because olga.csv is missing": N, **WITHOUT}


def test_the_pairs_make_an_undirected_truth(tmp_path: Path) -> None:
    put_graph(tmp_path)
    made(tmp_path)
    pairs = pq.read_table(tmp_path / "out" / "similar.parquet")
    truth = save_truth(tmp_path / "truths", "olga", pairs, directed=False, source="olga")
    relevance = truth.relevance([f"olga:{i}" for i in range(N)])
    assert np.diff(relevance.indptr).tolist() == [2, 2, 1, 0, 1]


def test_with_olga_csv_artists_have_their_musicbrainz_ids_and_partitions(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path)
    report = made(tmp_path)
    assert read(tmp_path, "artists") == {"artist_id": MBIDS, "name": MBIDS, "mbid": MBIDS, "partition": PARTS}
    assert read(tmp_path, "similar") == links_of(MBIDS)
    assert report.notes == {"artists named by their MusicBrainz id, for lack of a name": N, **WITHOUT}


def test_a_nameless_index_column_is_the_index(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path, (0, ",musicbrainz_id,partition,tracks"))
    assert made(tmp_path).rows["artists"] == N


def test_names_are_taken_from_names_csv_where_it_has_them(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path)
    (tmp_path / NAMES.name).write_text(
        f'musicbrainz_id,name\n{MBIDS[2].upper()},"Tyler, the Creator"\n{MBIDS[0]},Björk\n{MBIDS[1]},\n', "utf-8"
    )
    report = made(tmp_path)
    assert read(tmp_path, "artists")["name"] == ["Björk", MBIDS[1], "Tyler, the Creator", MBIDS[3], MBIDS[4]]
    assert report.notes["artists named by their MusicBrainz id, for lack of a name"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, "index,mbid,partition,tracks"), ": found columns index, mbid, partition, tracks; wanted a column"),
        ((2, "1,not-an-mbid,train,[]"), ", row 2: found musicbrainz_id 'not-an-mbid'; wanted a MusicBrainz id"),
        ((2, f"1,{MBIDS[0]},train,[]"), f", row 2: found {MBIDS[0]} again (first in row 1); wanted each artist once"),
        ((3, f"2,{MBIDS[2]},dev,[]"), ", row 3: found partition 'dev'; wanted train, val, test"),
        ((3, f"7,{MBIDS[2]},val,[]"), ", row 3: found index '7'; wanted 2: the rows of the graph in order"),
        ((4, f"3,{MBIDS[3]}"), ", row 4: found 2 fields; wanted 4"),
        ((5, "-"), ": found 4 rows; wanted 5, as artist_connections.npz has"),
        ((5, '4,"open'), ": found no readable CSV ("),
    ],
)
def test_a_wrong_olga_csv_is_refused_with_row_found_and_wanted(
    tmp_path: Path, change: tuple[int, str], message: str
) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path, change)
    assert refusal(tmp_path).startswith(f"olga.csv{message}")


def test_an_olga_csv_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    put_graph(tmp_path)
    (tmp_path / ARTISTS.name).write_bytes(b"index,musicbrainz_id,partition,tracks\n0,\xff,train,[]\n")
    with pytest.raises(InputError, match=r"olga\.csv: found no readable CSV .*; wanted a CSV file in UTF-8"):
        made(tmp_path)


def test_what_is_made_is_a_catalog(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_artists(tmp_path)
    put_audio(tmp_path, np.ones((N, 3)))
    made(tmp_path)
    tables = Tables.open(tmp_path / "out")
    assert tables.modalities == {"audio": "audio"}
    assert tables.artists().column("partition").to_pylist() == PARTS
    assert sum(batch.num_rows for table in tables.files for batch in tables.batches(table)) == N + N + 3
