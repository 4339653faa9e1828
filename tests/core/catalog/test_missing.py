"""Placeholders for missing values in columns of ids, names or tags, and ordinary words."""

from __future__ import annotations

import pyarrow as pa
import pytest

from riyl.core.catalog.missing import is_missing_id, is_missing_name, is_no_id, is_no_name

EXPORTED = ["", " ", "\t", "NULL", "null", "None", "NaN", "nan", "NA", "N/A", "n/a", "\\N", "#N/A", "<NA>", " NULL "]


@pytest.mark.parametrize("text", [*EXPORTED, "none", "Null", "nil", "-", "00000000-0000-0000-0000-000000000000"])
def test_it_is_no_id(text: str) -> None:
    assert is_no_id(text)
    assert is_missing_id(pa.array([text, None, "a1"])).to_pylist() == [True, True, False]


@pytest.mark.parametrize("text", EXPORTED)
def test_it_is_no_name(text: str) -> None:
    assert is_no_name(text)
    assert is_missing_name(pa.array([text, None, "Ann"])).to_pylist() == [True, True, False]


@pytest.mark.parametrize("text", ["none", "Null", "Nil", "Nan", "-", "na", "?", "Unknown", "NULL Value", "0"])
def test_words_of_people_are_names(text: str) -> None:
    assert not is_no_name(text)
    assert is_missing_name(pa.array([text])).to_pylist() == [False]


@pytest.mark.parametrize("text", ["0", "a-1", "nan1", "None of the above", "00000000-0000-0000-0000-000000000001"])
def test_other_texts_are_ids(text: str) -> None:
    assert not is_no_id(text)
    assert is_missing_id(pa.array([text])).to_pylist() == [False]
