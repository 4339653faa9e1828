"""External embeddings in the order of a catalog: rows are matched, scaled and counted; unit rows keep their bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riyl.core.errors import InputError, MismatchError
from riyl.core.storage.embeddings import ExternalEmbeddings
from riyl.evaluation.external_embeddings import EmbeddingCounts, align_embeddings
from riyl.evaluation.systems import fuse

CATALOG = ["a", "b", "c", "d"]


def test_rows_are_matched_by_id_scaled_and_counted() -> None:
    vectors = np.array([[3, 4], [0, 0], [0, 5], [8, 6]], np.float32)
    aligned = align_embeddings(ExternalEmbeddings(["c", "b", "x", "a"], vectors, None), CATALOG)
    np.testing.assert_allclose(aligned.vectors, [[0.8, 0.6], [0, 0], [0.6, 0.8], [0, 0]], atol=1e-7)
    assert aligned.vectors.dtype == np.float32
    assert aligned.covered.tolist() == [True, False, True, False]
    assert aligned.parts is None
    assert aligned.counts == EmbeddingCounts(in_file=4, matched=3, missing=1, extra=1, zero_rows=1)
    assert aligned.counts.summary == (
        "4 rows: 3 of the catalog's 4 artists (1 without a row, 1 with a row of zeros), 1 of other artists"
    )


def test_very_long_and_very_short_rows_are_scaled_too() -> None:
    vectors = np.array([[1e15, 0], [0, 1e-30], [1e-45, 0]], np.float32)
    aligned = align_embeddings(ExternalEmbeddings(["a", "b", "c"], vectors, None), CATALOG)
    assert aligned.vectors.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert aligned.covered.tolist() == [True, True, False, False]


def random_parts(n: int, d: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    parts = {name: rng.standard_normal((n, d)).astype(np.float32) for name in ("audio", "cf", "tags")}
    for part in parts.values():
        part[rng.random(n) < 0.4] = 0.0
    return parts


def test_the_embeddings_of_a_model_are_the_same_bits_after_alignment() -> None:
    n = 500
    parts = random_parts(n, 200)
    vectors, covered = fuse(parts)
    ids = [f"id{row:03}" for row in range(n)]
    shuffled = np.random.default_rng(4).permutation(n)
    extra = np.ones((1, 200), np.float32)
    external = ExternalEmbeddings(
        [*(ids[row] for row in shuffled), "extra"],
        np.concatenate([vectors[shuffled], extra]),
        {name: np.concatenate([part[shuffled], extra]) for name, part in parts.items()},
    )
    aligned = align_embeddings(external, ids)
    assert aligned.vectors.tobytes() == vectors.tobytes()
    assert aligned.covered.tolist() == covered.tolist()
    assert aligned.parts is not None
    assert {name: part.tobytes() for name, part in aligned.parts.items()} == {
        name: part.tobytes() for name, part in parts.items()
    }
    only_parts = align_embeddings(ExternalEmbeddings(external.ids, None, external.parts), ids)
    assert only_parts.vectors.tobytes() == vectors.tobytes()
    assert only_parts.counts == aligned.counts


def test_the_given_vectors_come_before_the_mean_of_the_parts() -> None:
    external = ExternalEmbeddings(["a"], np.array([[0, 2]], np.float32), {"tags": np.array([[5, 0]], np.float32)})
    aligned = align_embeddings(external, ["a"])
    assert aligned.vectors.tolist() == [[0, 1]]
    assert aligned.parts is not None
    assert aligned.parts["tags"].tolist() == [[5, 0]]


def test_embeddings_of_other_artists_are_an_error_with_ids_of_both() -> None:
    external = ExternalEmbeddings(["1", "2", "3", "4"], np.ones((4, 1), np.float32), None)
    with pytest.raises(MismatchError) as error:
        align_embeddings(external, ["a", "b"])
    assert str(error.value) == (
        "embeddings: found 4 artists, none of the catalog ('1', '2', '3', ...); wanted the catalog's ids ('a', 'b')"
    )


def test_embeddings_without_numbers_are_an_error() -> None:
    with pytest.raises(InputError, match="parts: found none"):
        align_embeddings(ExternalEmbeddings(["a"], None, None), ["a"])


@given(st.permutations(list("abcdefg")), st.integers(1, 7), st.permutations(list("abcdefg")), st.integers(1, 7))
def test_alignment_is_what_a_naive_loop_finds(ids: list[str], n_ids: int, catalog: list[str], n_catalog: int) -> None:
    ids, catalog = ids[:n_ids], catalog[:n_catalog]
    numbers = {artist_id: float(ord(artist_id)) for artist_id in ids}
    part = np.array([[numbers[each]] for each in ids], np.float32)
    external = ExternalEmbeddings(ids, part, {"tags": part})
    if not set(ids) & set(catalog):
        with pytest.raises(MismatchError):
            align_embeddings(external, catalog)
        return
    aligned = align_embeddings(external, catalog)
    assert aligned.vectors.tolist() == [[1.0 if each in ids else 0.0] for each in catalog]
    assert aligned.parts is not None
    assert aligned.parts["tags"].tolist() == [[numbers.get(each, 0.0)] for each in catalog]
    assert aligned.counts.extra == len(set(ids) - set(catalog))
    assert aligned.counts.missing == len(set(catalog) - set(ids))
