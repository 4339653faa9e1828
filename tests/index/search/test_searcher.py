from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import FormatError, InputError, NothingKnownError
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.scoring.tie_breaking import tie_break_rank
from riyl.index.search.searcher import Searcher
from tests.conftest import REPOSITORY
from tests.index.conftest import MBID


@pytest.fixture(scope="module")
def searcher(version: Version) -> Searcher:
    return Searcher.open(version.folder)


def test_an_artist_is_what_the_catalog_says(searcher: Searcher, named_snapshot: Snapshot) -> None:
    artist = searcher.artist(1)
    assert (artist.row, artist.id, artist.name, artist.mbid) == (1, "a001", "Radiohead", MBID.upper())
    assert artist.aliases == ("On a Friday",)
    assert artist.attributes == {"country": "GB", "year": 1986}
    assert artist.modalities == ("audio", "cf", "tags")
    assert (artist.listeners, artist.plays) == (named_snapshot.listeners[1], named_snapshot.plays[1])
    nobody = searcher.artist(59)
    assert (nobody.name, nobody.modalities, nobody.aliases, nobody.mbid) == ("Nobody Knows", (), (), None)
    assert (nobody.listeners, nobody.plays) == (0, 0.0)


def test_an_artist_is_found_by_id_or_by_mbid_in_either_case(searcher: Searcher) -> None:
    assert [searcher.row_of(text) for text in ("a000", "a059", MBID, MBID.upper())] == [0, 59, 1, 1]
    assert [searcher.row_of(text) for text in ("A000", "", "Radiohead", "\x00")] == [None] * 4


def test_similar_artists_are_the_beginning_of_the_ready_list(searcher: Searcher, version: Version) -> None:
    neighbours = searcher.similar(3, 5)
    np.testing.assert_array_equal(neighbours.rows, version.neighbours[3, :5])
    np.testing.assert_array_equal(neighbours.scores, version.scores[3, :5])
    assert neighbours.scores.dtype == np.float32
    assert (np.diff(neighbours.scores) <= 0).all()
    everybody = searcher.similar(3, 1000)
    assert sorted(everybody.rows.tolist()) == [row for row in range(59) if row != 3]
    assert np.isfinite(everybody.scores).all()


def test_raw_lists_are_the_nearest_by_cosine_whatever_the_corrections(corrected: Version) -> None:
    searcher = Searcher.open(corrected.folder)
    order = tie_break_rank(corrected.artist_ids, 0)
    changed = 0
    for row in range(59):
        neighbours = searcher.similar(row, 7, uncorrected=True)
        cosine = {
            y: float(np.float32(corrected.embeddings[row].astype(float) @ corrected.embeddings[y].astype(float)))
            for y in range(59)
            if y != row
        }
        wanted = sorted(cosine, key=lambda y: (-cosine[y], order[y]))[:7]
        assert neighbours.rows.tolist() == wanted
        np.testing.assert_allclose(neighbours.scores, [cosine[y] for y in wanted], atol=1e-6)
        changed += neighbours.rows.tolist() != searcher.similar(row, 7).rows.tolist()
    assert changed > 20
    assert len(searcher.similar(3, 1000, uncorrected=True).rows) == 58
    with pytest.raises(NothingKnownError):
        searcher.similar(59, 5, uncorrected=True)


def test_raw_lists_of_a_version_without_corrections_are_the_ready_ones(searcher: Searcher) -> None:
    ready, uncorrected = searcher.similar(3, 200), searcher.similar(3, 200, uncorrected=True)
    assert (ready.rows.tolist(), ready.scores.tolist()) == (uncorrected.rows.tolist(), uncorrected.scores.tolist())


def test_an_artist_without_embedding_has_nobody_similar_and_is_similar_to_nobody(searcher: Searcher) -> None:
    assert [searcher.is_searchable(row) for row in (0, 58, 59)] == [True, True, False]
    with pytest.raises(NothingKnownError, match=r"Nobody Knows \(a059\) has no embedding"):
        searcher.similar(59, 5)
    assert not any(59 in searcher.similar(row, 256).rows for row in range(59))


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_similar_artist_is_refused(searcher: Searcher, k: int) -> None:
    with pytest.raises(InputError, match=f"k: found {k}; wanted at least 1"):
        searcher.similar(0, k)


def test_ids_names_and_modalities_come_in_the_order_asked_for(searcher: Searcher) -> None:
    rows = np.array([9, 0, 59], np.int32)
    assert searcher.ids_of(rows) == ["a009", "a000", "a059"]
    assert searcher.names_of(rows) == ["The Beatles", "Björk", "Nobody Knows"]
    assert searcher.modalities_of(rows) == [("audio", "cf"), ("audio", "cf", "tags"), ()]


def test_names_are_searched_and_resolved(searcher: Searcher) -> None:
    assert searcher.search_names("bjork", 10) == [0, 12]
    assert searcher.search_names("radiohed", 10) == [1]
    assert searcher.search_names("nobody", 10) == [59]
    assert searcher.named("on a friday") == [1]
    several = searcher.named("aurora")
    assert sorted(several) == [5, 6]
    assert several == sorted(several, key=lambda row: (-searcher.artist(row).listeners, -searcher.artist(row).plays))
    assert searcher.named("AURÓRA") == [7]
    assert searcher.named("beatles") == [9]
    assert searcher.named("beatles", {9}) == []


def test_a_searcher_says_which_version_it_is(searcher: Searcher, version: Version) -> None:
    assert (searcher.version_id, searcher.n_artists) == (version.id, 60)
    assert searcher.manifest["quality_checks"]["passed"] is True


def test_a_damaged_version_is_refused_unless_one_does_not_look(version: Version, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(version.folder, tmp_path / "copy"))
    data = bytearray((copy / "scores.npy").read_bytes())
    data[-4] ^= 1  # a bit of a NaN after a list's end, which stays a NaN
    (copy / "scores.npy").write_bytes(bytes(data))
    with pytest.raises(FormatError, match=r"scores.npy: damaged, found sha256 \w+; wanted"):
        Searcher.open(copy)
    assert Searcher.open(copy, verify=False).n_artists == 60


def test_a_searcher_goes_on_when_its_folder_is_removed(version: Version, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(version.folder, tmp_path / "copy"))
    opened = Searcher.open(copy)
    shutil.rmtree(copy)
    assert opened.search_names("radiohed", 3) == [1]
    assert len(opened.similar(1, 10).rows) == 10
    assert opened.artist(1).name == "Radiohead"


def test_many_threads_read_the_same(searcher: Searcher) -> None:
    def ask(i: int) -> tuple[object, ...]:
        row = i % 59
        return row, searcher.artist(row), searcher.similar(row, 9).rows.tolist(), searcher.search_names("artist", 5)

    alone = [ask(i) for i in range(59)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(590))) == alone * 10


def test_searching_needs_no_torch_and_no_faiss() -> None:
    heavy = ("torch", "faiss", "onnxruntime")
    modules = "riyl.index.search.searcher, riyl.index.versions.lifecycle"
    code = f"import sys, {modules}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
