from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.storage.raw_terms import RawTerms, write_raw_terms
from tests.sealed_folders import sealed_files


def opened(folder: Path, prefix: str, n: int) -> RawTerms:
    return RawTerms.open(sealed_files(folder), prefix, n)


@pytest.mark.parametrize(
    ("weights", "dtype"),
    [
        ([3.0, 1.0, 2.0**32 - 1, 7.0], np.uint32),
        ([3.0, 1.0, 2.0**32, 7.0], np.float64),
        ([3.0, 0.5, 2.0, 1.0], np.float64),
    ],
    ids=str,
)
def test_raw_terms_come_back_artist_by_artist(tmp_path: Path, weights: list[float], dtype: type) -> None:
    indptr, columns, terms = np.array([0, 2, 2, 4]), np.array([0, 2, 1, 2]), ["a", "ö \U0001f3b8", "z"]
    write_raw_terms(tmp_path / "raw" / "plays", indptr, columns, np.array(weights), terms)
    raw_terms = opened(tmp_path, "raw/plays", 3)
    assert (raw_terms.weights.dtype, raw_terms.columns.dtype) == (dtype, np.int32)
    assert not raw_terms.columns.flags.owndata
    assert [raw_terms.of(row) for row in range(3)] == [
        {"a": weights[0], "z": weights[1]},
        {},
        {"ö \U0001f3b8": weights[2], "z": weights[3]},
    ]


def test_nobody_with_any_term_is_kept_too(tmp_path: Path) -> None:
    write_raw_terms(tmp_path / "tags", np.zeros(3), np.empty(0), np.empty(0), [])
    assert [opened(tmp_path, "tags", 2).of(row) for row in range(2)] == [{}, {}]
