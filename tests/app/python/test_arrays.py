from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from riyl.app.python.arrays import stored_arrays
from riyl.core.errors import InputError
from riyl.core.settings import Home
from riyl.core.storage.embeddings import ExternalEmbeddings, find_embeddings

IDS = ["a", "b", "c"]
MATRIX = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 0.0]])


@pytest.fixture
def home(tmp_path: Any) -> Home:
    return Home(tmp_path)


def read(home: Home, source: str) -> ExternalEmbeddings:
    prefix, _, id = source.partition(":")
    assert prefix == "stored"
    return find_embeddings(home.embeddings, id).embeddings


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_is_stored_as_float32(home: Home, dtype: Any, order: Any) -> None:
    stored = stored_arrays(home, {"gnn": (IDS, np.asarray(MATRIX, dtype, order=order))})
    embeddings = read(home, stored["gnn"])
    assert (embeddings.ids, embeddings.parts) == (IDS, None)
    assert embeddings.vectors is not None
    assert embeddings.vectors.dtype == np.float32
    np.testing.assert_array_equal(embeddings.vectors, MATRIX)


def test_a_matrix_of_each_modality_is_stored(home: Home) -> None:
    tags = np.array([[np.nan, np.nan], [1.0, 2.0], [3.0, 4.0]], np.float32)
    stored = stored_arrays(home, {"gnn": (IDS, {"tags": tags, "audio": MATRIX})})
    embeddings = read(home, stored["gnn"])
    assert embeddings.vectors is None
    assert embeddings.parts is not None
    np.testing.assert_array_equal(embeddings.parts["tags"], [[0, 0], [1, 2], [3, 4]])
    np.testing.assert_array_equal(embeddings.parts["audio"], MATRIX)
    assert np.isnan(tags[0]).all()  # the caller's array stays as it is


@pytest.mark.parametrize("ids", [[1, 2, 3], np.array([1, 2, 3]), pd.Series(["1", "2", "3"]), np.array(["1", "2", "3"])])
def test_ids_may_be_numbers_arrays_or_columns(home: Home, ids: Any) -> None:
    assert read(home, stored_arrays(home, {"gnn": (ids, MATRIX)})["gnn"]).ids == ["1", "2", "3"]


def test_the_same_arrays_are_stored_once_and_paths_stay(home: Home) -> None:
    given = {"gnn": (IDS, MATRIX), "file": "x.npy"}
    first, second = stored_arrays(home, given), stored_arrays(home, given)
    assert first == second
    assert first["file"] == "x.npy"
    assert len(list(home.embeddings.iterdir())) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((IDS,), r"^embeddings 'gnn': found a tuple of 1; wanted a path, \(ids, matrix\) or \(ids, \{modality"),
        ((IDS, MATRIX[:2]), r"^embeddings 'gnn': found 2 rows and 3 ids; wanted one id for each row$"),
        ((IDS, MATRIX[:, 0]), r"^embeddings 'gnn': found an array of shape \(3,\); wanted \(n, d\)"),
        ((IDS, MATRIX[:, :0]), r"^embeddings 'gnn': found an array of shape \(3, 0\); wanted"),
        ((IDS, MATRIX.astype(int)), r"^embeddings 'gnn': found int64 numbers; wanted float16, float32 or float64$"),
        ((IDS, np.array([["x"]] * 3)), r"^embeddings 'gnn': found <U1 numbers; wanted float16"),
        ((["a", "b", "a"], MATRIX), r"^embeddings 'gnn': found 1 repeated artist id: 'a' \(rows 1 and 3\)"),
        ((["a", "", "c"], MATRIX), r"^embeddings 'gnn': found the id '' in row 2; wanted a text or a whole number$"),
        ((["a", None, "c"], MATRIX), r"^embeddings 'gnn': found the id None in row 2; wanted"),
        ((["a", 1.0, "c"], MATRIX), r"^embeddings 'gnn': found the id 1.0 in row 2; wanted"),
        ((IDS, np.full((3, 2), np.inf)), r"^embeddings 'gnn': found inf in row 1, column 1 \(artist 'a'\)"),
        ((IDS, MATRIX * 1e300), r"^embeddings 'gnn': found inf in row 1, column 1 \(artist 'a'\)"),
        (
            (IDS, {"tags": MATRIX, "cf": [[np.nan, 1.0], [0.0, 0.0], [0.0, 0.0]]}),
            r"^embeddings 'gnn'/cf: found nan in row 1, column 1",
        ),
        ((IDS, {"a/b": MATRIX}), r"name of a modality: found 'a/b'"),
        ((IDS, {}), r"found neither vectors nor parts"),
    ],
)
def test_an_array_that_cannot_be_used_is_refused(home: Home, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        stored_arrays(home, {"gnn": value})
    assert not home.embeddings.exists()
