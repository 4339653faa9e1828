from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.version import FAISS
from riyl.index.build.neighbour_lists import Catalog, ready_lists
from riyl.index.build.quality_checks import inspect
from riyl.index.scoring.score import Scoring
from riyl.index.versions.report import Report


def made(n: int = 80, unknown: int = 3) -> Catalog:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    has_embedding = np.arange(n) < n - unknown
    vectors[~has_embedding] = 0
    return Catalog([f"a{i}" for i in range(n)], vectors, has_embedding, np.zeros(n, np.int32), Scoring.none(n, 1))


def look(folder: Path, catalog: Catalog, *, lists=None, stored=None, not_embedded: int = 3) -> Report:
    stored = (
        catalog.scoring.stored(catalog.vectors, catalog.patterns, np.zeros(len(catalog.vectors), np.float32))[
            catalog.has_embedding
        ]
        if stored is None
        else stored
    )
    index = faiss.IndexFlatL2(stored.shape[1])
    index.add(stored)
    faiss.write_index(index, str(folder / FAISS))
    return inspect(folder, catalog, ready_lists(catalog)[0] if lists is None else lists, not_embedded)


def failed(report: Report) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


def test_a_good_version_passes(tmp_path: Path) -> None:
    report = look(tmp_path, made())
    assert report.passed
    assert failed(report) == []
    assert report.as_dict()["checks"][0] == {
        "name": "artists embedded",
        "found": 77,
        "wanted": "at least 1",
        "passed": True,
    }


def test_corrections_are_part_of_the_truth_that_it_looks_for(tmp_path: Path) -> None:
    h = np.random.default_rng(1).random(80).astype(np.float32)
    assert look(tmp_path, replace(made(), scoring=Scoring(h, np.zeros((1, 1), np.float32)))).passed


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_catalog_of_a_few_artists_passes(tmp_path: Path, n: int) -> None:
    assert look(tmp_path, made(n, 0), not_embedded=0).passed


def test_equals_in_another_order_are_as_good(tmp_path: Path) -> None:
    catalog = made()
    catalog.vectors[:60] = catalog.vectors[0]
    assert look(tmp_path, catalog).passed


def test_an_artist_neither_embedded_nor_listed_fails(tmp_path: Path) -> None:
    report = look(tmp_path, made(), not_embedded=2)
    assert failed(report) == ["artists neither embedded nor listed with a reason"]
    assert not report.passed


def test_nobody_embedded_fails(tmp_path: Path) -> None:
    assert failed(look(tmp_path, made(5, 5), not_embedded=5)) == ["artists embedded"]


@pytest.mark.parametrize("factor", [1.01, 0.0, np.nan])
def test_a_length_other_than_1_fails(tmp_path: Path, factor: float) -> None:
    catalog = made()
    lists = ready_lists(catalog)[0]
    stored = catalog.scoring.stored(catalog.vectors, catalog.patterns, np.zeros(len(catalog.vectors), np.float32))[
        catalog.has_embedding
    ]
    catalog.vectors[7] *= np.float32(factor)
    failures = failed(look(tmp_path, catalog, lists=lists, stored=stored))
    assert "largest distance of a length from 1" in failures


def test_a_faiss_index_of_other_vectors_fails(tmp_path: Path) -> None:
    catalog = made()
    stored = catalog.scoring.stored(catalog.vectors, catalog.patterns, np.zeros(len(catalog.vectors), np.float32))[
        catalog.has_embedding
    ]
    assert failed(look(tmp_path, catalog, stored=stored[::-1].copy())) == ["recall@10 of the Faiss index"]


def test_a_faiss_index_that_lacks_artists_fails(tmp_path: Path) -> None:
    catalog = made()
    stored = catalog.scoring.stored(catalog.vectors, catalog.patterns, np.zeros(len(catalog.vectors), np.float32))[
        catalog.has_embedding
    ]
    assert "vectors in the Faiss index" in failed(look(tmp_path, catalog, stored=stored[:-1]))


def test_wrong_or_short_lists_fail(tmp_path: Path) -> None:
    catalog = made()
    lists, _ = ready_lists(catalog)
    turned = lists.copy()
    turned[:77, :76] = lists[:77, 75::-1]
    assert failed(look(tmp_path, catalog, lists=turned)) == ["recall@10 of the ready lists"]
    lists[5, 75] = -1
    assert failed(look(tmp_path, catalog, lists=lists)) == [f"ready lists without {min(LIST_LENGTH, 76)} artists"]
