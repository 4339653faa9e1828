from __future__ import annotations

from riyl.core.catalog.terms import merged_entries, normalised_tags, strings, term_keys


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
