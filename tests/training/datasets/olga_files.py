"""Small files in the format of OLGA's, and the tables made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from riyl.core.errors import InputError
from riyl.training.datasets.base import Report, build
from riyl.training.datasets.olga import ARTISTS, AUDIO, DATASET, GRAPH

N = 5
LINKS = [(0, 1), (0, 4), (1, 2)]
MBIDS = [f"00000000-0000-4000-8000-00000000000{i}" for i in range(N)]
PARTS = ["train", "train", "train", "val", "test"]


def put_graph(folder: Path, similarity_pairs: list[tuple[int, int]] = LINKS, shape: tuple[int, int] = (N, N)) -> Path:
    matrix = sp.csr_matrix(
        (np.ones(len(similarity_pairs), np.bool_), tuple(zip(*similarity_pairs, strict=True))), shape=shape
    )
    sp.save_npz(folder / GRAPH.name, matrix)
    return folder / GRAPH.name


def put_artists(folder: Path, *changes: tuple[int, str]) -> None:
    """Write olga.csv, with rows replaced (row 0 is the header)."""
    tracks = "\"['0a', '0b']\""
    lines = ["index,musicbrainz_id,partition,tracks"]
    lines += [f"{i},{mbid},{part},{tracks}" for i, (mbid, part) in enumerate(zip(MBIDS, PARTS, strict=True))]
    for row, text in changes:
        lines[row] = text
    (folder / ARTISTS.name).write_text("".join(line + "\n" for line in lines if line != "-"))


def made(folder: Path) -> Report:
    """Build from the files of the dataset that are in `folder`."""
    files = {f.name: folder / f.name for f in DATASET.files if (folder / f.name).exists()}
    return build(DATASET, files, folder / "out")


def read(folder: Path, table: str) -> dict[str, list[Any]]:
    return pq.read_table(folder / "out" / f"{table}.parquet").to_pydict()


def refusal(folder: Path) -> str:
    """Return the message of the refusal of the files, from the name of the file on."""
    with pytest.raises(InputError) as caught:
        made(folder)
    assert not (folder / "out").exists()
    return str(caught.value).removeprefix(f"{folder}/")


def put_audio(folder: Path, vectors: np.ndarray) -> None:
    np.save(folder / AUDIO.name, vectors)


def links_of(ids: list[str]) -> dict[str, list[str]]:
    """Return the graph's links as a table, by the ids of its rows."""
    return {"artist_id": [ids[i] for i, _ in LINKS], "similar_id": [ids[j] for _, j in LINKS]}
