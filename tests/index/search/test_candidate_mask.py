from __future__ import annotations

import numpy as np
import pytest

from riyl.index.search.candidate_mask import CandidateMask, cleared

KNOWN = np.array([True, True, False, True, True, True, True, True, True, True, False, True])
MASK = np.array([True, False, True, True, False, False, False, False, False, True, True, True])


def test_who_has_no_embedding_is_not_allowed() -> None:
    candidates = CandidateMask.of(MASK, KNOWN)
    assert candidates.rows.tolist() == [0, 3, 9, 11]
    assert np.flatnonzero(candidates.mask).tolist() == [0, 3, 9, 11]


def test_bits_are_by_position_among_those_with_an_embedding() -> None:
    # rows 0, 3, 9, 11 are the positions 0, 2, 8, 9
    assert CandidateMask.of(MASK, KNOWN).bits.tolist() == [0b00000101, 0b00000011]


@pytest.mark.parametrize(("rows", "expected"), [([], []), ([3, 0, 3], [0, 3]), ([1, 2, 10, 11], [11])])
def test_rows_that_are_not_allowed_are_not_among_them(rows: list[int], expected: list[int]) -> None:
    assert CandidateMask.of(MASK, KNOWN).among(np.array(rows, np.int64)).tolist() == expected


@pytest.mark.parametrize(
    ("off", "left"), [([], [0b101, 0b11]), ([2], [0b001, 0b11]), ([0, 2, 9], [0b000, 0b01]), ([1], [0b101, 0b11])]
)
def test_bits_are_cleared_in_a_copy(off: list[int], left: list[int]) -> None:
    bits = CandidateMask.of(MASK, KNOWN).bits
    assert cleared(bits, np.array(off, np.int64)).tolist() == left
    assert bits.tolist() == [0b101, 0b11]
