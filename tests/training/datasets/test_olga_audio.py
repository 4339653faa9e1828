"""OLGA's features, and errors in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import InputError
from riyl.training.datasets import olga
from riyl.training.datasets.olga import AUDIO
from tests.training.datasets.olga_files import N, made, put_audio, put_graph, read, refusal


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_features_become_audio_without_the_empty_rows(tmp_path: Path, dtype: type) -> None:
    put_graph(tmp_path)
    vectors = np.arange(N * 3, dtype=dtype).reshape(N, 3) + 1
    vectors[1] = 0
    vectors[3] = np.nan
    put_audio(tmp_path, vectors)
    report = made(tmp_path)
    assert read(tmp_path, "audio") == {
        "artist_id": ["olga:0", "olga:2", "olga:4"],
        "vector": [[1, 2, 3], [7, 8, 9], [13, 14, 15]],
    }
    assert report.rows["audio"] == 3
    assert report.notes["acousticbrainz.npy: artist without audio, all zeros or NaN"] == 2


def test_features_that_are_no_finite_float32_are_left_out_and_shown(tmp_path: Path) -> None:
    put_graph(tmp_path)
    vectors = np.ones((N, 3))
    vectors[1, 2], vectors[2, 0], vectors[4, 1] = 1e39, np.nan, np.inf
    put_audio(tmp_path, vectors)
    report = made(tmp_path)
    note = "acousticbrainz.npy: row left out, a number is not finite as float32"
    assert read(tmp_path, "audio")["artist_id"] == ["olga:0", "olga:3"]
    assert report.notes[note] == 3
    assert report.examples[note] == (
        "row 1: 1e+39 at position 3",
        "row 2: nan at position 1",
        "row 4: inf at position 2",
    )


def test_features_are_read_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(olga, "_CHUNK_ROWS", 2)
    put_graph(tmp_path)
    vectors = np.arange(N * 2, dtype=np.float32).reshape(N, 2) + 1
    vectors[2:4] = 0
    put_audio(tmp_path, vectors)
    made(tmp_path)
    assert read(tmp_path, "audio") == {"artist_id": ["olga:0", "olga:1", "olga:4"], "vector": [[1, 2], [3, 4], [9, 10]]}


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((N - 1, 3)), "found 4 rows; wanted 5, as artist_connections.npz has"),
        (np.ones(N), "found float64 (5,); wanted floating-point numbers, artists by features"),
        (np.ones((N, 0)), "found float64 (5, 0); wanted floating-point numbers, artists by features"),
        (np.ones((N, 3), np.int64), "found int64 (5, 3); wanted floating-point numbers, artists by features"),
        (np.ones((N, 3), np.complex64), "found complex64 (5, 3); wanted floating-point numbers"),
    ],
)
def test_features_of_another_shape_are_refused(tmp_path: Path, vectors: np.ndarray, message: str) -> None:
    put_graph(tmp_path)
    put_audio(tmp_path, vectors)
    assert refusal(tmp_path).startswith(f"acousticbrainz.npy: {message}")


def test_pickled_features_are_refused_unopened(tmp_path: Path) -> None:
    put_graph(tmp_path)
    np.save(tmp_path / AUDIO.name, np.array([object()] * N, dtype=object))
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found a damaged file or one of another kind \("):
        made(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"text"])
def test_damaged_features_are_refused(tmp_path: Path, content: bytes) -> None:
    put_graph(tmp_path)
    (tmp_path / AUDIO.name).write_bytes(content)
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found a damaged file .*wanted a NumPy array"):
        made(tmp_path)


def test_truncated_features_are_refused(tmp_path: Path) -> None:
    put_graph(tmp_path)
    put_audio(tmp_path, np.ones((N, 300)))
    data = (tmp_path / AUDIO.name).read_bytes()
    (tmp_path / AUDIO.name).write_bytes(data[:-8])
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found a damaged file"):
        made(tmp_path)


def test_an_npz_is_no_feature_matrix(tmp_path: Path) -> None:
    put_graph(tmp_path)
    with (tmp_path / AUDIO.name).open("wb") as file:
        np.savez(file, a=np.ones((N, 3)))
    with pytest.raises(InputError, match=r"acousticbrainz\.npy: found a damaged file .*wanted a NumPy array"):
        made(tmp_path)
