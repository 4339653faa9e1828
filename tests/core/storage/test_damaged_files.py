"""Truths and evaluations with changed files that were sealed again are either read or refused as damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from riyl.core.errors import FormatError, NotFoundError
from riyl.core.storage.evaluations import EvaluationFiles, save_evaluation
from riyl.core.storage.ground_truth import Truth, relevant_to, save_truth, truths
from tests.conftest import made_up_run
from tests.faults.damaged_home import Folder, damaged_fields, damaged_files

IDS = [f"a{i}" for i in range(30)]


def made_truth(folder: Path) -> Path:
    pairs = pa.table({"artist_id": IDS[:-1], "similar_id": IDS[1:]})
    return save_truth(folder, "t", pairs, directed=False, source="s").folder


def read_truth(folder: Path) -> None:
    assert list(truths(folder.parent)) == [folder.name]
    truth = Truth.open(folder)
    truth.coverage(pa.array(IDS))
    truth.relevance(IDS)
    relevant_to(folder, IDS)


def made_evaluation(folder: Path) -> Path:
    scores = dict.fromkeys(IDS, 0.5)
    return save_evaluation(folder, "e1", **made_up_run({("raw", "mine"): scores})).folder


def read_evaluation(folder: Path) -> None:
    files = EvaluationFiles.open(folder)
    files.report()
    files.ndcg("raw", "mine").to_pylist()
    files.retrieved("raw", "mine", IDS)
    files.expected("raw", IDS)
    files.figures()


@pytest.mark.parametrize(
    ("make", "read"), [(made_truth, read_truth), (made_evaluation, read_evaluation)], ids=["truth", "evaluation"]
)
def test_changed_files_are_read_or_refused(
    tmp_path: Path, make: Callable[[Path], Path], read: Callable[[Path], None]
) -> None:
    path = make(tmp_path)
    folder, chance = Folder(path, "manifest.json"), random.Random(0)
    read(path)
    refused, total = 0, 0
    for damages in (damaged_files(folder, chance, 1), damaged_fields(folder, chance, 1)):
        for _ in damages:
            total += 1
            try:
                read(path)
            except (FormatError, NotFoundError):
                refused += 1
    assert total > 60
    assert refused > total // 3
    read(path)
