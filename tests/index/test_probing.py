from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

import index.cells
import index.gate
from index.artifact import FAISS
from index.cells import LEAST_PROBED, Cells, lay_out
from index.gate import inspect, samples
from index.neighbours import Catalog, ready_lists
from index.probing import Probing, choose_probing, surely
from index.report import Report
from index.scoring import Scoring

FAISS_RECALL = "recall@10 of the Faiss index"
N, UNKNOWN = 2400, 7
CHECKED, CHOSEN_ON = 400, 1200


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.cells, "CELLS_FROM", 1000)
    monkeypatch.setattr(index.gate, "SAMPLE", CHECKED)
    monkeypatch.setattr(index.gate, "CHOSEN_ON", CHOSEN_ON)


@pytest.fixture(scope="module")
def overlapping() -> Catalog:
    """Clusters that run into each other in 32 dimensions, so that what is near to an artist lies in many cells."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((120, 32))
    vectors = (centres[np.arange(N) % 120] * 0.7 + rng.standard_normal((N, 32))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    known = np.ones(N, bool)
    known[rng.choice(N, UNKNOWN, replace=False)] = False
    vectors[~known] = 0
    return Catalog([f"a{i}" for i in range(N)], vectors, known, np.zeros(N, np.int32), Scoring.none(N, 1))


@pytest.fixture(scope="module")
def listed(overlapping: Catalog) -> tuple[np.ndarray, np.ndarray]:
    return ready_lists(overlapping, threads=1)


def laid_out(catalog: Catalog) -> faiss.IndexIVF:
    popularity = np.zeros(len(catalog.ids), np.float32)
    made = lay_out(catalog.scoring.stored(catalog.vectors, catalog.patterns, popularity)[catalog.known], threads=1)
    assert isinstance(made, faiss.IndexIVF)
    return made


def chosen(made: faiss.IndexIVF, catalog: Catalog, scores: np.ndarray, wanted: float = 0.99) -> Probing:
    _, rows = samples(np.flatnonzero(catalog.known).astype(np.int32))
    return choose_probing(made, catalog, scores, rows, k=10, wanted=wanted, checked=CHECKED, threads=1)


def checked(
    folder: Path, made: faiss.IndexIVF, catalog: Catalog, lists: np.ndarray, probing: Probing | None = None
) -> Report:
    faiss.write_index(made, str(folder / FAISS))
    return inspect(folder, catalog, lists, UNKNOWN, probing=probing, threads=1)


def by_brute_force(catalog: Catalog, made: faiss.IndexIVF, rows: np.ndarray) -> float:
    """Recall@10 of the index, by comparing each of `rows` with every artist in float64."""
    known = np.flatnonzero(catalog.known)
    hits = 0
    for row in rows.tolist():
        cosines = catalog.vectors[known].astype(float) @ catalog.vectors[row].astype(float)
        cosines[known == row] = -2
        asked = np.zeros((1, made.d), np.float32)
        asked[0, : catalog.vectors.shape[1]] = catalog.vectors[row]
        _, found = made.search(asked, 43)
        hits += len(set(np.argsort(-cosines)[:10].tolist()) & set(found[0].tolist()))
    return hits / (10 * len(rows))


def test_an_index_whose_first_number_of_cells_fails_is_made_to_pass(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    lists, scores = listed
    made = laid_out(overlapping)
    before = made.nprobe
    assert before == round(LEAST_PROBED * made.nlist)
    report = checked(tmp_path, made, overlapping, lists)
    assert [check.name for check in report.checks if not check.passed] == [FAISS_RECALL]

    probing = chosen(made, overlapping, scores)
    assert before < probing.searched == made.nprobe < probing.cells == made.nlist
    assert probing.recall > 0.99
    assert checked(tmp_path, made, overlapping, lists, probing).passed
    asked_of_neither, _ = samples(np.flatnonzero(overlapping.known).astype(np.int32), seed=5)
    assert by_brute_force(overlapping, made, asked_of_neither) >= 0.99


def test_every_search_takes_the_number_from_the_file(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    made = laid_out(overlapping)
    probing = chosen(made, overlapping, listed[1])
    faiss.write_index(made, str(tmp_path / FAISS))
    cells = Cells.open(tmp_path / FAISS)
    assert cells is not None
    assert cells.share == probing.searched / probing.cells


def test_the_number_grows_with_what_is_wanted_up_to_all_cells_which_find_everybody(
    overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    little, more, all_of_it = (chosen(laid_out(overlapping), overlapping, listed[1], w) for w in (0.5, 0.95, 1.0))
    assert little.searched == laid_out(overlapping).nprobe < more.searched < all_of_it.searched == all_of_it.cells
    assert all_of_it.recall == 1.0


def test_corrections_are_part_of_what_is_looked_for(tmp_path: Path, overlapping: Catalog) -> None:
    rng = np.random.default_rng(1)
    patterns = rng.integers(0, 2, N).astype(np.int32)
    c = np.array([[0.0, 0.1], [0.1, -0.05]], np.float32)
    corrected = replace(overlapping, patterns=patterns, scoring=Scoring(rng.random(N).astype(np.float32) / 5, c))
    lists, scores = ready_lists(corrected, threads=1)
    made = laid_out(corrected)
    probing = chosen(made, corrected, scores)
    assert probing.recall > 0.99
    assert checked(tmp_path, made, corrected, lists, probing).passed


@pytest.mark.parametrize("fault", ["other vectors", "ids mixed up"])
def test_a_faulty_index_fails_with_all_cells_and_is_told_so(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray], fault: str
) -> None:
    lists, scores = listed
    if fault == "other vectors":
        made = laid_out(replace(overlapping, vectors=np.roll(overlapping.vectors, 1, axis=1)))
    else:
        made = laid_out(overlapping)
        mixed_up(made)
    probing = chosen(made, overlapping, scores)
    assert probing.searched == probing.cells
    report = checked(tmp_path, made, overlapping, lists, probing)
    assert [check.name for check in report.checks if not check.passed] == [FAISS_RECALL]
    assert "wanted at least 0.99 (RIYL_GATE_MIN_RECALL)" in report.failures
    assert f"all {probing.cells} cells are searched" in report.failures


def test_a_file_that_is_damaged_after_the_choice_fails_and_is_told_so(
    tmp_path: Path, overlapping: Catalog, listed: tuple[np.ndarray, np.ndarray]
) -> None:
    lists, scores = listed
    made = laid_out(overlapping)
    probing = chosen(made, overlapping, scores)
    mixed_up(made)
    report = checked(tmp_path, made, overlapping, lists, probing)
    assert [check.name for check in report.checks if not check.passed] == [FAISS_RECALL]
    told = f"{probing.searched} of {probing.cells} cells are searched (recall was {probing.recall:.6g} on 1,200 other"
    assert told in report.failures
    assert "set RIYL_GATE_MIN_RECALL higher or lower, and build" in report.failures


def mixed_up(made: faiss.IndexIVF) -> None:
    """Move every id of the index to the vector behind its own, in each cell."""
    lists = made.invlists
    for cell in range(made.nlist):
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
    for found in samples(rows):
        assert found.tolist() == rows.tolist()


def test_the_least_recall_by_hand() -> None:
    # 9 of 10 places of each; n = 1 / (1 / 200 + 1 / 200) = 100 artists of 10 places, z = 4:
    # (0.9 + 0.008 - 4 sqrt(0.00009 + 0.000004)) / 1.016
    places = np.full(200, 0.9)
    assert surely(places, 10, 200) == pytest.approx((0.908 - 4 * np.sqrt(0.000094)) / 1.016, abs=1e-12)


def test_misses_that_go_together_count_as_fewer_places() -> None:
    # the same mean, but in one artist of ten all places are missed: variance 0.09 instead of 0.009, so a tenth of them
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
        mine, others = rng.choice(recalls, 2000), rng.choice(recalls, 1000)
        below += float(others.mean()) < surely(mine, 10, 1000)
    assert below == 0
