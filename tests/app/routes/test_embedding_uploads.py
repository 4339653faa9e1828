"""Tests of refused uploads of embeddings, which store nothing."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers, problem_of
from tests.app.routes.embeddings import IDS, VECTORS, bring, false_npy, kept, npy, parquet

FILE = ("m.npy", npy(VECTORS))
NARROW = ("n.npy", npy(VECTORS[:, :1]))
NAN = np.array([[1, 0], [np.nan, 0], [0, 1]], np.float32)


def matrix(content: bytes) -> dict[str, tuple[str, bytes]]:
    return {"file": ("m.npy", content), "ids": IDS}


@pytest.mark.parametrize(
    ("parts", "detail"),
    [
        ({"ids": IDS}, "body: found neither a part `file` nor `part-NAME`; wanted a matrix, or one per modality"),
        ({"other": FILE}, "body: found a part called 'other'; wanted file, ids and part-NAME (other values go into"),
        (
            {"file": ("m.npz", b"PK"), "ids": IDS},
            "body.file: found a file called 'm.npz'; wanted one that ends in .npy",
        ),
        ({"file": FILE, "ids": ("i.csv", b"a\n")}, "body.ids: found a file called 'i.csv'; wanted one that ends in"),
        ({"file": FILE}, "m.npy: found no ids of its rows; wanted a file with one artist id per line"),
        ({"part_tags": FILE}, "body.ids: found nothing; wanted a .txt file with the artist of each row of the parts"),
        (
            {"part_tags": FILE, "ids": ("i.parquet", b"PAR1")},
            "body.ids: found a file called 'i.parquet'; wanted a .txt",
        ),
        ({"part_tags": ("t.parquet", b"PAR1"), "ids": IDS}, "body.part-tags: found a file called 't.parquet'; wanted"),
        (
            {"part_tags": FILE, "file": ("m.parquet", b"PAR1"), "ids": IDS},
            "body.file: found a file called 'm.parquet';",
        ),
        ({"part_": FILE, "ids": IDS}, "name of a modality: found ''; wanted 1 to 64 letters"),
        ({"part_../../x": FILE, "ids": IDS}, "name of a modality: found '../../x'; wanted 1 to 64 letters"),
        (
            {"part_tags": FILE, "part_audio": NARROW, "ids": IDS},
            "uploaded: found parts/audio.npy (3, 1), parts/tags.npy (3, 2)",
        ),
        ({"file": ("m.parquet", parquet(["a"], [[1.0]])), "ids": IDS}, "ids.txt: found a file of ids; wanted none"),
        ({"file": ("m.parquet", b"PAR1")}, "m.parquet: found no readable Parquet file"),
        ({"file": ("m.parquet", parquet(["a", "a"], [[1.0], [2.0]]))}, "m.parquet: found 1 repeated artist id: 'a'"),
        ({"file": FILE, "ids": ("i.txt", b"a\nb\n")}, "m.npy: found 3 rows and 2 ids; wanted one id for each row"),
        ({"file": FILE, "ids": ("i.txt", b"a\n\nb\n")}, "i.txt, line 2: found a blank line; wanted one artist id"),
        ({"file": FILE, "ids": ("i.txt", b"a\nb\n\xff\n")}, "i.txt, line 3: found byte 0xff, which is not UTF-8"),
        (matrix(npy(NAN)), "m.npy: found nan in row 2, column 1 (artist 'a001'), and 1 such row in all; wanted finite"),
        (
            matrix(npy(np.array([[None, {}]] * 3, object))),
            "m.npy: found pickled Python objects; wanted float16, float32",
        ),
        (matrix(npy(np.ones((3, 2), np.int64))), "m.npy: found int64 numbers; wanted float16, float32 or float64"),
        (matrix(b""), "m.npy: found no NumPy array"),
        (matrix(npy(VECTORS)[:-1]), "m.npy: found 151 bytes; wanted 152, as its header declares"),
        (matrix(false_npy("(3, 4611686018427387904)")), "m.npy: found 88 bytes; wanted 55340232221128654936, as its"),
        (
            matrix(false_npy("(-3, -2)", data=VECTORS.tobytes())),
            "m.npy: found an array of shape (-3, -2); wanted (n, d)",
        ),
        (matrix(false_npy("__import__('os')")), "m.npy: found no NumPy array"),
        (matrix(false_npy("(" * 5000)), "m.npy: found no NumPy array"),
        (matrix(false_npy("(3, 2)", dtype="[('x', '<f4', 100000000)]")), "m.npy: found [('x', '<f4', (100000000,))]"),
        ({"file": ("a" * 100 + ".npy", npy(VECTORS)), "ids": IDS}, "source of embeddings: found 'aaaaaa"),
    ],
)
def test_a_wrong_upload_is_422_in_its_own_words_and_nothing_is_kept(
    home: Home, parts: dict[str, tuple[str, bytes]], detail: str
) -> None:
    answer = bring(home, **parts)
    assert problem_of(answer, 422, "invalid request")["detail"].startswith(detail)
    assert "/tmp" not in answer.text
    assert kept(home) == []


@pytest.mark.parametrize("query", ["", "name=", f"name={'a' * 101}", "name=%00", "name=a%0Ab", "name=a&more=1"])
def test_a_name_that_is_none_is_422(home: Home, query: str) -> None:
    problem_of(bring(home, query, file=FILE, ids=IDS), 422, "invalid request")
    assert kept(home) == []


def test_a_repeated_part_and_too_many_parts_are_422(home: Home) -> None:
    files = [("part-tags", FILE), ("part-tags", FILE), ("ids", IDS)]
    many = [(f"part-m{i}", FILE) for i in range(22)] + [("ids", IDS)]
    details = []
    for each in (files, many):
        (answer,) = asked(home, "/v1/embeddings?name=gnn", method="POST", headers=key_headers(home), files=each)
        details.append(problem_of(answer, 422, "invalid request")["detail"])
    assert details[0].startswith("body.part-tags: found 2 of them; wanted one file")
    assert details[1].startswith("body: found no readable multipart/form-data (Too many files. Maximum number of files")
    assert kept(home) == []


def test_a_file_that_unpacks_to_too_much_is_422(home: Home) -> None:
    rows, dim = 300_000, 128
    zeros = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows * dim, np.float32)), dim)
    out = io.BytesIO()
    pq.write_table(pa.table({"artist_id": [str(i) for i in range(rows)], "vector": zeros}), out)
    assert len(out.getvalue()) < 8 << 20
    detail = problem_of(bring(home, file=("m.parquet", out.getvalue())), 422, "invalid request")["detail"]
    assert detail.startswith("m.parquet: found ")
    assert detail.endswith(f"bytes once unpacked; wanted at most {128 << 20}")
    assert kept(home) == []
