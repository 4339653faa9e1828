"""Thresholds of balanced biases, as files of a version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import FormatError
from riyl.index.artifact.version import Version, seal_version
from riyl.index.scoring.candidate_bias import candidate_bias
from riyl.index.search.searcher import Searcher
from tests.index.conftest import BALANCED

THRESHOLDS, LIMITS = "balance_thresholds.npy", "balance_limits.npy"


@pytest.fixture
def copy(balanced: Version, tmp_path: Path) -> Path:
    return Path(shutil.copytree(balanced.folder, tmp_path / "copy"))


def sealed(folder: Path, change: Callable[[dict[str, object]], object] = lambda fields: None) -> Path:
    """Seal a changed version again, as another program would."""
    fields = json.loads((folder / "manifest.json").read_bytes())
    del fields["files"]
    change(fields)
    (folder / "manifest.sha256").unlink()
    seal_version(folder, fields)
    return folder


def test_a_version_has_the_corrections_and_thresholds_of_its_fit(balanced: Version) -> None:
    scoring = balanced.scoring
    assert scoring.settings.as_dict() == balanced.manifest["scoring"] == BALANCED.scoring.model_dump(mode="json")
    rows = np.flatnonzero(balanced.has_embedding)
    assert scoring.popularity is not None
    popularity = scoring.popularity.at(rows)
    vectors, patterns = balanced.embeddings[rows], balanced.patterns[rows]
    fit = candidate_bias(vectors, patterns, scoring.c, scoring.settings, popularity, threads=1)
    np.testing.assert_allclose(scoring.h[rows], fit.h, atol=1e-6)
    assert scoring.thresholds is not None
    assert fit.thresholds is not None
    assert scoring.thresholds.values.shape == (2, 59)
    for name in ("values", "shares", "lowest"):
        np.testing.assert_allclose(getattr(scoring.thresholds, name), getattr(fit.thresholds, name), atol=1e-6)
    assert balanced.manifest["quality_checks"]["passed"]


def test_a_version_without_balanced_biases_has_no_such_files(corrected: Version) -> None:
    assert not {THRESHOLDS, LIMITS} & set(corrected.manifest["files"])
    assert corrected.scoring.thresholds is None
    assert "balanced" not in corrected.manifest["scoring"]


@pytest.mark.parametrize("name", [THRESHOLDS, LIMITS])
def test_a_flipped_byte_or_a_missing_file_is_found(copy: Path, name: str) -> None:
    data = (copy / name).read_bytes()
    for position in (0, len(data) // 2, len(data) - 1):
        (copy / name).write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(FormatError):
            Version.open(copy)
    (copy / name).unlink()
    with pytest.raises(FormatError, match=name):
        Version.open(copy)
    with pytest.raises(FormatError, match=f"found no {name} in its manifest"):
        Searcher.open(sealed(copy))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (THRESHOLDS, np.zeros((2, 58), np.float32), r"shape \(2, 58\); wanted shape \(2, 59\)"),
        (THRESHOLDS, np.zeros((1, 59), np.float32), r"shape \(1, 59\); wanted shape \(2, 59\)"),
        (THRESHOLDS, np.zeros((2, 59)), "found float64; wanted float32"),
        (THRESHOLDS, np.full((2, 59), np.nan, np.float32), "found nan at position 0, 0; wanted numbers from -1"),
        (LIMITS, np.zeros((2, 3)), r"shape \(2, 3\); wanted shape \(2, 2\)"),
        (LIMITS, np.array([[1, -0.1], [np.inf, -0.1]]), "found inf at position 1, 0"),
        (LIMITS, np.array([[1, -0.1], [-1, -0.1]]), "found -1.0 at position 1; wanted numbers from 0 to"),
    ],
)
def test_wrong_content_of_a_sealed_version_is_told(copy: Path, name: str, array: np.ndarray, message: str) -> None:
    np.save(copy / name, array)
    with pytest.raises(FormatError, match=f"{name}: damaged, .*{message}"):
        Searcher.open(sealed(copy))


def test_thresholds_of_other_depths_than_the_settings_name_are_told(copy: Path) -> None:
    def three(fields: dict[str, object]) -> None:
        fields["scoring"] = {"balanced": {"10": 1.0, "20": 1.0, "60": 1.0}}

    with pytest.raises(FormatError, match=r"balance_thresholds.npy: damaged, found shape \(2, 59\)"):
        Searcher.open(sealed(copy, three))


def test_lists_of_a_version_are_those_of_its_scores(balanced: Version) -> None:
    scoring, e, p = balanced.scoring, balanced.embeddings.astype(np.float64), balanced.patterns
    searcher = Searcher.open(balanced.folder)
    for row in (0, 4, 6):
        scores = e[row] @ e.T - scoring.h + scoring.c[p[row], p]
        scores[[row, 59]] = -np.inf  # itself, and an artist without embedding
        neighbours = searcher.similar(row, 20)
        np.testing.assert_allclose(neighbours.scores, np.sort(scores)[::-1][:20], atol=1e-5)
        np.testing.assert_allclose(scores[neighbours.rows], neighbours.scores, atol=1e-5)
