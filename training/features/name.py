"""Character n-grams of artists' names."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from riyl.core.storage.modality import Modality
from riyl.core.storage.part import NAME
from riyl.core.storage.weighted_sets import WeightedSets

MAX_CHARACTERS = 100
"""Maximum number of characters that are read of a name; limits the cost of a hostile one."""

_SHORTEST, _LONGEST = 3, 5

MAX_NGRAMS = (_LONGEST - _SHORTEST + 1) * MAX_CHARACTERS
"""Maximum number of n-grams of a name."""


def ngrams_of_name(name: str) -> set[str]:
    """Return the distinct sequences of 3 to 5 characters of a name between two blanks.

    The name is in Unicode form NFC and lower case, white space of any length is one blank, and what follows the first
    100 characters is ignored. A name of one character has one sequence, a blank name has none.
    """
    words = " ".join(unicodedata.normalize("NFC", name).lower().split())
    return character_ngrams(f" {words[:MAX_CHARACTERS]} ")


def character_ngrams(text: str) -> set[str]:
    """Return the distinct sequences of 3 to 5 characters of a text."""
    return {
        text[start : start + length]
        for length in range(_SHORTEST, _LONGEST + 1)
        for start in range(len(text) - length + 1)
    }


def names_as_sets(names: Sequence[str], term_of: Mapping[str, int]) -> Modality:
    """Return names as sets of n-grams, all of weight 1, without vectors.

    Args:
        names: n names.
        term_of: term by n-gram; other n-grams do not count.

    Returns:
        Sets of the names with a known n-gram; `rows` are positions in `names`, `evidence` is the number of n-grams.
    """
    rows, terms, counts = list[int](), list[int](), list[int]()
    for row, name in enumerate(names):
        known = sorted(term_of[ngram] for ngram in ngrams_of_name(name) if ngram in term_of)
        if known:
            rows.append(row)
            counts.append(len(known))
            terms += known
    indptr = np.concatenate([[0], np.cumsum(np.array(counts, np.int64))]).astype(np.int64)
    sets = WeightedSets(indptr, np.array(terms, np.int32), np.ones(len(terms), np.float32))
    vectors = np.empty((len(rows), 0), np.float32)
    return Modality(NAME, np.array(rows, np.int32), vectors, np.array(counts, np.int32), sets)
