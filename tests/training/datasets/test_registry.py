"""Every dataset describes itself, and becomes tables from files put there by hand, without any network."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from riyl.core.catalog.tables import Tables
from riyl.core.errors import FetchError, NotFoundError
from riyl.training.datasets.base import Dataset
from riyl.training.datasets.registry import DATASETS, downloads_of, get, make_tables


def put_nothing(folder: Path) -> None:
    pass


def put_lastfm(folder: Path) -> None:
    with zipfile.ZipFile(folder / "hetrec2011-lastfm-2k.zip", "w") as archive:
        archive.writestr("artists.dat", "id\tname\turl\tpictureURL\n1\tA\tu\tp\n2\tB\tu\tp\n")
        archive.writestr("tags.dat", "tagID\ttagValue\r\n1\tmetal\r\n")
        archive.writestr("user_artists.dat", "userID\tartistID\tweight\r\n2\t1\t5\r\n")
        archive.writestr(
            "user_taggedartists.dat", "userID\tartistID\ttagID\tday\tmonth\tyear\r\n2\t2\t1\t1\t4\t2009\r\n"
        )


def put_olga(folder: Path) -> None:
    sp.save_npz(folder / "artist_connections.npz", sp.csr_matrix(np.triu(np.ones((3, 3), np.bool_), 1)))
    mbids = [f"00000000-0000-4000-8000-00000000000{i}" for i in range(3)]
    rows = "".join(f"{i},{mbid},train,[]\n" for i, mbid in enumerate(mbids))
    (folder / "olga.csv").write_text("index,musicbrainz_id,partition,tracks\n" + rows)
    np.save(folder / "acousticbrainz.npy", np.ones((3, 4)))
    (folder / "names.csv").write_text(f"musicbrainz_id,name\n{mbids[0]},A\n")


BY_HAND = {"synthetic": put_nothing, "lastfm-2k": put_lastfm, "olga": put_olga}
"""Functions that put small files of each dataset in place; a new dataset needs an entry here."""


@pytest.fixture(params=sorted(DATASETS))
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return DATASETS[request.param]


def test_a_dataset_says_what_it_is_and_what_is_allowed(dataset: Dataset) -> None:
    assert get(dataset.name) is dataset
    assert dataset.summary
    assert dataset.licence
    assert dataset.citation or not dataset.files


def test_files_have_names_of_their_own_and_safe_addresses(dataset: Dataset) -> None:
    names = [file.name for file in dataset.files]
    assert len(set(names)) == len(names)
    for file in dataset.files:
        assert Path(file.name).name == file.name
        assert file.address is None or file.address.startswith("https://")
        assert file.address or file.optional
        assert file.sha256 is None or len(file.sha256) == 64


def test_a_dataset_becomes_tables_that_pass_every_check(dataset: Dataset, tmp_path: Path) -> None:
    folder = downloads_of(dataset, tmp_path / "downloads")
    folder.mkdir(parents=True)
    BY_HAND[dataset.name](folder)
    before = sorted(folder.iterdir())
    report = make_tables(dataset.name, tmp_path / "downloads", tmp_path / "out")
    assert sorted(folder.iterdir()) == before
    tables = Tables.open(tmp_path / "out")
    read = {table: sum(batch.num_rows for batch in tables.batches(table)) for table in tables.files}
    assert read == report.rows
    assert read["artists"] == tables.artists().num_rows > 0
    assert set(read) - {"artists"}
    assert (tmp_path / "out" / "source.json").exists()


def test_a_folder_of_tables_is_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "artists.csv").write_text("artist_id,name\na,A\n")
    (tmp_path / "mine" / "tags.csv").write_text("artist_id,tag,weight\na,rock,1\n")
    assert get(str(tmp_path / "mine")).name == "mine"
    report = make_tables(str(tmp_path / "mine"), tmp_path / "downloads", tmp_path / "out")
    assert report.rows == {"artists": 1, "tags": 1}
    assert not (tmp_path / "downloads").exists()


def test_an_unknown_dataset_is_not_found_and_the_known_are_listed(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        get(str(tmp_path / "none"))
    assert str(caught.value) == (
        f"there is no dataset '{tmp_path}/none'; there are: synthetic, lastfm-2k, olga; a folder of tables is one too"
    )


def test_a_wrong_file_put_by_hand_makes_no_tables(tmp_path: Path) -> None:
    folder = tmp_path / "downloads" / "lastfm-2k"
    (folder / "hetrec2011-lastfm-2k.zip").mkdir(parents=True)
    with pytest.raises(FetchError, match="found something that is no regular file"):
        make_tables("lastfm-2k", tmp_path / "downloads", tmp_path / "out")
    assert not (tmp_path / "out").exists()
