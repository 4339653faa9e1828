from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.training.features.name import MAX_NGRAMS, names_as_sets, ngrams_of_name


def scene_names(n: int) -> list[str]:
    """Return names of n artists of three scenes, artist i of scene i % 3, most of which tell the scene."""
    first = (("Los", "Santo", "Rey"), ("Black", "Doom", "Death"), ("Trio", "Duke", "Count"))
    second = (("Lobos", "Ramiro", "Fuego"), ("Throne", "Altar", "Grave"), ("Ellis", "Basel", "Quinn"))
    return [f"{first[i % 3][i // 3 % 3]} {second[i % 3][i // 9 % 3]} {i // 27 or ''}".strip() for i in range(n)]


def rename(tables: Path, names: Sequence[str]) -> Path:
    """Give the artists of a folder of tables other names."""
    path = tables / "artists.parquet"
    artists = pq.read_table(path)
    at = artists.column_names.index("name")
    pq.write_table(artists.set_column(at, "name", pa.array(names, pa.string())), path)
    return tables


def test_ngrams_run_over_the_whole_name_between_blanks() -> None:
    assert ngrams_of_name("A B") == {" a ", "a b", " b ", " a b", "a b ", " a b "}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("字", {" 字 "}),
        ("", set()),
        (" \t\n\u3000", set()),
        ("\x07", {" \x07 "}),
        ("أم", {" أم", "أم ", " أم "}),
        ("\u202eא", {" \u202eא", "\u202eא ", " \u202eא "}),
        ("\U0001f3b8", {" \U0001f3b8 "}),
    ],
)
def test_short_and_strange_names(name: str, expected: set[str]) -> None:
    assert ngrams_of_name(name) == expected


def test_case_unicode_form_and_white_space_do_not_matter() -> None:
    assert ngrams_of_name("BJO\u0308RK  Guð") == ngrams_of_name(" björk\u00a0guð ")


def test_the_cost_of_a_long_name_is_bounded() -> None:
    every = "".join(chr(0x4E00 + i) for i in range(10_000))
    assert ngrams_of_name(every) == ngrams_of_name(every[:100])
    assert len(ngrams_of_name(every)) == 100 + 99 + 98 <= MAX_NGRAMS


def test_names_become_sets_of_known_ngrams() -> None:
    sets = names_as_sets(["ab", "zz", "b", "ab"], {" ab": 2, "ab ": 0, " b ": 1})
    assert sets.rows.tolist() == [0, 2, 3]
    assert sets.evidence.tolist() == [2, 1, 2]
    assert sets.sets is not None
    assert (sets.sets.indptr.tolist(), sets.sets.terms.tolist()) == ([0, 2, 3, 5], [0, 2, 1, 0, 2])
    assert np.all(sets.sets.weights == 1)


def test_no_name_is_known() -> None:
    sets = names_as_sets(["zz"], {})
    assert (len(sets.rows), len(sets.evidence), sets.vectors.shape) == (0, 0, (0, 0))
