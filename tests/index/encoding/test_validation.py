"""Refusal of raw input that cannot be encoded."""

from __future__ import annotations

import pytest

from riyl.core.errors import InputError
from riyl.index.encoding.cold_start import ColdEncoder


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "found none; wanted at least one"),
        ({" ": 1}, "found ' '; wanted text that is not blank"),
        ({"\ud800": 1}, "which is no Unicode text"),
        ({"ska": 0}, "found 0 of 'ska'; wanted a finite number above 0"),
        ({"ska": -1}, "found -1 of 'ska'"),
        ({"ska": float("nan")}, "found nan of 'ska'"),
        ({"ska": float("inf")}, "found inf of 'ska'"),
        ({"ska": 1e39}, "found 1e\\+39 of 'ska'"),
        ({"ska": 1e-46}, "found 1e-46 of 'ska'"),
        ({"ska": 10**400}, "of 'ska'; wanted a finite number"),
        ({"ska": "much"}, "found 'much' of 'ska'"),
        ({"ska": [1, 2]}, "of 'ska'; wanted a finite number"),
        ({"ska": 3e38, "SKA": 3e38}, "found 6e\\+38 of 'ska'"),
    ],
)
def test_weights_that_are_none_are_refused(encoders: dict[str, ColdEncoder], weights: dict, message: str) -> None:
    with pytest.raises(InputError, match=f"tags: .*{message}"):
        encoders["default"].from_tags(weights)
    if "SKA" not in weights:
        with pytest.raises(InputError, match=f"plays: .*{message}"):
            encoders["default"].from_plays(weights)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([1.0] * 7, "found an array of shape \\(7,\\); wanted 8 numbers"),
        ([[1.0] * 8], "found an array of shape \\(1, 8\\); wanted 8 numbers"),
        ([], "found an array of shape \\(0,\\)"),
        (["a"] * 8, "found no array of numbers; wanted 8 numbers"),
        ([1.0, float("nan"), *[1.0] * 6], "found nan at position 2"),
        ([1e39] * 8, "found inf at position 1"),
        ([1e30] * 8, "a vector whose length overflows float32"),
        ([0.0] * 8, "a vector of zeros, which has no direction"),
    ],
)
def test_vectors_that_are_none_are_refused(encoders: dict[str, ColdEncoder], vector: list, message: str) -> None:
    for encode in (encoders["default"].from_vector, encoders["default"].from_raw):
        with pytest.raises(InputError, match=f"audio: found {message.removeprefix('found ')}"):
            encode("audio", vector)
