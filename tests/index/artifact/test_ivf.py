from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import riyl.index.artifact.ivf
from riyl.index.artifact.ivf import IvfIndex, write_cells
from tests.sealed_folders import sealed_files


def test_those_allowed_are_found_where_they_all_lie_far_from_the_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 1000)
    rng = np.random.default_rng(0)
    cluster = np.arange(4000) % 40
    centres = rng.standard_normal((40, 24))
    vectors = (centres[cluster] + 0.4 * rng.standard_normal((4000, 24))).astype(np.float32)
    write_cells(tmp_path / "cells", vectors, threads=1)
    cells = IvfIndex.open(sealed_files(tmp_path)["cells"], 4000, 24)
    assert cells is not None
    allowed = cluster >= 36  # one in ten
    bits = np.packbits(allowed, bitorder="little")
    for row in range(36):
        distances = np.where(allowed, ((vectors - vectors[row]) ** 2).sum(axis=1), np.inf)
        wanted = set(np.argsort(distances)[:10].tolist())
        rows = cells.search(vectors[row : row + 1], 12, bits, 0.1)
        assert len(wanted & set(rows.tolist())) >= 9  # float16 may change the last places


def test_as_many_are_compared_where_most_of_those_allowed_lie_far_and_few_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(riyl.index.artifact.ivf, "IVF_MIN_ARTISTS", 1000)
    rng = np.random.default_rng(0)
    allowed = rng.random(6000) < 0.4
    far = allowed & (rng.random(6000) > 0.06)
    vectors = rng.standard_normal((6000, 24))
    vectors[:, 0] += np.where(far, 6, -6)
    stored = vectors.astype(np.float32)
    write_cells(tmp_path / "cells", stored, threads=1)
    cells = IvfIndex.open(sealed_files(tmp_path)["cells"], 6000, 24)
    assert cells is not None
    bits = np.packbits(allowed, bitorder="little")
    hits = 0
    for row in np.flatnonzero(~allowed)[:50]:
        distances = np.where(allowed, ((vectors - vectors[row]) ** 2).sum(axis=1), np.inf)
        rows = cells.search(stored[row : row + 1], 42, bits, float(allowed.mean()))
        hits += len({*np.argsort(distances)[:10].tolist()} & {*rows.tolist()})
    assert hits >= 0.99 * 500
