from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.catalog.terms import (
    RawTerms,
    merged_entries,
    normalised_tags,
    open_raw_terms,
    strings,
    term_keys,
    write_raw_terms,
)


def test_tags_are_compared_in_one_form_and_listeners_as_they_are() -> None:
    tags = [" Trip-Hop\t", "\uff24ub", "ÉTÉ", "e\u0301te\u0301", "x"]
    assert term_keys("tags", tags) == ["trip-hop", "dub", "été", "été", "x"]
    assert normalised_tags(strings(tags)).to_pylist() == term_keys("tags", tags)
    assert term_keys("plays", tags) == tags
    assert term_keys("tags", []) == []


def test_a_patch_takes_the_place_of_what_has_its_key() -> None:
    assert merged_entries("plays", {"u": 1, "U": 2}, {"u": None, "v": 3}) == {"u": None, "U": 2, "v": 3}
    tags = {"Ska": 1, "ska": 2, "dub": 3}
    assert merged_entries("tags", tags, {"SKA": 5}) == {"dub": 3, "SKA": 5}
    assert merged_entries("tags", tags, {" ska ": None}) == {"dub": 3, " ska ": None}
    assert merged_entries("tags", {}, {"x": None}) == {"x": None}
    assert merged_entries("attributes", {"a": 1}, {"A": 2}) == {"a": 1, "A": 2}
    assert tags == {"Ska": 1, "ska": 2, "dub": 3}


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
    (raw_terms,) = dict(open_raw_terms(tmp_path / "raw")).values()
    assert (raw_terms.weights.dtype, raw_terms.columns.dtype) == (dtype, np.int32)
    assert isinstance(raw_terms.columns, np.memmap)
    assert [raw_terms.of(row) for row in range(3)] == [
        {"a": weights[0], "z": weights[1]},
        {},
        {"ö \U0001f3b8": weights[2], "z": weights[3]},
    ]


def test_nobody_with_any_term_is_kept_too(tmp_path: Path) -> None:
    write_raw_terms(tmp_path / "tags", np.zeros(3), np.empty(0), np.empty(0), [])
    assert [RawTerms.open(tmp_path / "tags").of(row) for row in range(2)] == [{}, {}]
    assert dict(open_raw_terms(tmp_path / "none")) == {}
