"""Expansion of tags into smaller terms, the words and the character n-grams that a tag consists of, and their factors.

Tags that nobody shares a tag with, such as "dark post-rock", share words and n-grams with others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.storage.weighted_sets import WeightedSets
from riyl.core.types import Matrix
from riyl.training.config_sections import NGRAMS, WORDS, BlockName
from riyl.training.features.name import character_ngrams
from riyl.training.features.tfidf import CHUNK, log1p_weights, right_factors

MAX_FEATURES = 100_000
"""Maximum number of words, or n-grams, that count, those of the most artists. Limits the memory of the fit to some
1 GiB at 300 columns."""

SEPARATORS = re.compile(r"[\s/\-_,.;:()&]+")
"""What separates the words of a tag."""

_NGRAM_LENGTH = 2.0
"""Length of a tag's row of n-grams."""


def words_of(tag: str) -> set[str]:
    """Return the distinct words of a tag."""
    return {word for word in SEPARATORS.split(tag) if word}


def ngrams_of(tag: str) -> set[str]:
    """Return the distinct sequences of 3 to 5 characters in the words of a tag, each word between two blanks."""
    return set[str]().union(*(character_ngrams(f" {word} ") for word in words_of(tag)))


def word_expansion(tags: Iterable[str]) -> sp.csr_matrix:
    """Return (V, W) float64: 1 where a tag contains a word."""
    return _incidence(tags, words_of)


def ngram_expansion(tags: Iterable[str]) -> sp.csr_matrix:
    """Return (V, G) float64: equal values where a tag contains an n-gram, so that each row has the length 2.

    A row without n-grams is 0."""
    rows = _incidence(tags, ngrams_of)
    counts = np.diff(rows.indptr)
    rows.data *= np.repeat(_NGRAM_LENGTH / np.sqrt(np.maximum(counts, 1)), counts)
    return rows


EXPANSIONS: Mapping[BlockName, Callable[[Iterable[str]], sp.csr_matrix]] = {
    WORDS: word_expansion,
    NGRAMS: ngram_expansion,
}
"""By the name of a block of tags, the matrix of tags by smaller terms."""


def expanded_table(sets: WeightedSets, expansion: sp.csr_matrix, dims: int, max_terms: int, seed: int) -> Matrix:
    """Compute the TF-IDF factors of the terms that tags consist of, added up for each tag.

    The factored matrix has a row for each set a and a column for each feature g, a word or an n-gram: (sum over tags t
    of log(1 + w(a, t)) expansion(t, g)) idf(g), with rows scaled to unit length and idf(g) = log((n + 1) / sets with
    g). A set's vector is the sum over its tags of log(1 + w(a, t)) times the tag's row here. Features of a single set
    do not count, as they relate it to no other; of more than `MAX_FEATURES`, those of the most sets count.

    Args:
        sets: n sets, at least one and none empty.
        expansion: (V, G) of tags by features, at least 0.
        dims: maximum width; it is less where there are fewer sets or features.
        max_terms: maximum number of tags read of a set, the heaviest first.
        seed: seed of the factors' start.

    Returns:
        (V, d) float32; zeros for a tag none of whose features counts, one column of them if no feature counts.
    """
    n = len(sets.indptr) - 1
    frequency = np.zeros(expansion.shape[1], np.int64)
    for _, weights in _chunks(sets, expansion.shape[0], max_terms):
        frequency += np.bincount((weights @ expansion).indices, minlength=len(frequency))
    most = np.argsort(-frequency, kind="stable")[:MAX_FEATURES]
    counted = np.sort(most[(frequency[most] > 1)])
    if not len(counted):
        return np.zeros((expansion.shape[0], 1), np.float32)
    idf = np.log((n + 1) / frequency[counted])
    weighted = sp.csr_matrix(expansion[:, counted].multiply(idf[None, :]))  # (V, F)
    squares = np.empty(n)
    for rows, weights in _chunks(sets, expansion.shape[0], max_terms):
        features = weights @ weighted
        squares[rows] = np.asarray(features.multiply(features).sum(axis=1)).ravel()
    inverse = np.divide(1.0, squares, out=np.zeros(n), where=squares > 0)

    def gram(subspace: NDArray[np.float64]) -> NDArray[np.float64]:
        of_tags = weighted @ subspace
        sums = np.zeros_like(of_tags)
        for rows, weights in _chunks(sets, expansion.shape[0], max_terms):
            sums += weights.T @ ((weights @ of_tags) * inverse[rows, None])
        return np.asarray(weighted.T @ sums)

    right = right_factors(gram, len(counted), min(dims, n, len(counted)), seed)
    return np.ascontiguousarray(weighted @ right, np.float32)


def _chunks(sets: WeightedSets, vocabulary: int, max_terms: int) -> Iterator[tuple[slice, sp.csr_matrix]]:
    n = len(sets.indptr) - 1
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        yield slice(start, stop), log1p_weights(sets, start, stop, vocabulary, max_terms)


def _incidence(tags: Iterable[str], split: Callable[[str], set[str]]) -> sp.csr_matrix:
    columns: dict[str, int] = {}
    indices, indptr = list[int](), [0]
    for tag in tags:
        indices += [columns.setdefault(term, len(columns)) for term in sorted(split(tag))]
        indptr.append(len(indices))
    return sp.csr_matrix((np.ones(len(indices)), indices, indptr), shape=(len(indptr) - 1, max(len(columns), 1)))
