import re
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.training.datasets import synthetic
from riyl.training.datasets.synthetic import generate

N = 2000
TABLES = ["artists", "audio", "plays", "similar", "tags"]


def rows_of(folder, table):
    return pyarrow.parquet.read_table(folder / f"{table}.parquet").to_pylist()


def made(folder, **kwargs):
    folder.mkdir()
    generate(folder, **kwargs)
    return folder


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return made(tmp_path_factory.mktemp("synthetic") / "catalog", artists=N, seed=3)


@pytest.fixture(scope="module")
def similarity_pairs(catalog):
    return [(row["artist_id"], row["similar_id"]) for row in rows_of(catalog, "similar")]


def mean_per_artist(catalog, table, artists):
    counts = Counter(row["artist_id"] for row in rows_of(catalog, table))
    return np.mean([counts[a] for a in artists])


def test_every_table_passes_the_checks_of_a_catalog(catalog):
    tables = Tables.open(catalog)
    assert sorted(tables.files) == TABLES
    assert tables.modalities == {"audio": "audio", "cf": "plays", "tags": "tags"}
    assert tables.artists().num_rows == N
    artist_ids = set(tables.artists().column("artist_id").to_pylist())
    for table in TABLES:
        for batch in tables.batches(table):
            assert set(batch.column("artist_id").to_pylist()) <= artist_ids
    assert {row["similar_id"] for row in rows_of(catalog, "similar")} <= artist_ids


@pytest.mark.parametrize(("artists", "with_plays", "with_tags"), [(100, 87, 62), (101, 88, 63), (2000, 1740, 1240)])
def test_shares_of_the_modalities_are_exact(tmp_path, artists, with_plays, with_tags):
    folder = made(tmp_path / "c", artists=artists)
    counts = {table: len({row["artist_id"] for row in rows_of(folder, table)}) for table in ("audio", "plays", "tags")}
    assert counts == {"audio": artists, "plays": with_plays, "tags": with_tags}


def test_about_half_of_the_artists_have_everything(catalog):
    tagged, played = ({row["artist_id"] for row in rows_of(catalog, table)} for table in ("tags", "plays"))
    assert 0.5 * N < len(tagged & played) < 0.6 * N


def test_the_unpopular_miss_more(catalog):
    every = {row["artist_id"] for row in rows_of(catalog, "artists")}
    tagged, played = ({row["artist_id"] for row in rows_of(catalog, table)} for table in ("tags", "plays"))
    for having in (tagged, played):
        # All artists have tracks; their number stands for popularity.
        assert mean_per_artist(catalog, "audio", every - having) < 0.9 * mean_per_artist(catalog, "audio", having)
    assert mean_per_artist(catalog, "plays", played - tagged) < 0.7 * mean_per_artist(catalog, "plays", tagged & played)


def test_popularity_has_a_heavy_tail_of_about_zipf_slope(tmp_path):
    counts = Counter(row["artist_id"] for row in rows_of(made(tmp_path / "c", artists=5000), "plays"))
    listeners = np.sort(list(counts.values()))[::-1]
    assert listeners[:50].sum() > 0.15 * listeners.sum()
    assert listeners[0] > 30 * np.median(listeners)
    assert listeners[-1] == 1
    slope = np.log(listeners[199] / listeners[19]) / np.log(200 / 20)
    assert -1.0 < slope < -0.6


def test_the_popular_have_more_tags_and_tracks(catalog):
    counts = Counter(row["artist_id"] for row in rows_of(catalog, "plays"))
    tagged = {row["artist_id"] for row in rows_of(catalog, "tags")}
    popular = [a for a in counts if counts[a] >= 30]
    obscure = [a for a in counts if counts[a] <= 3]
    assert mean_per_artist(catalog, "audio", popular) > 1.5 * mean_per_artist(catalog, "audio", obscure)
    popular, obscure = ([a for a in group if a in tagged] for group in (popular, obscure))
    assert mean_per_artist(catalog, "tags", popular) > 1.5 * mean_per_artist(catalog, "tags", obscure)


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    first, again, other = (
        made(tmp_path / name, artists=300, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    for table in TABLES:
        file = f"{table}.parquet"
        assert (first / file).read_bytes() == (again / file).read_bytes()
        assert (first / file).read_bytes() != (other / file).read_bytes()


@pytest.mark.parametrize("artists", [99, 0, -5, 1_000_001])
def test_a_wrong_size_is_refused_and_nothing_written(tmp_path, artists):
    with pytest.raises(InputError, match=f"found {artists} artists; wanted 100 to 1000000"):
        generate(tmp_path, artists=artists)
    assert list(tmp_path.iterdir()) == []


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(InputError, match="found seed -1; wanted 0 or above"):
        generate(tmp_path, seed=-1)


@pytest.mark.parametrize("seed", range(8))
def test_the_smallest_world_is_whole(tmp_path, seed):
    tables = Tables.open(made(tmp_path / "c", artists=100, seed=seed))
    for table in TABLES:
        assert sum(batch.num_rows for batch in tables.batches(table)) == tables.count_rows(table)


def test_a_world_of_many_chunks_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "_CHUNK_ARTISTS", 64)
    heard = []
    folder = tmp_path / "c"
    folder.mkdir()
    generate(folder, artists=500, seed=1, progress=lambda *event: heard.append(event))
    for table in ("artists", "tags", "plays", "audio"):
        # ceil(500 / 64) = 8
        assert [event for event in heard if event[0] == table] == [(table, done, 8) for done in range(1, 9)]
        assert pyarrow.parquet.ParquetFile(folder / f"{table}.parquet").num_row_groups == 8
    step, done, total = heard[-1]
    assert step == "similar"
    assert done == total
    assert [row["artist_id"] for row in rows_of(folder, "artists")] == [f"a{i:07d}" for i in range(500)]
    assert len({row["artist_id"] for row in rows_of(folder, "plays")}) == 435
    tracks = [row["track_id"] for row in rows_of(folder, "audio")]
    assert len(set(tracks)) == len(tracks)


def test_rows_do_not_repeat(catalog):
    for table, keys in (("tags", ("artist_id", "tag")), ("plays", ("user_id", "artist_id"))):
        rows = [tuple(row[key] for key in keys) for row in rows_of(catalog, table)]
        assert len(set(rows)) == len(rows)


def test_each_pair_is_linked_once_and_none_with_itself(similarity_pairs):
    assert all(a != b for a, b in similarity_pairs)
    assert len({frozenset(pair) for pair in similarity_pairs}) == len(similarity_pairs)


def test_weights_and_counts_are_whole_and_positive(catalog):
    for table, column in (("tags", "weight"), ("plays", "count")):
        values = [row[column] for row in rows_of(catalog, table)]
        assert all(isinstance(value, int) and value >= 1 for value in values)
        assert len(set(values)) > 10


def test_tracks_are_one_to_eight_vectors_of_48_numbers(catalog):
    rows = rows_of(catalog, "audio")
    assert {len(row["vector"]) for row in rows} == {48}
    assert np.isfinite([row["vector"] for row in rows]).all()
    tracks = Counter(row["artist_id"] for row in rows)
    assert min(tracks.values()) == 1
    assert max(tracks.values()) == 8


def test_names_are_pronounceable_with_homonyms_and_accents(catalog):
    rows = rows_of(catalog, "artists")
    names = [row["name"] for row in rows]
    assert not [name for name in names if re.search(r"[bcdfghjklmnpqrstvwxz]{4}", name)]
    assert 20 <= N - len(set(names)) <= 80
    accented = [row for row in rows if not row["name"].isascii()]
    assert 100 <= len(accented) <= 220
    assert all(row["aliases"][0].isascii() and len(row["aliases"][0]) == len(row["name"]) for row in accented)
    assert any(row["aliases"] is None for row in rows)


def test_mbids_are_random_uuids_and_some_are_missing(catalog):
    mbids = [row["mbid"] for row in rows_of(catalog, "artists")]
    present_mbids = [mbid for mbid in mbids if mbid is not None]
    assert 0.11 < 1 - len(present_mbids) / N < 0.19
    assert len(set(present_mbids)) == len(present_mbids)
    assert {(uuid.UUID(mbid).version, uuid.UUID(mbid).variant) for mbid in present_mbids} == {(4, uuid.RFC_4122)}
    assert all(str(uuid.UUID(mbid)) == mbid for mbid in present_mbids)


def test_artists_have_a_genre_and_mostly_a_year(catalog):
    rows = rows_of(catalog, "artists")
    assert 2 <= len({row["genre"] for row in rows}) <= 12
    years = [row["formed"] for row in rows if row["formed"] is not None]
    assert 0.85 * N < len(years) < 0.95 * N
    assert min(years) >= 1930
    assert max(years) <= 2024


def test_tags_have_spellings_general_noise_and_a_long_tail(catalog):
    uses = Counter(row["tag"] for row in rows_of(catalog, "tags"))
    hyphenated = [tag for tag in uses if "-" in tag and tag.replace("-", " ") in uses]
    joined = [tag for tag in uses if " " in tag and tag.replace(" ", "") in uses]
    assert len(hyphenated) > 20
    assert len(joined) > 20
    assert uses["seen live"] > 10
    assert sum(count <= 3 for count in uses.values()) > 0.15 * len(uses)


@pytest.mark.slow
def test_two_chunks_of_full_size_are_whole(tmp_path):
    tables = Tables.open(made(tmp_path / "c", artists=20_000))
    assert tables.artists().num_rows == 20_000
    for table in TABLES:
        assert sum(batch.num_rows for batch in tables.batches(table)) == tables.count_rows(table)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_memory_grows_by_less_than_a_kilobyte_an_artist(tmp_path):
    code = (
        "import sys; from pathlib import Path; from riyl.training.datasets.synthetic import generate\n"
        "generate(Path(sys.argv[1]), artists=int(sys.argv[2]))\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    peaks_kib = []
    for artists in (50_000, 200_000):
        folder = tmp_path / str(artists)
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder), str(artists)],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks_kib.append(int(done.stdout))
    assert peaks_kib[1] < 1024 * 1024
    assert peaks_kib[1] - peaks_kib[0] < 150_000
