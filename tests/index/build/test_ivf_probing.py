from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

import riyl.index.artifact.ivf
import riyl.index.build.quality_checks
from riyl.index.artifact.ivf import MIN_PROBED, IvfIndex, lay_out
from riyl.index.artifact.version import FAISS
from riyl.index.build.ivf_probing import Probing, choose_probing, surely
from riyl.index.build.neighbour_lists import Catalog, ready_lists
from riyl.index.build.quality_checks import inspect, samples
from riyl.index.scoring.score import Scoring
from riyl.index.versions.report import Report
from tests.sealed_folders import sealed_files

FAISS_RECALL = "recall@10 of the Faiss index"
N, UNKNOWN = 2400, 7
CHECKED, CHOSEN_ON = 400, 1200


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 1000)
    monkeypatch.setattr(riyl.index.build.quality_checks, "SAMPLE", CHECKED)
    monkeypatch.setattr(riyl.index.build.quality_checks, "CHOSEN_ON", CHOSEN_ON)


@pytest.fixture(scope="module")
def overlapping() -> Catalog:
    """Draw overlapping clusters in 32 dimensions, so that neighbours of an artist lie in many IVF lists."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((120, 32))
    vectors = (centres[np.arange(N) % 120] * 0.7 + rng.standard_normal((N, 32))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    has_embedding = np.ones(N, bool)
    has_embedding[rng.choice(N, UNKNOWN, replace=False)] = False
    vectors[~has_embedding] = 0
    return Catalog([f"a{i}" for i in range(N)], vectors, has_embedding, np.zeros(N, np.int32), Scoring.none(N, 1))


@pytest.fixture(scope="module")
def listed(overlapping: Catalog) -> tuple[np.ndarray, np.ndarray]:
    return ready_lists(overlapping, threads=1)


def laid_out(catalog: Catalog) -> faiss.IndexIVF:
    popularity = np.zeros(len(catalog.ids), np.float32)
    index = lay_out(
        catalog.scoring.stored(catalog.vectors, catalog.patterns, popularity)[catalog.has_embedding], threads=1
    )
    assert isinstance(index, faiss.IndexIVF)
    return index


def chosen(index: faiss.IndexIVF, catalog: Catalog, scores: np.ndarray, wanted: float = 0.99) -> Probing:
    _, rows = samples(np.flatnonzero(catalog.has_embedding).astype(np.int32))
    return choose_probing(index, catalog, scores, rows, k=10, wanted=wanted, checked=CHECKED, threads=1)


def checked(
    folder: Path, index: faiss.IndexIVF, catalog: Catalog, lists: np.ndarray, probing: Probing | None = None
) -> Report:
    faiss.write_index(index, str(folder / FAISS))
    return inspect(folder, catalog, lists, UNKNOWN, probing=probing, threads=1)


def by_brute_force(catalog: Catalog, index: faiss.IndexIVF, rows: np.ndarray) -> float:
    """Compute recall@10 of the index by comparing each of `rows` with every artist in float64."""
    has_embedding = np.flatnonzero(catalog.has_embedding)
    hits = 0
    for row in rows.tolist():
        cosines = catalog.vectors[has_embedding].astype(float) @ catalog.vectors[row].astype(float)
        cosines[has_embedding == row] = -2
        query = np.zeros((1, index.d), np.float32)
        query[0, : catalog.vectors.shape[1]] = catalog.vectors[row]
        _, retrieved = index.search(query, 43)
        hits += len(set(np.argsort(-cosines)[:10].tolist()) & set(retrieved[0].tolist()))
    return hits / (10 * len(rows))


def test_an_index_whose_first_number_of_cells_fails_is_made_to_pass(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    lists, scores = listed
    index = laid_out(overlapping)
    before = index.nprobe
    assert before == round(MIN_PROBED * index.nlist)
    report = checked(tmp_path, index, overlapping, lists)
    assert [check.name for check in report.checks if not check.passed] == [FAISS_RECALL]

    probing = chosen(index, overlapping, scores)
    assert before < probing.nprobe == index.nprobe < probing.nlist == index.nlist
    assert probing.recall > 0.99
    assert checked(tmp_path, index, overlapping, lists, probing).passed
    other_rows, _ = samples(np.flatnonzero(overlapping.has_embedding).astype(np.int32), seed=5)
    assert by_brute_force(overlapping, index, other_rows) >= 0.99


def test_every_search_takes_the_number_from_the_file(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    index = laid_out(overlapping)
    probing = chosen(index, overlapping, listed[1])
    faiss.write_index(index, str(tmp_path / FAISS))
    ivf_index = IvfIndex.open(sealed_files(tmp_path)[FAISS], index.ntotal, index.d)
    assert ivf_index is not None
    assert ivf_index.share == probing.nprobe / probing.nlist


def test_the_number_grows_with_what_is_wanted_up_to_all_cells_which_find_everybody(
    overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    little, more, all_of_it = (chosen(laid_out(overlapping), overlapping, listed[1], w) for w in (0.5, 0.95, 1.0))
    assert little.nprobe == laid_out(overlapping).nprobe < more.nprobe < all_of_it.nprobe == all_of_it.nlist
    assert all_of_it.recall == 1.0


def test_corrections_are_part_of_what_is_looked_for(tmp_path: Path, overlapping: Catalog) -> None:
    rng = np.random.default_rng(1)
    patterns = rng.integers(0, 2, N).astype(np.int32)
    c = np.array([[0.0, 0.1], [0.1, -0.05]], np.float32)
    corrected = replace(overlapping, patterns=patterns, scoring=Scoring(rng.random(N).astype(np.float32) / 5, c))
    lists, scores = ready_lists(corrected, threads=1)
    index = laid_out(corrected)
    probing = chosen(index, corrected, scores)
    assert probing.recall > 0.99
    assert checked(tmp_path, index, corrected, lists, probing).passed


@pytest.mark.parametrize("fault", ["other vectors", "ids mixed up"])
def test_a_faulty_index_fails_with_all_cells_and_is_told_so(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray], fault: str
) -> None:
    lists, scores = listed
    if fault == "other vectors":
        index = laid_out(replace(overlapping, vectors=np.roll(overlapping.vectors, 1, axis=1)))
    else:
        index = laid_out(overlapping)
        mixed_up(index)
    probing = chosen(index, overlapping, scores)
    assert probing.nprobe == probing.nlist
    report = checked(tmp_path, index, overlapping, lists, probing)
    assert [check.name for check in report.checks if not check.passed] == [FAISS_RECALL]
    assert "wanted at least 0.99 (RIYL_QUALITY_MIN_RECALL)" in report.failures
    assert f"all {probing.nlist} IVF lists are searched" in report.failures


def test_a_file_that_is_damaged_after_the_choice_fails_and_is_told_so(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    lists, scores = listed
    index = laid_out(overlapping)
    probing = chosen(index, overlapping, scores)
    mixed_up(index)
    report = checked(tmp_path, index, overlapping, lists, probing)
    assert [check.name for check in report.checks if not check.passed] == [FAISS_RECALL]
    message = (
        f"{probing.nprobe} of {probing.nlist} IVF lists are searched (recall was {probing.recall:.6g} on 1,200 other"
    )
    assert message in report.failures
    assert "set RIYL_QUALITY_MIN_RECALL higher or lower, and build" in report.failures


def mixed_up(index: faiss.IndexIVF) -> None:
    """Move every id of the index to the next vector, in each IVF list."""
    lists = index.invlists
    for cell in range(index.nlist):
        size = lists.list_size(cell)
        if size:
            ids = faiss.rev_swig_ptr(lists.get_ids(cell), size)
            ids[:] = np.roll(ids.copy(), 1)


def test_nobody_is_in_both_samples() -> None:
    rows = np.arange(0, 6_000, 2, dtype=np.int32)
    checked_on, chosen_on = samples(rows)
    assert (len(checked_on), len(chosen_on)) == (CHECKED, CHOSEN_ON)
    assert len({*checked_on.tolist(), *chosen_on.tolist()}) == CHECKED + CHOSEN_ON
    assert {*checked_on.tolist(), *chosen_on.tolist()} <= set(rows.tolist())
    assert samples(rows)[0].tolist() == checked_on.tolist()


def test_a_catalog_with_nobody_left_for_the_choice_is_asked_twice() -> None:
    rows = np.arange(300, dtype=np.int32)
    for sample in samples(rows):
        assert sample.tolist() == rows.tolist()


def test_the_least_recall_by_hand() -> None:
    # 9 of 10 places of each; n = 1 / (1 / 200 + 1 / 200) = 100 artists of 10 places, z = 4:
    # (0.9 + 0.008 - 4 sqrt(0.00009 + 0.000004)) / 1.016
    places = np.full(200, 0.9)
    assert surely(places, 10, 200) == pytest.approx((0.908 - 4 * np.sqrt(0.000094)) / 1.016, abs=1e-12)


def test_misses_that_go_together_count_as_fewer_places() -> None:
    # the same mean, but one artist of ten misses all places: variance 0.09 instead of 0.009, so a tenth of the places
    places = np.tile([1.0] * 9 + [0.0], 20)
    wanted = (0.9 + 0.08 - 4 * np.sqrt(0.0009 + (4 / 200) ** 2)) / 1.16
    assert surely(places, 10, 200) == pytest.approx(wanted, abs=1e-12)


def test_a_sample_without_a_miss_does_not_prove_that_there_are_none() -> None:
    assert surely(np.ones(200), 10, 200) == pytest.approx(1000 / 1016, abs=1e-12)


def test_other_samples_are_hardly_ever_below_the_least() -> None:
    rng = np.random.default_rng(0)
    recalls = rng.choice([1.0, 0.9, 0.4], p=[0.95, 0.04, 0.01], size=100_000)
    below = 0
    for _ in range(2000):
        sample, others = rng.choice(recalls, 2000), rng.choice(recalls, 1000)
        below += float(others.mean()) < surely(sample, 10, 1000)
    assert below == 0
